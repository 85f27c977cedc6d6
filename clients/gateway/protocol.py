"""The JSON protocol of `/ws`: messages of clients into values, answers into text. Pure. PROTOCOL.md section 12."""

from typing import Annotated, Any

import msgspec

from bus.errors import BusError, ProtocolError
from bus.version import VERSION

PROTOCOL = 1
MOST_BYTES = 1 << 16  # of one message from a client
BAD_MESSAGES = 8  # answered each; one more, and the client is disconnected
COMMANDS_AT_ONCE = 8  # of one client
LETTERS = 20  # dead letters that are told

# Close codes
BAD_MESSAGE, BAD_TOKEN, TOO_SLOW, BAD_ORIGIN = 4000, 4001, 4002, 4003

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Scope = Annotated[str, msgspec.Meta(min_length=1, max_length=160)]
Id = str | int | float | None


class Message(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """What a client says."""


class Subscribe(Message, frozen=True, tag="subscribe"):
    """It wants these too."""

    displays: list[Name] = []
    ticks: list[Name] = []
    stats: bool = False
    config: bool = False


class Unsubscribe(Message, frozen=True, tag="unsubscribe"):
    """It does not want these any more."""

    displays: list[Name] = []
    ticks: list[Name] = []
    stats: bool = False
    config: bool = False


class Ping(Message, frozen=True, tag="ping"):
    """It wants a `pong` with the same id."""

    id: Any = None


class ConfigSet(Message, frozen=True, tag="config.set"):
    """It wants live settings changed."""

    scope: Scope
    values: dict[Name, Any] = {}
    unset: list[Name] = []
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""
    id: Id = None


class ConfigGet(Message, frozen=True, tag="config.get"):
    """It wants to know which live settings there are in a scope, and what counts there."""

    scope: Scope
    id: Id = None


class DeadList(Message, frozen=True, tag="dead.list"):
    """It wants the newest dead letters."""

    id: Id = None


class DisplayCreate(Message, frozen=True, tag="display.create"):
    """It wants a display."""

    symbol: Name
    display: Name | None = None
    init: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    id: Id = None


class DisplayRemove(Message, frozen=True, tag="display.remove"):
    """It wants a display to go."""

    display: Name
    id: Id = None


Command = ConfigSet | ConfigGet | DeadList | DisplayCreate | DisplayRemove
REQUESTS = ["config.set", "config.get", "dead.list", "display.create", "display.remove"]  # told in the hello
Any_ = Subscribe | Unsubscribe | Ping | Command

_decoder: msgspec.json.Decoder[Any_] = msgspec.json.Decoder(Any_)


def decode(text: str | bytes) -> Any_:
    """Read a client's message.

    Raises:
        ProtocolError: `BAD_MESSAGE`, with what is wrong and where.
    """
    if not isinstance(text, str):
        raise ProtocolError("BAD_MESSAGE", f"a binary message of {len(text)} bytes, must be text")
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ProtocolError("BAD_MESSAGE", str(error) or type(error).__name__) from error


def request_of(command: Command) -> tuple[str, dict[str, Any]]:
    """Say which of the broker's services does a command, and with which arguments."""
    match command:
        case ConfigSet(scope=scope, values=values, unset=unset, note=note):
            return "hulak.config.set", {"scope": scope, "values": values, "unset": unset, "by": "gateway", "note": note}
        case ConfigGet(scope=scope):
            return "hulak.config.get", {"scope": scope}
        case DeadList():
            return "hulak.tasks", {"state": "failed", "limit": LETTERS}
        case DisplayCreate(symbol=symbol, display=display, init=init, config=config):
            optional = {"display": display, "init": init, "config": config}
            return "hulak.display.create", {"symbol": symbol, **{key: one for key, one in optional.items() if one is not None}}
        case DisplayRemove(display=display):
            return "hulak.display.remove", {"display": display}


def hello(frame_ms: float, now_ms: float) -> bytes:
    """Write the first message; times in ms."""
    told = {"type": "hello", "protocol": PROTOCOL, "version": VERSION, "frame_ms": frame_ms, "server_time_ms": now_ms}
    return msgspec.json.encode({**told, "requests": REQUESTS})


def pong(ping: Ping) -> bytes:
    """Answer a ping."""
    return msgspec.json.encode({"type": "pong", "id": ping.id})


def answer(command: Command, value: Any) -> bytes:
    """Say what the broker answered."""
    return msgspec.json.encode({"type": "answer", "id": command.id, "value": value})


def error(code: str, text: str, command_id: Id = None) -> bytes:
    """Say what was not done, and why."""
    return msgspec.json.encode({"type": "error", "id": command_id, "code": code, "text": text})


def failed(message: Any, why: Exception) -> bytes:
    """Say that a command was not done since something of it cannot be sent, or something is broken here."""
    if isinstance(why, OverflowError | ValueError):  # a number beyond 64 bits, nested too deep
        return error("BAD_ARGUMENT", f"the command cannot be sent: {why}", message.id)
    return error("INTERNAL", f"a bug of the gateway: {type(why).__name__}; its log says where", message.id)


def bus_error(command: Command, why: BusError) -> bytes:
    """Pass on what the broker, or the way to it, says."""
    return error(why.code, str(why), command.id)
