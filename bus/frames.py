"""Bytes to messages and back: PROTOCOL.md sections 3 (ticks), 4 (clients) and 5 (workers). Pure.

Every `decode_*` raises `ProtocolError`, and nothing else, whatever bytes it is given; `encode` is its inverse.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgpack
import msgspec

from bus.errors import ProtocolError
from bus.fields import FIELDS, short
from bus.messages import (
    ID_BYTES,
    BrokerHeartbeat,
    Error,
    Goodbye,
    Part,
    Publication,
    Ready,
    Reply,
    Request,
    Result,
    Retire,
    Stamp,
    Task,
    TaskPart,
    Tick,
    WorkerHeartbeat,
)

STAMP = struct.Struct(">QQQ")  # epoch or instance, sequence, time in ns (section 3.2)
NUL = b"\0"
MAX_TOPIC = 128  # bytes, without the NUL
TOPIC_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
SAFE_BYTES = 480  # fewer cannot be nested deeper than msgpack packs, which is 511 levels

pack: Callable[[Any], bytes] = msgpack.packb  # a kept Packer would be 0.3 us faster, but two threads may not share it


def unpack(data: bytes) -> Any:
    """Read exactly one msgpack value.

    Raises:
        ProtocolError: `BAD_BODY`, the bytes are not one msgpack value, hold a key that no map can have, or are nested so deep
            that they could not be packed again, with some levels around them.
    """
    try:
        value = msgpack.unpackb(data, strict_map_key=False)
        if len(data) > SAFE_BYTES:
            msgpack.packb([[[[[[[[value]]]]]]]])
    except (ValueError, TypeError, RecursionError) as error:
        raise ProtocolError("BAD_BODY", f"{len(data)} bytes are not one msgpack value: {error}") from error
    return value


# Topics (section 3)


def check_topic(topic: bytes) -> None:
    """Refuse what is not a topic.

    Raises:
        ProtocolError: `BAD_TOPIC`, it is empty, too long, or has bytes beyond letters, digits, `.`, `_` and `-`.
    """
    if not 0 < len(topic) <= MAX_TOPIC:
        raise ProtocolError("BAD_TOPIC", f"a topic of {len(topic)} bytes, must be 1 to {MAX_TOPIC}")
    if not TOPIC_CHARACTERS.issuperset(topic) or topic.endswith(b"."):
        raise ProtocolError("BAD_TOPIC", f"topic {topic!r} must be letters, digits, '.', '_', '-' and not end with '.'")


def encode_publication(topic: bytes, stamp: Stamp, body: bytes) -> bytes:
    """Make the one frame `topic NUL stamp body` of a published message (section 3.1)."""
    return b"".join((topic, NUL, STAMP.pack(stamp.epoch, stamp.sequence, stamp.time_ns), body))


def decode_publication(frame: bytes) -> Publication:
    """Take a published message apart; its body stays packed.

    Raises:
        ProtocolError: `BAD_FRAME`, there is no NUL, or less than a stamp and one byte behind it; `BAD_TOPIC`.
    """
    cut = frame.find(NUL)
    if cut < 0 or len(frame) < cut + 2 + STAMP.size:
        raise ProtocolError("BAD_FRAME", f"{len(frame)} bytes, wanted topic, NUL, {STAMP.size} bytes of stamp, body")
    try:
        topic = frame[:cut].decode("ascii")
    except UnicodeDecodeError:
        raise ProtocolError("BAD_TOPIC", f"topic {frame[:cut][:32]!r} is not ASCII") from None
    return Publication(topic, Stamp(*STAMP.unpack_from(frame, cut + 1)), frame[cut + 1 + STAMP.size :])


pack_tick: Callable[[Tick], bytes] = msgspec.msgpack.Encoder().encode  # the body of a tick: one msgpack map (section 3.3)
read_tick = msgspec.msgpack.Decoder(Tick).decode  # as `decode_tick`, but raises `msgspec.MsgspecError`: for loops that count
read_ticks = msgspec.msgpack.Decoder(list[Tick]).decode  # likewise, as `decode_ticks`


def decode_tick(body: bytes) -> Tick:
    """Read the body of a tick (section 3.3); keys it does not know are passed over.

    Raises:
        ProtocolError: `BAD_BODY`, it is not a map with the keys of a tick.
    """
    try:
        return read_tick(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError("BAD_BODY", f"{len(body)} bytes are not the body of a tick: {error}") from error


def decode_ticks(body: bytes | memoryview) -> list[Tick]:
    """Read the body of a message of `ticks` (section 3.5).

    Raises:
        ProtocolError: `BAD_BODY`, it is not an array of ticks' bodies.
    """
    try:
        return read_ticks(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError("BAD_BODY", f"{len(body)} bytes are not an array of ticks' bodies: {error}") from error


def tick_topic(symbol: str) -> bytes:
    """Name the topic of a symbol's ticks, `tick.<symbol>`."""
    return b"tick." + symbol.encode("ascii")


