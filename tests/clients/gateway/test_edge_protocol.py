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
        ({"type": "dead.list", "id": 3}, "hulak.tasks", {"state": "failed", "limit": 20}),
    ],
)
def test_commands_become_requests(message, service, args):
    assert protocol.request_of(protocol.decode(json.dumps(message)), "gateway") == (service, args)


def test_answers():
    command = protocol.decode(encoded(type="display.remove", id="x", display="d"))
    assert json.loads(protocol.answer(command, {"removed": ["d"]})) == {"type": "answer", "id": "x", "value": {"removed": ["d"]}}
    refusal = json.loads(protocol.bus_error(command, BusError("UNKNOWN_DISPLAY", "there is none")))
    assert refusal == {"type": "error", "id": "x", "code": "UNKNOWN_DISPLAY", "text": "there is none"}
    assert json.loads(protocol.pong(protocol.decode(encoded(type="ping", id=[1])))) == {"type": "pong", "id": [1]}
    hello = json.loads(protocol.hello(16.0, 5.5, Role.OPERATE))
    assert (hello["protocol"], hello["role"]) == (1, "operate")
    viewers = {"config.get", "dead.list", "ticks.read", "ticks.stop"}
    assert set(hello["requests"]) == {"config.set", "display.create", "display.remove", *viewers}
    hello = json.loads(protocol.hello(16.0, 5.5, Role.VIEW))
    assert (hello["role"], set(hello["requests"])) == ("view", viewers)


def test_every_command_needs_a_role():
    commands = {kind.__struct_config__.tag for kind in (*get_args(protocol.Command), *get_args(protocol.Streaming))}
    assert commands == set(protocol.NEEDS)
    assert protocol.need_of(protocol.decode(encoded(type="display.remove", display="d"))) is Role.OPERATE
