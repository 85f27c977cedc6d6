"""The messages of clients of /ws. PROTOCOL.md section 12.2."""

import json
from typing import get_args

import pytest

from hulak.bus.errors import BusError, ProtocolError
from hulak.clients.gateway import protocol
from hulak.clients.gateway.interest import MAX_NAMES, NOTHING, TooManyNames
from hulak.clients.gateway.tokens import Role


def encoded(**message):
    return json.dumps(message)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        b"{}",
        encoded(type="nonsense"),
        encoded(type="subscribe", displays="*"),
        encoded(type="subscribe", displays=[1]),
        encoded(type="subscribe", displays=[""]),
        encoded(type="subscribe", ticks=["x" * 129]),
        encoded(type="subscribe", stats=1),
        encoded(type="subscribe", colour="red"),
        encoded(type="config.set", values={}),
        encoded(type="display.create", symbol=None),
        encoded(type="task.show", task="07" * 15),
        encoded(type="task.show", task="../" * 11),
        encoded(type="tasks.list", state="gone"),
        encoded(type="tasks.list", limit=501),
        encoded(type="service.scale", service="s", workers=-1),
        encoded(type="service.scale", service="s", workers="Auto"),
        encoded(type="schedule.change", name="n", to="add"),
        encoded(type="history.read", figure="queue", span="week"),
        encoded(type="history.read", figure="queue", points=9),
        encoded(type="log.read", level="all"),
        encoded(type="log.read", path="/etc/passwd"),
        encoded(type="config.version", version=-1),
        "[" * 60_000,
        '{"type":"ping","id":' + "[" * 5000 + "]" * 5000 + "}",
        '{"type":"ping","id":"\\ud800"}',
    ],
)
def test_a_bad_message_is_refused_with_a_code(text):
    with pytest.raises(ProtocolError) as error:
        protocol.decode(text)
    assert error.value.code == "BAD_MESSAGE"
    assert str(error.value)
    json.loads(protocol.error("BAD_MESSAGE", str(error.value)))


def test_an_unknown_type_is_named_with_those_that_are_known():
    with pytest.raises(ProtocolError, match=r"type 'alert.ad' is unknown, must be subscribe, .*; did you mean 'alert.add'"):
        protocol.decode(encoded(type="alert.ad", id=1))


def test_an_interest_grows_and_shrinks():
    message = protocol.decode(encoded(type="subscribe", displays=["a", "b"], ticks=["*"], stats=True))
    interest = NOTHING.plus(message.displays, message.ticks, stats=message.stats, config=message.config)
    assert interest.display("a")
    assert not interest.display("c")
    assert interest.tick("anything")
    assert interest.stats
    assert not interest.config
    interest = interest.minus(["a"], ["EURUSD"], stats=True, config=False)
    assert not interest.display("a")
    assert interest.display("b")
    assert interest.tick("EURUSD"), "* stands for all there are"
    assert not interest.stats
    assert not interest.minus([], ["*"], stats=False, config=False).tick("EURUSD")
    with pytest.raises(TooManyNames):
        interest.plus(map(str, range(MAX_NAMES)), [], stats=False, config=False)


@pytest.mark.parametrize(
    ("message", "service", "args"),
    [
        (
            {"type": "config.set", "id": 1, "scope": "global", "values": {"log_level": "debug"}},
            "hulak.config.set",
            {"scope": "global", "values": {"log_level": "debug"}, "unset": [], "by": "gateway", "note": ""},
        ),
        ({"type": "display.create", "symbol": "EURUSD"}, "hulak.display.create", {"symbol": "EURUSD"}),
        (
            {"type": "display.create", "symbol": "EURUSD", "display": "d", "init": {"digits": 5}},
            "hulak.display.create",
            {"symbol": "EURUSD", "display": "d", "init": {"digits": 5}},
        ),
        ({"type": "display.remove", "display": "d"}, "hulak.display.remove", {"display": "d"}),
        ({"type": "config.get", "scope": "kind:feed"}, "hulak.config.get", {"scope": "kind:feed"}),
        ({"type": "alert.list"}, "hulak.alert.list", {}),
        ({"type": "alert.add", "alert": {"symbol": "X"}}, "hulak.alert.add", {"symbol": "X"}),
        ({"type": "alert.enable", "name": "n", "enabled": False}, "hulak.alert.enable", {"name": "n", "enabled": False}),
        ({"type": "alert.remove", "name": "n"}, "hulak.alert.remove", {"name": "n"}),
        ({"type": "layout.list"}, "hulak.layout.list", {}),
        ({"type": "layout.list", "view": "table", "revision": 5}, "hulak.layout.list", {"view": "table", "revision": 5}),
        ({"type": "layout.show", "name": "n"}, "hulak.layout.show", {"name": "n"}),
        (
            {"type": "layout.put", "name": "n", "document": {"version": 1}, "if_version": 0},
            "hulak.layout.put",
            {"name": "n", "document": {"version": 1}, "by": "gateway", "if_version": 0},
        ),
        ({"type": "layout.remove", "name": "n", "if_version": 2}, "hulak.layout.remove", {"name": "n", "if_version": 2}),
        ({"type": "dead.list", "id": 3}, "hulak.tasks", {"state": "failed", "limit": 20}),
        ({"type": "tasks.list"}, "hulak.tasks", {"limit": 100}),
        (
            {"type": "tasks.list", "state": "failed", "service": "s", "before": "07" * 16, "limit": 500},
            "hulak.tasks",
            {"state": "failed", "service": "s", "before": b"\x07" * 16, "limit": 500},
        ),
        ({"type": "calls.list", "service": "s"}, "hulak.calls", {"service": "s", "limit": 100}),
        ({"type": "task.show", "task": "07" * 16}, "hulak.task.show", {"task": b"\x07" * 16}),
        ({"type": "task.cancel", "task": "07" * 16}, "hulak.cancel", {"task": b"\x07" * 16}),
        ({"type": "task.retry", "task": "07" * 16}, "hulak.retry", {"task": b"\x07" * 16}),
        ({"type": "task.drop", "task": "07" * 16}, "hulak.drop", {"task": b"\x07" * 16}),
        ({"type": "worker.drain", "worker": "w/1"}, "hulak.retire", {"worker": "w/1", "reason": "gateway asked for it"}),
        ({"type": "service.scale", "service": "s", "workers": 3}, "hulak.scale", {"service": "s", "workers": 3}),
        ({"type": "service.scale", "service": "s", "workers": "auto"}, "hulak.scale", {"service": "s", "workers": "auto"}),
        ({"type": "config.history", "limit": 5}, "hulak.config.history", {"limit": 5}),
        ({"type": "config.version", "version": 0}, "hulak.config.get", {"version": 0}),
        ({"type": "config.revert", "version": 4}, "hulak.config.revert", {"version": 4, "by": "gateway", "note": ""}),
        ({"type": "schedules.list"}, "hulak.schedule.list", {}),
        ({"type": "schedule.change", "name": "n", "to": "pause"}, "hulak.schedule.pause", {"name": "n"}),
    ],
)
def test_commands_become_requests(message, service, args):
    assert protocol.request_of(protocol.decode(json.dumps(message)), "gateway") == (service, args)


