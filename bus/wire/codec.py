"""Bytes to messages and back: PROTOCOL.md sections 3 (ticks), 4 (clients) and 5 (workers). Pure.

Every `decode_*` raises `ProtocolError` and nothing else, for any bytes; `encode` is its inverse.
"""

import struct
import threading
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import frame_limits
from hulak.bus.wire.messages import (
    BrokerHeartbeat,
    Error,
    Goodbye,
    MessageFromWorker,
    MessageToWorker,
    Part,
    Publication,
    Ready,
    Reply,
    Request,
    Result,
    Retire,
    Stamp,
    Task,
    TaskContext,
    TaskPart,
    Tick,
    WorkerHeartbeat,
)
from hulak.bus.wire.plain_values import short
from hulak.bus.wire.schema import FIELDS, open_raw

STAMP = struct.Struct(">QQQ")  # epoch or instance, sequence, time in ns (section 3.2)
NUL = b"\0"
MAX_TOPIC = 128  # bytes, without the NUL
TOPIC_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # raised by msgspec's decoders
ENVELOPE_BYTES = 1024  # of a frame of `broker.max_message_bytes`, in addition to the values of clients and workers
SAFE_BYTES = 480  # a shorter value cannot exceed msgpack's nesting limit of 511 levels
QUICK_BYTES = 1 << 16  # a longer value is decoded once only: of a hostile one, `read_shallow` may refuse the last byte

pack: Callable[[Any], bytes] = msgpack.packb
# As `pack` in a quarter of its time, also of structs, for values of our own: of other types msgspec would pack an approximation.
pack_plain: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode

_Scalar = None | bool | int | float | str
_Low = _Scalar | list[_Scalar] | dict[str, _Scalar]
_Middle = _Scalar | list[_Low] | dict[str, _Low]
Shallow = _Scalar | list[_Middle] | dict[str, _Middle]  # as nearly all values are: the type says that they need no other check
read_shallow = msgspec.msgpack.Decoder(Shallow).decode  # raises one of `UNREADABLE` also for other valid values


class _Own(threading.local):
    """A packer per thread: a reused packer saves 0.3 us, but threads may not share it."""

    def __init__(self) -> None:
        self.pack = msgpack.Packer(default=open_raw).pack


own = _Own()


extensions: set[int] = set()  # codes of all extension types read so far


def record_extension(code: int, data: bytes) -> msgpack.ExtType:
    """Return the value of an extension, and record its code."""
    extensions.add(code)
    return msgpack.ExtType(code, data)


def unpack(data: bytes | memoryview) -> Any:
    """Read exactly one msgpack value.

    Raises:
        ProtocolError: `BAD_BODY`, the bytes are not one msgpack value, hold a key that no map can have, or are nested so deep
            that they could not be packed again, with some levels around them.
    """
    if len(data) <= QUICK_BYTES:
        try:
            return read_shallow(data)  # a third of the time
        except (*UNREADABLE, TypeError):  # of a damaged database: a text in place of bytes
            pass
    return unpack_any(data)


def unpack_any(data: bytes | memoryview) -> Any:
    """Read exactly one msgpack value as `unpack` does; for one that `read_shallow` has refused."""
    try:
        value = msgpack.unpackb(data, strict_map_key=False, ext_hook=record_extension)
        if len(data) > SAFE_BYTES:
            msgpack.packb([[[[[[[[value]]]]]]]])
    except (ValueError, TypeError, RecursionError) as error:
        raise ProtocolError("BAD_BODY", f"{len(data)} bytes are not one msgpack value: {_why(error)}") from error
    return value


def _why(error: Exception) -> str:
    """Return the reason of an error of msgpack; some have no text."""
    return str(error) or ("nested too deep" if isinstance(error, msgpack.StackError) else "malformed")


# Topics (section 3)


