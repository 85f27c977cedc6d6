"""Reports of processes with keys: of the kinds that a role permits, under a name of no other key, and not too many."""

import pytest
from request_arguments import serve

from hulak.bus.backoff import Backoff
from hulak.bus.core.broker_state import BrokerState, Limits
from hulak.bus.core.control import StateService
from hulak.bus.core.control_requests import ReportArguments
from hulak.bus.core.effects import Asker
from hulak.bus.core.process_reports import KEPT_FOR_KEY_S, ProcessReports
from hulak.bus.core.security import needs
from hulak.bus.core.security.callers import Caller, Refusals
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.names import SILENT_S
from hulak.bus.wire.roles import Rights, parse_roles


class Reporting:
    def __init__(self):
        self.bus = BrokerState(3, "1.2.3", Limits(), Policy(), lambda error: None, 100.0, Backoff(0.5, 60.0, lambda: 0.5))
        self.state = StateService(self.bus, lambda: {"process": {"pid": 7}, "home": "/h"})
        self.refusals = Refusals(lambda *_: None, lambda: 0.0)

    def ask(self, service, key="", roles=("feed:*",), now=100.0, **args):
        caller = Caller(f"{key}#1", key, Rights(parse_roles(roles)), self.refusals, "frontend", None) if key else None
        return serve(service, Asker(b"c", bytes(16), None, caller), now, args, state=self.state)[0].message.value

    def report(self, name, key="", kind="feed", now=100.0, pid=1, **values):
        self.ask("hulak.report", key, now=now, kind=kind, name=name, pid=pid, values={}, **values)

    def names(self, now=100.0):
        return [report.name for report in self.bus.reports.known(now)]


@pytest.mark.parametrize(
    ("kind", "role", "missing"),
    [
        ("feed", "feed:tick.A", ""),
        ("feed", "control", "feed:..."),
        ("worker", "work:x", ""),
        ("worker", "feed:*", "work:..."),
        ("nepse", "work:nepse", ""),
        ("nepse", "work:x", "work:nepse"),
        ("display", "work:dis*", ""),
        ("display", "read", "work:display"),
        ("gateway", "read", ""),
        ("scaler", "control", ""),
        ("gateway", "feed:*", "read"),
        ("scaler", "work:*", "read"),
        ("something", "work:something", "read"),
    ],
)
def test_the_kind_of_a_report_needs_the_role_of_such_a_process(kind, role, missing):
    args = ReportArguments(kind, "name", 1, {})
    assert needs.reporter(Rights(parse_roles([role])), args) == missing


def test_a_name_belongs_to_the_key_that_reports_under_it_until_it_is_silent():
    reporting = Reporting()
    reporting.report("kraken", "alice", pid=1)
    for leaving in (False, True):
        with pytest.raises(ProtocolError, match="key 'mallory' may not report as feed 'kraken'") as caught:
            reporting.report("kraken", "mallory", pid=1, leaving=leaving)
        assert caught.value.code == "FORBIDDEN"
    assert reporting.refusals.counts == {"mallory": {"report": 2}}
    assert [(report.pid, report.key) for report in reporting.bus.reports.known(100.0)] == [(1, "alice")]
    reporting.report("kraken", "mallory", kind="other", pid=2)
    reporting.report("kraken", "mallory", now=100.1 + KEPT_FOR_KEY_S, pid=2)
    with pytest.raises(ProtocolError):
        reporting.report("kraken", "alice", now=100.1 + KEPT_FOR_KEY_S)


def test_a_name_that_its_process_has_left_is_free_and_the_owner_may_use_every_name():
    reporting = Reporting()
    reporting.report("kraken", "alice")
    reporting.report("kraken", "alice", leaving=True)
    reporting.report("kraken", "bob")
    reporting.report("kraken")
    with pytest.raises(ProtocolError):
        reporting.report("kraken", "bob")


def test_a_key_cannot_use_up_the_room_for_reports():
    reporting = Reporting()
    most = reporting.bus.reports.share
    reporting.report("ours")
    for number in range(most):
        reporting.report(f"name{number}", "mallory", pid=number + 1)
    with pytest.raises(ProtocolError) as caught:
        reporting.report("one more", "mallory")
    assert caught.value.code == "BUSY"
    reporting.report("name0", "mallory")
    reporting.report("theirs", "alice")
    reporting.report("one more", "mallory", now=100.1 + SILENT_S)
    assert len(reporting.names()) == most + 2
    assert {"ours", "theirs", "one more"} <= set(reporting.names())


def test_a_process_does_not_replace_a_silent_one_of_another_key():
    reports = ProcessReports()
    reports.take(0.0, "worker", "x/1", 1, {}, "alice")
    reports.take(10.0, "worker", "x/2", 2, {}, "mallory")
    assert [report.name for report in reports.known(10.0)] == ["x/1", "x/2"]
    reports.take(10.0, "worker", "y/1", 3, {}, "alice")
    reports.take(20.0, "worker", "y/2", 4, {}, "alice")
    assert [report.name for report in reports.known(20.0)] == ["x/1", "x/2", "y/2"]


def test_a_ping_names_process_and_home_to_the_owner_and_to_keys_that_may_read():
    reporting = Reporting()
    always = {"epoch": 3, "version": "1.2.3", "protocol": 1, "uptime_s": 2.0}
    whole = {**always, "pid": 7, "home": "/h"}
    assert reporting.ask("hulak.ping", now=102.0) == whole
    assert reporting.ask("hulak.ping", "alice", ("read",), now=102.0) == whole
    assert reporting.ask("hulak.ping", "alice", ("feed:*", "subscribe:*", "submit:*"), now=102.0) == always
