"""What a large frame would become when it is decoded, found out before it is: PROTOCOL.md section 9. Pure.

8 MiB of empty maps are a gigabyte of objects and a second of the broker's loop. So a frame above `LARGE` bytes is walked, without
making anything of it, and refused where it holds too many containers or values. Of a control request the size alone is looked at.
"""

import contextlib
import re
from typing import Any

import msgpack

from hulak.bus.errors import ProtocolError

LARGE = 1 << 17  # bytes: what is shorter cannot hold much, and is not looked at
MOST_CONTAINERS = 200_000  # arrays, maps and extensions of one frame: 50 MB at most
MOST_VALUES = 2_000_000  # of one frame, in all its arrays and maps
MOST_TEXTS = 100_000  # texts and bytes of up to 32 bytes that no run holds
CONTROL = "hulak."
MAY_BE_LARGE = "hulak.post"  # the one control service whose requests may be longer than `LARGE`: it carries a task's arguments
_HEAD_BYTES = 256  # of a message: its id and the beginning of what follows it lie within

_NO_CONTAINER = bytes(byte for byte in range(256) if not (0x80 <= byte <= 0x9F or 0xC7 <= byte <= 0xC9 or 0xD4 <= byte <= 0xDF))
_TEXTS = [re.escape(bytes((0xA0 | size,))) + b".{%d}" % size for size in range(5, 32) if size != 8]
# A run of numbers, nils, bools, short texts and ids. The commonest sizes come first; possessive: nothing is remembered of it.
_RUN = re.compile(
    rb"(?:[\x00-\x7f\xa0\xc0\xc2\xc3\xe0-\xff]++|[\xcc\xd0\xa1].|[\xcd\xd1\xa2]..|\xa3...|[\xca\xce\xd2\xa4].{4}"
    rb"|[\xcb\xcf\xd3\xa8].{8}|\xc4\x10.{16}|" + b"|".join(_TEXTS) + rb")*+",
    re.DOTALL,
)
# First byte -> bytes that tell the length, and bytes besides: of what no run holds.
_LONG = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}
_EXTENSIONS = {0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1), 0xD4: (0, 2), 0xD5: (0, 3), 0xD6: (0, 5), 0xD7: (0, 9), 0xD8: (0, 17)}
_WIDE = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}  # arrays, maps -> bytes that tell the count, values of each
_TEXT_BYTES = 32  # most texts that no run holds have at least as many


def check(frame: bytes) -> None:
    """Refuse a frame of section 4 or 5 that is not to be decoded; one of at most `LARGE` bytes never is.

    Args:
        frame: kind and msgpack, as it was received; of a message or of several.
    Raises:
        ProtocolError: `TOO_LARGE`, it is a control request, or holds too many arrays and maps, or too many values.
    """
    size = len(frame)
    if size <= LARGE:
        return
    if frame[:1] == b"Q":
        service = head(frame, 2)[1:]
        if service and isinstance(service[0], str) and service[0].startswith(CONTROL) and service[0] != MAY_BE_LARGE:
            raise ProtocolError("TOO_LARGE", f"a request to {service[0][:40]} of {size} bytes, must be at most {LARGE}")
    check_values(frame, 1)


def check_values(data: bytes, at: int = 0) -> None:
    """Refuse msgpack of which too much would be made; what is no msgpack is left to who decodes it.

    Raises:
        ProtocolError: `TOO_LARGE`.
    """
    if len(data) <= MOST_VALUES and len(data.translate(None, _NO_CONTAINER)) <= MOST_CONTAINERS:
        return  # nearly always: there are not even enough bytes that could begin one
    containers, values = _count(data, at)
    if containers > MOST_CONTAINERS or values > MOST_VALUES:
        most = f"{MOST_CONTAINERS:,} arrays and maps and {MOST_VALUES:,} values"
        raise ProtocolError("TOO_LARGE", f"{len(data)} bytes hold more than {most}")


def _count(data: bytes, at: int) -> tuple[int, int]:
    """Count containers and values, until there are too many of either, or an end."""
    run, end = _RUN.match, len(data)
    containers = values = 0
    texts_left = MOST_TEXTS + end // _TEXT_BYTES
    while containers <= MOST_CONTAINERS and values <= MOST_VALUES:
        at = run(data, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if at >= end:
            break
        byte = data[at]
        if byte in _LONG:
            wide, besides = _LONG[byte]
            at += 1 + wide + besides + int.from_bytes(data[at + 1 : at + 1 + wide], "big")
            texts_left -= 1
            if texts_left < 0:  # to go on would take long
                return MOST_CONTAINERS + 1, values
            continue
        if byte in _EXTENSIONS:
            wide, besides = _EXTENSIONS[byte]
            at += wide + besides + int.from_bytes(data[at + 1 : at + 1 + wide], "big")
            count = 0
        elif byte in _WIDE:
            wide, each = _WIDE[byte]
            count = int.from_bytes(data[at + 1 : at + 1 + wide], "big") * each
            at += wide
        elif 0x80 <= byte <= 0x9F:
            count = (byte & 0x0F) * (2 if byte < 0x90 else 1)
        else:  # a number or text that is cut off, or the byte that msgpack never has
            break
        at += 1
        containers += 1
        values += count
    return containers, values


def head(frame: bytes, most: int) -> list[Any]:
    """Read the first fields of a message without the rest of it, which may be anything: as many as can be read."""
    reader = msgpack.Unpacker(strict_map_key=False)
    reader.feed(frame[1:_HEAD_BYTES])
    found: list[Any] = []
    with contextlib.suppress(ValueError, TypeError, msgpack.OutOfData, RecursionError):
        for _ in range(min(most, reader.read_array_header())):
            found.append(reader.unpack())  # noqa: PERF401 - what was read before the one that fails counts
    return found
