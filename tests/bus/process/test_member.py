"""A member's reports, and its log lines when the broker refuses them: a ROUTER in the place of the broker's frontend."""

import os

import pytest
import zmq
from fake_frontend import OPEN, FakeBroker
from local_bus import free_ports
from waiting import eventually

from hulak.bus.process import lifecycle
from hulak.bus.process.member import Member
from hulak.bus.process.settings import BrokerSettings, Settings
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Error, Reply

WITHIN_S = 10


class Log(list):
    """Keeps the warnings."""

    def warning(self, event, **facts):
        self.append((event, facts["code"]))

    def error(self, event, **facts):
        self.append((event, facts["why"].partition(" (")[0]))

    def info(self, event, **facts):
        self.append((event, facts["changed"]))

    def debug(self, event, **facts):
        """Drop other log lines."""


@pytest.fixture
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture
def member(broker, context, tmp_path):
    address = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    publisher = context.socket(zmq.XPUB)
    publisher.bind(address)
    settings = Settings(broker=BrokerSettings(frontend=broker.address, publisher=address), security=OPEN)
    with Member(settings, tmp_path, Log(), kind="nepse", name="a") as member:
        yield member


def next_of(broker, service):
    """Return its next request of this service."""
    while True:
        (request,) = broker.receive()
        if request.service == service:
            return request


def report(broker, member, answer):
    """Let it report; send this answer."""
    member.report_now()
    request = next_of(broker, "hulak.report")
    broker.router.send_multipart([broker.client, codec.encode(answer(request.id))])
    return request


def test_a_member_reports_to_the_broker_and_reports_that_it_leaves(broker, member):
    request = report(broker, member, lambda id_: Reply(id_, None))
    assert (request.service, request.args["kind"], request.args["name"]) == ("hulak.report", "nepse", "a")
    assert request.args["values"]["config_version"] == 0
    member.stop()
    requests = broker.receive_all(1)
    while not requests[-1].args.get("leaving"):
        requests += broker.receive()
    assert requests[-1].args["values"] == {}
    assert not member.ended()


def test_a_member_beats_between_its_reports_and_reports_at_once_if_the_broker_does_not_know_it(broker, member):
    member.beat()
    report(broker, member, lambda id_: Reply(id_, {}))
    beat = next_of(broker, "hulak.beat")
    assert beat.args.keys() == {"kind", "name", "pid", "loop_age_s"}
    broker.router.send_multipart([broker.client, codec.encode(Reply(beat.id, {"known": False}))])
    assert broker.receive()[0].service == "hulak.report"


def test_a_member_whose_beats_a_broker_does_not_know_goes_on_reporting(broker, member):
    report(broker, member, lambda id_: Reply(id_, {}))
    beat = next_of(broker, "hulak.beat")
    broker.router.send_multipart([broker.client, codec.encode(Error(beat.id, "UNKNOWN_SERVICE", "no such service"))])
    assert [broker.receive()[0].service for _ in range(2)] == ["hulak.report"] * 2
    assert member.log == []


def test_a_refused_report_is_logged_once_until_one_is_accepted(broker, member):
    def refuse(code):
        return lambda id_: Error(id_, code, "no")

    for answer in (refuse("BUSY"), refuse("BUSY"), refuse("BAD_ARGUMENT"), lambda id_: Reply(id_, None), refuse("BUSY")):
        report(broker, member, answer)
    lines = [("report refused", code) for code in ("BUSY", "BAD_ARGUMENT", "BUSY")]
    eventually(lambda: member.log == lines, within_s=WITHIN_S)


def test_a_reload_applies_what_has_changed_in_the_settings_file_and_keeps_all_if_it_is_wrong(
    broker, member, tmp_path, monkeypatch
):
    for name in [name for name in os.environ if name.startswith("HULAK_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "hulak.toml"
    for text, logged in (
        ("[nepse]\nrate_per_s = 1.5\n", ("settings reloaded", {"rate_per_s": 1.5})),
        (
            "[nepse]\nrate_per_s = -1\n",
            ("settings not reloaded", "setting nepse.rate_per_s = -1: must be a number above 0 and at most 100"),
        ),
        ("[nepse]\nrate_per_s = 1.5\n[journal]\nmax_hours = 1.0\n", ("settings reloaded", {})),
    ):
        file.write_text(text)
        member.reload()
        eventually(lambda logged=logged: member.log[-1:] == [logged], within_s=WITHIN_S)
        assert member.live["rate_per_s"] == 1.5


def test_a_member_that_has_stopped_is_not_reloaded(broker, member):
    known = len(lifecycle._reloads)
    assert member.reload in lifecycle._reloads
    member.stop()
    member.stop()
    assert len(lifecycle._reloads) == known - 1
