"""The config service with a real database, and with one that the disk refuses."""

import os
import socket
import sqlite3
import subprocess
import sys
import time

import pytest
import structlog
from effect_fixture import EffectFixture
from request_arguments import serve

from hulak.bus.backoff import Backoff
from hulak.bus.broker.config_service import MOST_WAITERS, MOST_WAITING, ConfigService
from hulak.bus.broker.socket_monitor import PeerConnection
from hulak.bus.broker.storage import config_rows
from hulak.bus.core.broker_state import BrokerState, Limits
from hulak.bus.core.effects import Asker
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError
from hulak.bus.process import log
from hulak.bus.process.settings import NepseSettings, Settings
from hulak.bus.wire.codec import decode_publication, unpack
from hulak.bus.wire.messages import Error, Reply

QUIET = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.fixture(autouse=True)
def put_back():
    yield
    log.set_level("info")


class ConfigFixture(EffectFixture):
    """The service, its database, and the messages that it publishes and answers."""

    def __init__(self, folder, settings=None):
        super().__init__(folder)
        self.bus = BrokerState(7, "1", Limits(), Policy(), lambda _: None, 100.0, Backoff(0.5, 60.0, lambda: 0.5))
        self.bus.topics.subscribe(b"config\0")
        self.database.start()
        self.config_service = ConfigService(settings or Settings(), self.database, self.bus, self.guard, QUIET)
        self.carry_out(self.config_service.begin())

    def send(self, service, now=101.0, request=b"i" * 16, connection=None, **args):
        """Send a request."""
        asker = Asker(b"c", request, connection)
        self.carry_out(serve(f"hulak.config.{service}", asker, now, args, config=self.config_service))

    def ask(self, service, **args):
        """Send a request, and wait for the answer."""
        before = len(self.answers)
        self.send(service, **args)
        self.until(lambda: len(self.answers) > before)
        return self.answers[-1][1]

    def documents(self):
        return [unpack(decode_publication(frame).body) for frame in self.published]


@pytest.fixture
def fixture(tmp_path):
    fixture = ConfigFixture(tmp_path)
    yield fixture
    fixture.database.close()


def test_the_document_is_published_at_the_start_and_after_each_change(fixture):
    assert fixture.documents() == [{"version": 0, "at_ns": 0, "by": "", "note": "", "scopes": {}}]
    before = time.time_ns()
    answer = fixture.ask("set", scope="kind:nepse", values={"rate_per_s": 1}, by="ram", note="politer")
    assert answer == Reply(b"i" * 16, {"version": 1, "changed": True})
    newest = fixture.documents()[-1]
    assert before <= newest.pop("at_ns") <= time.time_ns()
    assert newest == {"version": 1, "by": "ram", "note": "politer", "scopes": {"kind:nepse": {"rate_per_s": 1.0}}}
    assert fixture.bus.topics.logs[b"config\0"].frame == fixture.published[-1]  # its last value, for late joiners


def test_a_refused_request_changes_nothing(fixture):
    answer = fixture.ask("set", scope="kind:nepse", values={"cache_s": 1, "rate_per_s": 0})
    assert isinstance(answer, Error)
    assert answer.code == "BAD_CONFIG"
    assert answer.details == {
        "scope": "kind:nepse",
        "key": "rate_per_s",
        "seen": "0",
        "allowed": "a number above 0, at most 100 (1/s)",
    }
    assert (len(fixture.published), fixture.database.commits, fixture.bus.refused) == (1, 0, 1)


def test_a_repeated_set_is_no_new_version(fixture):
    fixture.ask("set", scope="global", values={"log_level": "error"})
    assert fixture.ask("set", scope="global", values={"log_level": "error"}).value == {"version": 1, "changed": False}
    assert len(fixture.published) == 2


def test_changes_that_come_together_are_made_one_after_the_other(fixture):
    for number in range(1, 21):
        fixture.send("set", request=bytes([number]) * 16, scope="kind:nepse", values={"rate_per_s": number})
    fixture.until(lambda: len(fixture.answers) == 20)
    assert [message.value["version"] for _, message in fixture.answers] == list(range(1, 21))
    assert [document["scopes"]["kind:nepse"]["rate_per_s"] for document in fixture.documents()[1:]] == list(range(1, 21))


def test_more_than_a_thousand_waiting_changes_are_refused(fixture):
    for number in range(1, MOST_WAITING + 2):  # one of them is being written
        fixture.send("set", scope="kind:nepse", values={"cache_s": number})
    with pytest.raises(ProtocolError, match="no more are taken") as caught:
        fixture.send("set", scope="kind:nepse", values={"cache_s": 0})
    assert caught.value.code == "BUSY"