def check_topic(topic: bytes) -> None:
    """Raise an error for bytes that are not a topic.

    Raises:
        ProtocolError: `BAD_TOPIC`, it is empty, too long, or has bytes other than letters, digits, `.`, `_` and `-`.
    """
    if not 0 < len(topic) <= MAX_TOPIC:
        raise ProtocolError("BAD_TOPIC", f"a topic of {len(topic)} bytes, must be 1 to {MAX_TOPIC}")
    if not TOPIC_CHARACTERS.issuperset(topic) or topic.endswith(b"."):
        raise ProtocolError("BAD_TOPIC", f"topic {topic!r} must be letters, digits, '.', '_', '-' and not end with '.'")


def encode_publication(topic: bytes, stamp: Stamp, body: bytes) -> bytes:
    """Encode a published message as one frame, `topic NUL stamp body` (section 3.1)."""
    return b"".join((topic, NUL, STAMP.pack(stamp.epoch, stamp.sequence, stamp.time_ns), body))


def decode_publication(frame: bytes) -> Publication:
    """Split a published message; its body stays packed.

    Raises:
        ProtocolError: `BAD_FRAME`, there is no NUL, or fewer bytes behind it than a stamp and one byte; `BAD_TOPIC`.
    """
    cut = frame.find(NUL)
    if cut < 0 or len(frame) < cut + 2 + STAMP.size:
        raise ProtocolError("BAD_FRAME", f"{len(frame)} bytes, wanted topic, NUL, {STAMP.size} bytes of stamp, body")
    try:
        topic = frame[:cut].decode("ascii")
    except UnicodeDecodeError:
        raise ProtocolError("BAD_TOPIC", f"topic {frame[:cut][:32]!r} is not ASCII") from None
    return Publication(topic, Stamp(*STAMP.unpack_from(frame, cut + 1)), frame[cut + 1 + STAMP.size :])


pack_tick: Callable[[Tick], bytes] = pack_plain  # the body of a tick: one msgpack map (section 3.3)
read_tick = msgspec.msgpack.Decoder(Tick).decode  # as `decode_tick`, but raises one of `UNREADABLE`: for hot loops
read_ticks = msgspec.msgpack.Decoder(list[Tick]).decode  # likewise, as `decode_ticks`


def decode_tick(body: bytes) -> Tick:
    """Read the body of a tick (section 3.3); unknown keys are ignored.

    Raises:
        ProtocolError: `BAD_BODY`, it is not a map with the keys of a tick.
    """
    try:
        return read_tick(body)
    except UNREADABLE as error:
        raise ProtocolError("BAD_BODY", f"{len(body)} bytes are not the body of a tick: {error}") from error


def decode_ticks(body: bytes | memoryview) -> list[Tick]:
    """Read the body of a message of `ticks` (section 3.5).

    Raises:
        ProtocolError: `BAD_BODY`, it is not an array of ticks' bodies.
    """
    try:
        return read_ticks(body)
    except UNREADABLE as error:
        raise ProtocolError("BAD_BODY", f"{len(body)} bytes are not an array of ticks' bodies: {error}") from error


def tick_topic(symbol: str) -> bytes:
    """Name the topic of a symbol's ticks, `tick.<symbol>`."""
    return b"tick." + symbol.encode("ascii")


def feed_frame(symbol: str, instance: int, number: int, time_ns: int, body: bytes) -> bytes:
    """Encode the frame with which a feed posts a tick (section 3.4).

    Args:
        symbol: ASCII, upper case.
        instance: of the feed, from 1; 0 for an unnumbered feed.
        number: running number of this instance, from 1, +1 for each message of any topic.
        time_ns: when the feed received the quote, ns since 1970 UTC.
        body: as returned by `pack_tick`.
    """
    return b"tick.%b\0%b%b" % (symbol.encode("ascii"), STAMP.pack(instance, number, time_ns), body)


def array_header(count: int) -> bytes:
    """Return the msgpack header of an array: `count` packed values behind it are a packed array (section 3.5)."""
    if count < 16:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return struct.pack(">BH", 0xDC, count)
    return struct.pack(">BI", 0xDD, count)


# Dialogs (sections 4 and 5): one byte of kind, then one msgpack array

_Checks = tuple[Callable[[Any], Any], ...]
_Kinds = dict[bytes, tuple[type, _Checks]]
_TIMES = (b"\xd6\xff", b"\xd7\xff", b"\x0c\xff")  # the first bytes of values of extension -1
_BEFORE_FF = frozenset(begins[0] for begins in _TIMES)
FEW = 32  # bytes of value 255: about as many as the ids of a large batch contain