@pytest.mark.parametrize(
    ("message", "value", "row"),
    [
        ({"type": "tasks.list"}, [{"task": b"\x07" * 16, "retried_as": None}], lambda value: value[0]["task"]),
        ({"type": "calls.list"}, {"calls": [{"task": b"\x07" * 16}]}, lambda value: value["calls"][0]["task"]),
        ({"type": "schedules.list"}, [{"schedule": b"\x07" * 16, "last_task": None}], lambda value: value[0]["schedule"]),
        ({"type": "alert.list"}, {"alerts": [{"id": b"\x07" * 16}]}, lambda value: value["alerts"][0]["id"]),
        ({"type": "alert.add", "alert": {}}, {"id": b"\x07" * 16, "new": True}, lambda value: value["id"]),
        ({"type": "alert.enable", "name": "n", "enabled": True}, {"id": b"\x07" * 16}, lambda value: value["id"]),
    ],
)
def test_every_id_of_the_broker_is_hexadecimal(message, value, row):
    assert row(json.loads(protocol.answer(protocol.decode(json.dumps(message)), value))["value"]) == "07" * 16


def test_answers():
    command = protocol.decode(encoded(type="display.remove", id="x", display="d"))
    assert json.loads(protocol.answer(command, {"removed": ["d"]})) == {"type": "answer", "id": "x", "value": {"removed": ["d"]}}
    refusal = json.loads(protocol.bus_error(command, BusError("UNKNOWN_DISPLAY", "there is none")))
    assert refusal == {"type": "error", "id": "x", "code": "UNKNOWN_DISPLAY", "text": "there is none"}
    assert json.loads(protocol.pong(protocol.decode(encoded(type="ping", id=[1])))) == {"type": "pong", "id": [1]}
    hello = json.loads(protocol.hello(16.0, 5.5, Role.OPERATE))
    assert (hello["protocol"], hello["role"]) == (1, "operate")
    viewers = {"config.get", "dead.list", "ticks.read", "ticks.stop"}
    viewers |= {"tasks.list", "calls.list", "task.show", "config.history", "config.version", "schedules.list", "history.read"}
    operators = {"config.set", "display.create", "display.remove", "task.cancel", "task.retry", "task.drop", "worker.drain"}
    operators |= {"service.scale", "config.revert", "schedule.change", "keys.list", "key.revoke", "log.read"}
    viewers |= {"alert.list", "nepse.read", "bars.read", "layout.list", "layout.show"}
    operators |= {"alert.add", "alert.enable", "alert.remove", "layout.put", "layout.remove"}
    assert set(hello["requests"]) == operators | viewers
    hello = json.loads(protocol.hello(16.0, 5.5, Role.VIEW))
    assert (hello["role"], set(hello["requests"])) == ("view", viewers)


def test_ids_in_answers_are_texts_and_extra_types_too():
    row = {"task": b"\x07" * 16, "retried_as": None, "value": b"\x01", "state": "done"}
    for value, wanted in (([row], [{**row, "task": "07" * 16, "value": "AQ=="}]), ({"calls": [row], "complete": True}, None)):
        command = protocol.decode(encoded(type="calls.list", id=1))
        answer = json.loads(protocol.answer(command, value))["value"]
        assert answer == wanted or answer["calls"][0]["task"] == "07" * 16


def test_every_command_needs_a_role():
    kinds = (*get_args(protocol.Command), *get_args(protocol.Streaming), *get_args(protocol.Reading))
    commands = {kind.__struct_config__.tag for kind in kinds}
    assert commands == set(protocol.NEEDS)
    assert protocol.need_of(protocol.decode(encoded(type="display.remove", display="d"))) is Role.OPERATE