def feed_frame(symbol: str, instance: int, number: int, time_ns: int, body: bytes) -> bytes:
    """Make the frame by which a feed posts a tick (section 3.4).

    Args:
        symbol: ASCII, upper case.
        instance: of the feed, from 1; 0 where the feed keeps no numbers.
        number: running number of this instance, from 1, +1 for each message whatever its topic.
        time_ns: when the feed received the quote, ns since 1970 UTC.
        body: what `pack_tick` returns.
    """
    return b"tick.%b\0%b%b" % (symbol.encode("ascii"), STAMP.pack(instance, number, time_ns), body)


def array_header(count: int) -> bytes:
    """Return the msgpack header of an array: `count` packed values behind it are a packed array (section 3.5)."""
    if count < 16:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return struct.pack(">BH", 0xDC, count)
    return struct.pack(">BI", 0xDD, count)


def is_one_map(body: bytes) -> bool:
    """Tell whether the bytes are exactly one msgpack map, without building it."""
    return (body[0] & 0xF0 == 0x80 or body[0] in (0xDE, 0xDF)) and is_one_value(body)


def is_one_value(data: bytes) -> bool:
    """Tell whether the bytes are exactly one msgpack value, without building it."""
    return are_values((data,))


def are_values(bodies: Sequence[bytes]) -> bool:
    """Tell whether each of these is exactly one msgpack value, without building any: 0.12 us each."""
    joined = b"".join(bodies)
    reader = msgpack.Unpacker(max_buffer_size=max(1, len(joined)))
    skip, tell, end = reader.skip, reader.tell, 0
    try:
        reader.feed(joined)
        for body in bodies:
            skip()
            end += len(body)
            if tell() != end:
                return False
    except (ValueError, msgpack.OutOfData, RecursionError):
        return False
    return True


# Dialogs (sections 4 and 5): one byte of kind, then one msgpack array

_Checks = tuple[Callable[[Any], Any], ...]
_Kinds = dict[bytes, tuple[type, _Checks]]
_TIME_4, _TIME_8, _TIME_12 = b"\xd6\xff", b"\xd7\xff", b"\x0c\xff"  # how times begin, extension -1: msgspec makes them coarser


def _by_kind(*classes: Any) -> _Kinds:
    return {cls.KIND: (cls, tuple(check for _, check in FIELDS[cls])) for cls in classes}


def _quick(*classes: Any) -> dict[bytes, Callable[[bytes], Any]]:
    """Make readers for messages that there are many of, by their first two bytes: kind, and header of an array of its length.

    They take what is as it should be, in a fifth of the time; what they refuse is read by the table of fields, which says what is
    wrong, and takes what msgspec has no equal for: extension types.
    """
    return {
        cls.KIND + array_header(len(FIELDS[cls])): msgspec.msgpack.Decoder(cls, ext_hook=_extension).decode for cls in classes
    }