def _by_kind(*classes: Any) -> _Kinds:
    return {cls.KIND: (cls, tuple(check for _, check in FIELDS[cls])) for cls in classes}


def extension(code: int, data: memoryview) -> Any:
    """Raise `ValueError` for an extension type where msgspec decodes: `unpack` reads them."""
    raise ValueError(f"extension {code} of {len(data)} bytes")


def has_times(frame: bytes) -> bool:
    """Return whether a frame may hold a timestamp: msgspec would decode it with a coarser resolution."""
    at = frame.find(0xFF)
    for _ in range(FEW):
        if at < 0:
            return False
        if frame[at - 1] in _BEFORE_FF:
            return True
        at = frame.find(0xFF, at + 1)
    return any(begins in frame for begins in _TIMES)


_HELD: dict[type, int] = {Ready: 3, WorkerHeartbeat: 0}  # position of the held tasks in the array
_values = msgspec.structs.astuple


def encode(message: Any) -> bytes:
    """Encode a message of sections 4 and 5 as one frame."""
    values: Any = _values(message)
    at = _HELD.get(type(message))
    if at is not None:
        values = [*values[:at], [[held.task, held.attempt] for held in message.held], *values[at + 1 :]]
    return message.KIND + own.pack(values)  # type: ignore[no-any-return]


def _reader(kinds: _Kinds, *many: Any, to_broker: bool) -> Callable[[bytes], Any]:
    """Return the decoder of one dialog and direction; `many` are the frequent messages. Frames to the broker are checked first.

    msgspec decodes frequent messages in a fifth of the time if they are well formed. A frame that it refuses is decoded by the
    table of fields, which names the fault, and which accepts extension types: msgspec would make timestamps coarser.
    """
    quick = {cls.KIND + array_header(len(FIELDS[cls])): msgspec.msgpack.Decoder(cls, ext_hook=extension).decode for cls in many}
    find, large = quick.get, frame_limits.LARGE if to_broker else 1 << 62

    def read(frame: bytes) -> Any:
        size = len(frame)
        if size > large:
            frame_limits.check(frame)
        decode = find(frame[:2])
        if decode is not None and not has_times(frame):
            try:
                message = decode(frame[1:])
                if size <= SAFE_BYTES or _packs(message):
                    return message
            except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
                pass
        return _decode_slowly(frame, kinds)

    return read


def _packs(message: Any) -> bool:
    """Return whether the values of a message can be packed again: they may be nested too deep."""
    try:
        msgpack.packb([[[[[[[[msgspec.structs.astuple(message)]]]]]]]])
    except (ValueError, TypeError):
        return False
    return True


def _decode_slowly(frame: bytes, kinds: _Kinds) -> Any:
    known = kinds.get(frame[:1])
    if known is None:
        raise ProtocolError("BAD_KIND", f"kind {frame[:1]!r} of {len(frame)} bytes, must be one of {sorted(kinds)}")
    cls, checks = known
    values = unpack(frame[1:])
    if not isinstance(values, list) or len(values) != len(checks):
        raise ProtocolError("BAD_BODY", f"{cls.__name__} is {short(values)}, must be an array of {len(checks)}")
    return cls(*[check(value) for check, value in zip(checks, values, strict=True)])


# Each decodes one frame, or raises `ProtocolError`.
decode_from_client: Callable[[bytes], Request] = _reader(_by_kind(Request), Request, to_broker=True)
decode_to_client: Callable[[bytes], Part | Reply | Error] = _reader(_by_kind(Part, Reply, Error), Part, Reply, to_broker=False)
decode_from_worker: Callable[[bytes], MessageFromWorker] = _reader(
    _by_kind(Ready, TaskPart, Result, WorkerHeartbeat, Goodbye), TaskPart, Result, to_broker=True
)
decode_to_worker: Callable[[bytes], MessageToWorker] = _reader(
    _by_kind(Task, TaskContext, BrokerHeartbeat, Retire, Error), Task, to_broker=False
)
