"""The control services on the broker's state."""

import pytest
from request_arguments import serve

from hulak.bus.backoff import Backoff
from hulak.bus.core.broker_state import BrokerState, Limits
from hulak.bus.core.control import StateService
from hulak.bus.core.effects import Asker, LogLine, ToWorker
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import feed_frame
from hulak.bus.wire.messages import Ready, Request, Retire

SHELL = {"process": {"pid": 7}}


@pytest.fixture
def bus():
    return BrokerState(3, "1.2.3", Limits(), Policy(), lambda error: None, 100.0, Backoff(0.5, 60.0, lambda: 0.5))


def ask(bus, service, /, **args):
    """Ask; returns the value that is replied, and the other effects."""
    state = StateService(bus, lambda: SHELL)
    first, *others = serve(service, Asker(b"c", bytes(16)), 102.0, args, state=state)
    assert (first.identity, first.message.id) == (b"c", bytes(16))
    return first.message.value, others


def test_ping_returns_the_identity_of_the_broker(bus):
    value, effects = ask(bus, "hulak.ping")
    assert value == {"epoch": 3, "version": "1.2.3", "protocol": 1, "uptime_s": 2.0, "pid": 7, "home": ""}
    assert effects == []


def test_the_stats_service_returns_the_stats_of_the_bus(bus):
    assert ask(bus, "hulak.stats") == (bus.stats(102.0, SHELL), [])


def test_a_feed_is_opened_and_gets_the_last_accepted_number(bus):
    assert ask(bus, "hulak.feed", instance=5, oldest=10)[0].items() >= {"taken": 9, "epoch": 3}.items()
    bus.turn([feed_frame("EURUSD", 5, 10, 1, b"\x80")], 100.0, 1)
    assert ask(bus, "hulak.feed", instance=5, oldest=10)[0]["taken"] == 10


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, "argument instance is missing, must be a whole number from 1"),
        ({"instance": 0, "oldest": 1}, "argument instance is 0"),
        ({"instance": "5", "oldest": 1}, "argument instance is '5'"),
        ({"instance": True, "oldest": 1}, "argument instance is True"),
        ({"instance": 5, "oldest": 0}, "argument oldest is 0"),
        ({"instance": 5, "oldest": 1.0}, "argument oldest is 1.0"),
    ],
)
def test_a_feed_that_cannot_be_is_refused_by_name_and_value(bus, args, text):
    with pytest.raises(ProtocolError, match=text) as caught:
        ask(bus, "hulak.feed", **args)
    assert (caught.value.code, bus.intake.sources) == ("BAD_ARGUMENT", {})


def test_a_report_shows_in_the_stats(bus):
    assert ask(bus, "hulak.report", kind="feed", name="x" * 200, pid=9, values={"posted": 5}) == ({}, [])
    assert bus.stats(102.5, SHELL)["processes"] == [{"kind": "feed", "name": "x" * 200, "pid": 9, "age_s": 0.5, "posted": 5}]


@pytest.mark.parametrize("wrong", [{"kind": 1}, {"name": None}, {"pid": 0}, {"values": [1]}])
def test_a_report_that_makes_no_sense_is_refused(bus, wrong):
    with pytest.raises(ProtocolError, match="argument " + next(iter(wrong))):
        ask(bus, "hulak.report", **{"kind": "feed", "name": "n", "pid": 1, "values": {}, **wrong})


def test_a_process_that_leaves_is_forgotten_at_once_unless_another_has_its_name(bus):
    report = {"kind": "feed", "name": "a" * 100, "values": {}}
    ask(bus, "hulak.report", pid=9, **report)
    assert ask(bus, "hulak.report", pid=8, leaving=True, **report) == ({}, [])  # the one before it, late
    assert [row["pid"] for row in bus.reports.rows(100.0)] == [9]
    ask(bus, "hulak.report", pid=9, leaving=True, **report)
    assert bus.reports.rows(100.0) == []


def test_too_many_reporting_processes_are_refused(bus):
    bus.reports.limit = 1
    ask(bus, "hulak.report", kind="feed", name="a", pid=1, values={})
    with pytest.raises(ProtocolError, match="too many processes report") as caught:
        ask(bus, "hulak.report", kind="feed", name="b", pid=1, values={})
    assert caught.value.code == "BUSY"


def test_a_worker_is_retired_by_its_name(bus):
    bus.dispatcher.ready(100.0, b"w", Ready("nepse", "w/1", 1))
    value, effects = ask(bus, "hulak.retire", worker="w/1")
    assert value == {"worker": "w/1"}
    assert [type(effect) for effect in effects] == [ToWorker, LogLine]
    assert effects[0] == ToWorker(b"w", Retire("an operator asked for it"))


def test_a_request_to_retire_a_worker_may_have_a_reason(bus):
    bus.dispatcher.ready(100.0, b"w", Ready("nepse", "w/1", 1))
    assert ask(bus, "hulak.retire", worker="w/1", reason="fewer are wanted")[1][0] == ToWorker(b"w", Retire("fewer are wanted"))
    with pytest.raises(ProtocolError, match="argument reason is 1, must be text"):
        ask(bus, "hulak.retire", worker="w/1", reason=1)


def test_an_unknown_worker_is_refused_and_the_known_ones_are_named(bus):
    with pytest.raises(ProtocolError, match="worker 'x' is not known; known are none") as caught:
        ask(bus, "hulak.retire", worker="x")
    assert caught.value.code == "UNKNOWN_WORKER"
    for name in ("b", "a"):
        bus.dispatcher.ready(100.0, name.encode(), Ready("nepse", name, 1))
    with pytest.raises(ProtocolError, match="known are a, b"):
        ask(bus, "hulak.retire", worker="x")


def test_tasks_that_wait_for_a_worker_are_counted_by_service(bus):
    for number, service in enumerate(["nepse", "nepse", "chess"]):
        bus.dispatcher.request(100.0, b"c", Request(bytes([number]) * 16, service, ""))
    assert bus.stats(102.0, SHELL)["scaling"] == {"nepse": {"workers": "auto", "queued": 2}}