def test_all_versions_survive_a_restart(fixture, tmp_path):
    fixture.ask("set", scope="kind:nepse", values={"rate_per_s": 1, "cache_s": 9})
    fixture.ask("set", scope="display:x", values={"show_flash": True, "adr_lookback_days": 7})
    fixture.ask("set", scope="kind:nepse", unset=["cache_s"])
    versions = fixture.config_service.versions
    fixture.database.close()
    again = ConfigFixture(tmp_path)
    assert again.config_service.versions == versions
    assert again.documents() == [fixture.documents()[-1]]
    assert again.ask("revert", version=1).value == {"version": 4, "changed": True}
    assert again.documents()[-1]["scopes"] == {"kind:nepse": {"rate_per_s": 1.0, "cache_s": 9.0}}
    again.database.close()


def test_only_the_newest_versions_stay_in_the_store(fixture):
    fixture.config_service.versions.keep = 3
    for number in range(1, 8):
        fixture.ask("set", scope="kind:nepse", values={"cache_s": number})
    assert [version.version for version in fixture.database.now(config_rows.load).versions] == [5, 6, 7]


def test_a_change_that_the_disk_refuses_is_refused_and_not_published(fixture, monkeypatch):
    fixture.ask("set", scope="global", values={"log_level": "error"})

    def full(*_, **__):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(config_rows, "write", full)
        answer = fixture.ask("set", scope="global", values={"log_level": "debug"})
    assert (answer.code, answer.text) == ("STORE_FAILED", "the configuration was not changed: database or disk is full")
    assert fixture.config_service.versions.document()["version"] == 1
    assert len(fixture.published) == 2
    assert fixture.ask("set", scope="global", values={"log_level": "debug"}).value["version"] == 2  # the disk has room again


def test_get_returns_keys_of_the_present_and_of_a_former_version(fixture):
    fixture.ask("set", scope="kind:nepse", values={"rate_per_s": 1})
    fixture.ask("set", scope="kind:nepse", values={"rate_per_s": 3})
    document = fixture.ask("get", scope="kind:nepse").value
    assert (document["version"], [row["value"] for row in document["rows"] if row["key"] == "rate_per_s"]) == (2, [3.0])
    former = fixture.ask("get", scope="kind:nepse", version=1).value
    assert (former["version"], former["scopes"]) == (1, {"kind:nepse": {"rate_per_s": 1.0}})
    with pytest.raises(ProtocolError, match="must be 0 to 2"):
        fixture.ask("get", version=3)


def test_defaults_are_those_of_the_brokers_settings(tmp_path):
    fixture = ConfigFixture(tmp_path, Settings(nepse=NepseSettings(rate_per_s=0.25)))
    (row,) = [row for row in fixture.ask("get").value["rows"] if row["key"] == "rate_per_s"]
    assert (row["value"], row["default"], row["from"]) == (0.25, 0.25, "default")
    fixture.database.close()


def test_the_brokers_own_log_level_follows(fixture, capsys):
    logger = log.set_up(Settings().log)
    logger.debug("before")
    fixture.ask("set", scope="kind:broker", values={"log_level": "debug"})
    logger.debug("with it")
    fixture.ask("set", scope="kind:broker", unset=["log_level"])
    logger.debug("after")
    output = capsys.readouterr().err
    assert "with it" in output
    assert "before" not in output
    assert "after" not in output


def test_applied_lists_the_processes_that_report_a_version(fixture):
    fixture.ask("set", scope="global", values={"log_level": "error"})
    reports = fixture.bus.reports
    reports.take(100.5, "nepse", "a", 11, {"config_version": 1})
    reports.take(100.0, "feed", "b", 12, {"config_version": 0})
    reports.take(100.0, "feed", "foreign", 13, {})  # it knows nothing of all this
    assert fixture.ask("applied", version=1).value == [
        {"kind": "nepse", "name": "a", "pid": 11, "version": 1, "age_s": 0.5},
        {"kind": "feed", "name": "b", "pid": 12, "version": 0, "age_s": 1.0},
    ]
    reports.leave("feed", "b", 99)  # the one before it, late
    assert len(fixture.ask("applied").value) == 2
    reports.leave("feed", "b", 12)
    assert len(fixture.ask("applied").value) == 1
    for wrong, reason in ((2, "must be 0 to 1"), (-1, "argument version is -1"), ("1", "argument version"), (True, "is True")):
        with pytest.raises(ProtocolError, match=reason):
            fixture.ask("applied", version=wrong)


