"""The JSON protocol of `/ws`: decodes the messages of clients, encodes the answers. Pure. PROTOCOL.md section 12."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.version import VERSION
from hulak.bus.wire.plain_values import LARGEST, short, suggestion
from hulak.clients.gateway import alert_messages, layout_messages, operator_messages
from hulak.clients.gateway.client_message import Id, Message, Name, Note, Scope
from hulak.clients.gateway.json_form import check_form
from hulak.clients.gateway.tokens import Role
from hulak.clients.judge.members import silence

PROTOCOL = 1
MAX_BYTES = 1 << 16  # maximum of one message of a client
BAD_MESSAGES = 8  # each is answered with an error; one more disconnects the client
COMMANDS_AT_ONCE = 8  # per client
LETTERS = 20  # dead letters in an answer

# Close codes
BAD_MESSAGE, BAD_TOKEN, TOO_SLOW, BAD_ORIGIN = 4000, 4001, 4002, 4003


class Subscribe(Message, frozen=True, tag="subscribe"):
    """Add these to the subscription."""

    displays: list[Name] = msgspec.field(default_factory=list)
    ticks: list[Name] = msgspec.field(default_factory=list)
    stats: bool = False
    config: bool = False
    markets: bool = False
    quotes: bool = False


class Unsubscribe(Message, frozen=True, tag="unsubscribe"):
    """Remove these from the subscription."""

    displays: list[Name] = msgspec.field(default_factory=list)
    ticks: list[Name] = msgspec.field(default_factory=list)
    stats: bool = False
    config: bool = False
    markets: bool = False
    quotes: bool = False


class Ping(Message, frozen=True, tag="ping"):
    """Request a `pong` with the same id."""

    id: Any = None


class ConfigSet(Message, frozen=True, tag="config.set"):
    """Change live settings."""

    scope: Scope
    values: dict[Name, Any] = msgspec.field(default_factory=dict)
    unset: list[Name] = msgspec.field(default_factory=list)
    note: Note = ""
    id: Id = None


class ConfigGet(Message, frozen=True, tag="config.get"):
    """Request the live settings of a scope, and their effective values."""

    scope: Scope
    id: Id = None


class DeadList(Message, frozen=True, tag="dead.list"):
    """Request the newest dead letters."""

    id: Id = None


class DisplayCreate(Message, frozen=True, tag="display.create"):
    """Create a display."""

    symbol: Name
    display: Name | None = None
    init: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    id: Id = None


class DisplayRemove(Message, frozen=True, tag="display.remove"):
    """Remove a display."""

    display: Name
    id: Id = None


class NepseRead(Message, frozen=True, tag="nepse.read"):
    """Request a list of the exchange, or the order book of a security."""

    what: Literal["indices", "sectors", "summary", "breadth", "gainers", "losers", "turnover", "quantity", "book"]
    symbol: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._&/-]{1,40}\Z")] | None = None  # of a book
    id: Id = None


class BarsRead(Message, frozen=True, tag="bars.read"):
    """Request the bars of a symbol that are older than those of a stream."""

    symbol: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,128}\Z")]
    interval: Literal["1s", "1m", "5m", "1h", "1d"]
    before: Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
    id: Id = None


class TicksRead(Message, frozen=True, tag="ticks.read"):
    """Request every tick of a topic or prefix, from the journal and then live."""

    topic: Annotated[str, msgspec.Meta(max_length=129)]
    since: str | float | None = None
    first: Annotated[int, msgspec.Meta(ge=1)] | None = msgspec.field(name="from", default=None)
    last: Annotated[int, msgspec.Meta(ge=1)] | None = None
    id: Id = None


class TicksStop(Message, frozen=True, tag="ticks.stop"):
    """End the stream of ticks that was requested with this id."""

    id: Id = None


Streaming = TicksRead | TicksStop
OfBroker = operator_messages.OfBroker | alert_messages.OfBroker | layout_messages.OfBroker
Command = ConfigSet | ConfigGet | DeadList | DisplayCreate | DisplayRemove | OfBroker | operator_messages.Local
NEEDS = {  # the role that a command needs; the hello lists those that the client may send
    "config.set": Role.OPERATE,
    "config.get": Role.VIEW,
    "dead.list": Role.VIEW,
    "display.create": Role.OPERATE,
    "display.remove": Role.OPERATE,
    "nepse.read": Role.VIEW,
    "bars.read": Role.VIEW,
    "ticks.read": Role.VIEW,
    "ticks.stop": Role.VIEW,
    **operator_messages.NEEDS,
    **alert_messages.NEEDS,
    **layout_messages.NEEDS,
}
TYPES = ("subscribe", "unsubscribe", "ping", *NEEDS)
_UNKNOWN_TYPE = re.compile(r"Invalid value '(.*)' - at `\$\.type`", re.DOTALL)
TICK_FIELDS = ("symbol", "bid", "ask", "timestamp", "source", "flags")
Reading = NepseRead | BarsRead
Any_ = Subscribe | Unsubscribe | Ping | Streaming | Reading | Command

_plain = msgspec.json.Encoder(enc_hook=str)  # extra types of a feed's fields become text
_decoder: msgspec.json.Decoder[Any_] = msgspec.json.Decoder(Any_)


def decode(text: str | bytes) -> Any_:
    """Decode a client's message.

    Raises:
        ProtocolError: `BAD_MESSAGE`; the text says what is wrong, and where.
    """
    if not isinstance(text, str):
        raise ProtocolError("BAD_MESSAGE", f"binary message of {len(text)} bytes, must be text")
    check_form(text)
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = str(error) or type(error).__name__
        if unknown := _UNKNOWN_TYPE.fullmatch(why):
            why = f"type {short(unknown[1])} is unknown, must be {', '.join(TYPES)}{suggestion(unknown[1], TYPES)}"
        raise ProtocolError("BAD_MESSAGE", why) from error


def need_of(command: Command | Streaming | Reading) -> Role:
    """Return the role that a command needs."""
    return NEEDS[str(command.__struct_config__.tag)]


def request_of(
    command: ConfigSet | ConfigGet | DeadList | DisplayCreate | DisplayRemove | OfBroker, by: str
) -> tuple[str, dict[str, Any]]:
    """Return the broker's service for a command, and its arguments.

    Args:
        command: of a client.
        by: name of the sender, for the history of the configuration.
    """
    match command:
        case ConfigSet(scope=scope, values=values, unset=unset, note=note):
            return "hulak.config.set", {"scope": scope, "values": values, "unset": unset, "by": by, "note": note}
        case ConfigGet(scope=scope):
            return "hulak.config.get", {"scope": scope}
        case DeadList():
            return "hulak.tasks", {"state": "failed", "limit": LETTERS}
        case DisplayCreate(symbol=symbol, display=display, init=init, config=config):
            optional = {"display": display, "init": init, "config": config}
            return "hulak.display.create", {
                "symbol": symbol,
                **{key: value for key, value in optional.items() if value is not None},
            }
        case DisplayRemove(display=display):
            return "hulak.display.remove", {"display": display}
        case _:
            return command.request(by)


def hello(frame_ms: float, now_ms: float, role: Role, name: str | None = None) -> bytes:
    """Return the first message, for a client with a role, by the token of that name if any; times in ms."""
    fields = {"type": "hello", "protocol": PROTOCOL, "version": VERSION, "frame_ms": frame_ms, "server_time_ms": now_ms}
    requests = [name for name, need in NEEDS.items() if role >= need]
    more = {"requests": requests, "silence": silence("gateway", "{}")}
    return msgspec.json.encode({**fields, "role": str(role), "name": name, **more})


def pong(ping: Ping) -> bytes:
    """Return the answer to a ping."""
    return msgspec.json.encode({"type": "pong", "id": ping.id})


def tick_rows(stream: Id, rows: list[dict[str, Any]], *, live: bool, gaps: Sequence[Any] = ()) -> bytes:
    """Return ticks of a stream; `live`: they are not of the journal; `gaps`: the messages that are lost among them."""
    return _plain.encode({"type": "ticks", "id": stream, "live": live, "rows": rows, **({"gaps": gaps} if gaps else {})})


def answer(command: Command | Reading, value: Any) -> bytes:
    """Return the answer with the broker's result."""
    if not isinstance(command, operator_messages.Local):
        value = operator_messages.with_texts(value)
    return _plain.encode({"type": "answer", "id": command.id, "value": value})


def error(code: str, text: str, command_id: Id = None) -> bytes:
    """Return an error message."""
    return msgspec.json.encode({"type": "error", "id": command_id, "code": code, "text": text})


def failed(message: Any, why: Exception) -> bytes:
    """Return the error of a command that cannot be sent, or that failed in the gateway."""
    if isinstance(why, OverflowError | ValueError):  # a number beyond 64 bits, nested too deep
        return error("BAD_ARGUMENT", f"the command cannot be sent: {why}", message.id)
    return error("INTERNAL", f"internal error of the gateway: {type(why).__name__}; see its log", message.id)


def bus_error(command: Command | Reading, why: BusError) -> bytes:
    """Return the error of the broker, or of the connection to it."""
    return error(why.code, str(why), command.id)