def _extension(code: int, data: memoryview) -> Any:
    raise ValueError(f"extension {code} of {len(data)} bytes")


_FROM_CLIENT = _by_kind(Request)
_TO_CLIENT = _by_kind(Part, Reply, Error)
_FROM_WORKER = _by_kind(Ready, TaskPart, Result, WorkerHeartbeat, Goodbye)
_TO_WORKER = _by_kind(Task, BrokerHeartbeat, Retire)
_QUICK_FROM_CLIENT = _quick(Request)
_QUICK_TO_CLIENT = _quick(Part, Reply)
_QUICK_FROM_WORKER = _quick(TaskPart, Result)
_QUICK_TO_WORKER = _quick(Task)
_QUICK = frozenset((*_QUICK_FROM_CLIENT, *_QUICK_FROM_WORKER))


_HELD = {Ready: 3, WorkerHeartbeat: 0}  # where the array has what is held
_values = msgspec.structs.astuple


def encode(message: Any) -> bytes:
    """Make the one frame of any message of sections 4 and 5."""
    values: Any = _values(message)
    at = _HELD.get(type(message))
    if at is not None:
        values = [*values[:at], [[held.task, held.attempt] for held in message.held], *values[at + 1 :]]
    return message.KIND + pack(values)  # type: ignore[no-any-return]


def is_quick(frame: bytes) -> bool:
    """Tell whether a frame looks like one of the messages that there are many of, of our own dialects."""
    return frame[:2] in _QUICK


def _decode(frame: bytes, quick: dict[bytes, Callable[[bytes], Any]], kinds: _Kinds) -> Any:
    read = quick.get(frame[:2])
    if read is not None and not (b"\xff" in frame and (_TIME_4 in frame or _TIME_8 in frame or _TIME_12 in frame)):
        try:
            message = read(frame[1:])
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            pass
        else:
            if len(frame) <= SAFE_BYTES or _packs(message):
                return message
    return _decode_slowly(frame, kinds)


def _packs(message: Any) -> bool:
    """Tell whether the values of a message are not nested so deep that it could not be packed again."""
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


def decode_from_client(frame: bytes) -> Request:
    """Read what a client sent (section 4). Raises `ProtocolError`."""
    return _decode(frame, _QUICK_FROM_CLIENT, _FROM_CLIENT)  # type: ignore[no-any-return]


def decode_to_client(frame: bytes) -> Part | Reply | Error:
    """Read what the broker sent to a client (section 4). Raises `ProtocolError`."""
    return _decode(frame, _QUICK_TO_CLIENT, _TO_CLIENT)  # type: ignore[no-any-return]


def decode_from_worker(frame: bytes) -> Ready | TaskPart | Result | WorkerHeartbeat | Goodbye:
    """Read what a worker sent (section 5). Raises `ProtocolError`."""
    return _decode(frame, _QUICK_FROM_WORKER, _FROM_WORKER)  # type: ignore[no-any-return]


def decode_to_worker(frame: bytes) -> Task | BrokerHeartbeat | Retire:
    """Read what the broker sent to a worker (section 5). Raises `ProtocolError`."""
    return _decode(frame, _QUICK_TO_WORKER, _TO_WORKER)  # type: ignore[no-any-return]


def request_id(frame: bytes) -> bytes | None:
    """Find the id in a client's frame that does not decode, so that the error can name it."""
    try:
        values = unpack(frame[1:])
    except ProtocolError:
        return None
    if isinstance(values, list) and values and isinstance(values[0], bytes) and len(values[0]) == ID_BYTES:
        return values[0]
    return None


def join_bodies(bodies: Iterable[bytes], count: int) -> bytes:
    """Join packed bodies to one packed array without decoding any (section 3.5)."""
    return array_header(count) + b"".join(bodies)