def test_a_killed_process_is_not_waited_for_and_a_silent_one_is(fixture):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait(20)
    reports = fixture.bus.reports
    reports.take(100.5, "nepse", "ended just now", gone.pid, {"config_version": 0})
    assert [row["name"] for row in fixture.ask("applied").value] == ["ended just now"]
    reports.take(98.0, "nepse", "ended", gone.pid, {"config_version": 0})
    reports.take(98.0, "nepse", "silent", os.getpid(), {"config_version": 0})
    assert [row["name"] for row in fixture.ask("applied").value] == ["ended just now", "silent"]


def test_the_values_of_a_removed_display_are_removed(fixture):
    fixture.ask("set", scope="display:x", values={"show_flash": True, "value_area": 0.5})
    fixture.carry_out(fixture.config_service.drop_scope("display:y", "the broker"))
    fixture.carry_out(fixture.config_service.drop_scope("display:x", "the broker"))
    fixture.until(lambda: fixture.config_service.versions.version == 2)
    assert fixture.config_service.versions.scopes == {}


def report(fixture, name, version, now=101.0, pid=None):
    fixture.bus.reports.take(now, "nepse", name, pid or os.getpid(), {"config_version": version})


@pytest.fixture
def waited(fixture):
    """A version that one of two processes applies."""
    fixture.ask("set", scope="global", values={"log_level": "error"})
    report(fixture, "a", 1)
    report(fixture, "b", 0)
    fixture.answers.clear()
    return fixture


def turn(fixture, now):
    """Run one iteration; returns the versions in each answer."""
    fixture.carry_out(fixture.config_service.turn(now))
    return [[row["version"] for row in value] for value in fixture.take()]


def test_a_request_is_answered_once_all_apply_its_version(waited):
    waited.send("applied", version=1, wait_ms=1000)
    waited.send("applied", request=b"j" * 16, wait_ms=1000)  # the newest
    assert waited.answers == []
    waited.send("applied", request=b"k" * 16, version=0, wait_ms=1000)
    waited.send("applied", request=b"l" * 16, version=1)
    assert [message.id for _, message in waited.answers] == [b"k" * 16, b"l" * 16]
    waited.take()
    assert turn(waited, 101.1) == []
    report(waited, "b", 1, 101.2)
    assert turn(waited, 101.2) == [[1, 1], [1, 1]]
    assert (turn(waited, 110.0), len(waited.config_service.waits)) == ([], 0)
    waited.send("applied", version=1, wait_ms=1000)
    assert len(waited.answers) == 1, "all have applied it"


def test_a_request_expires_to_the_millisecond(waited):
    waited.send("applied", version=1, wait_ms=100)
    assert turn(waited, 101.05) == []
    assert waited.config_service.check_at == 101.1
    assert turn(waited, 101.1) == [[1, 0]]


def test_the_reports_are_checked_after_each_new_one_and_periodically(waited, monkeypatch):
    checks = []
    monkeypatch.setattr(waited.config_service, "processes", lambda now: checks.append(now) or [{"version": 0}])
    waited.send("applied", version=1, wait_ms=60_000)
    for now in (101.0, 101.01, 101.02, 101.2, 101.26, 101.27):
        turn(waited, now)
    report(waited, "b", 0)
    turn(waited, 101.28)
    assert checks == [101.0, 101.0, 101.26, 101.28]


def test_a_process_that_leaves_or_is_killed_is_waited_for_no_more(waited):
    waited.send("applied", version=1, wait_ms=60_000)
    waited.bus.reports.leave("nepse", "b", os.getpid())
    assert turn(waited, 101.1) == [[1]]
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait(20)
    report(waited, "c", 0, 101.1, gone.pid)
    waited.send("applied", version=1, wait_ms=60_000)
    assert turn(waited, 103.0) == []
    assert turn(waited, 103.3) == [[1]]


def test_a_client_that_is_gone_waits_no_more_and_too_many_are_refused(waited):
    here, there = socket.socketpair()
    waited.send("applied", connection=PeerConnection.of(here.fileno()), wait_ms=60_000)
    for end in (here, there):
        end.close()
    for number in range(1, MOST_WAITERS):
        waited.send("applied", request=number.to_bytes(16, "big"), wait_ms=60_000)
    with pytest.raises(ProtocolError, match="1000 requests wait for processes to apply a version") as caught:
        waited.send("applied", request=b"z" * 16, wait_ms=1)
    assert caught.value.code == "BUSY"
    assert (turn(waited, 101.3), len(waited.config_service.waits)) == ([], MOST_WAITERS - 1)
