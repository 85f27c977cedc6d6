"""Bounds of large frames, checked before they are decoded: PROTOCOL.md section 9. Pure.

8 MiB of empty maps decode to a gigabyte of objects and take a second of the broker's loop. So a frame above `LARGE` bytes is
scanned without decoding, and refused if it holds too many containers or values. For a control request only the size is checked.
"""

import contextlib
import re
from typing import Any

import msgpack

from hulak.bus.errors import ProtocolError

LARGE = 1 << 17  # bytes: a shorter frame cannot hold many values, and is not checked
MOST_CONTAINERS = 200_000  # arrays, maps and extensions of one frame: 50 MB at most
MOST_VALUES = 2_000_000  # of one frame, in all its arrays and maps
MOST_TEXTS = 100_000  # texts and byte strings of up to 32 bytes outside of runs
CONTROL = "hulak."
MAY_BE_LARGE = "hulak.post"  # the one control service whose requests may be longer than `LARGE`: it carries a task's arguments
_HEAD_BYTES = 256  # of a message: they contain its id and the beginning of the next field

_NO_CONTAINER = bytes(byte for byte in range(256) if not (0x80 <= byte <= 0x9F or 0xC7 <= byte <= 0xC9 or 0xD4 <= byte <= 0xDF))
_TEXTS = [re.escape(bytes((0xA0 | size,))) + b".{%d}" % size for size in range(5, 32) if size != 8]
# A run of numbers, nils, bools, short texts and ids. The most frequent sizes come first; possessive, so without backtracking.
_RUN = re.compile(
    rb"(?:[\x00-\x7f\xa0\xc0\xc2\xc3\xe0-\xff]++|[\xcc\xd0\xa1].|[\xcd\xd1\xa2]..|\xa3...|[\xca\xce\xd2\xa4].{4}"
    rb"|[\xcb\xcf\xd3\xa8].{8}|\xc4\x10.{16}|" + b"|".join(_TEXTS) + rb")*+",
    re.DOTALL,
)
# First byte -> size of the length field, and further bytes: of values outside of runs.
_LONG = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}
_EXTENSIONS = {0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1), 0xD4: (0, 2), 0xD5: (0, 3), 0xD6: (0, 5), 0xD7: (0, 9), 0xD8: (0, 17)}
_WIDE = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}  # arrays, maps -> size of the count field, values per item
_TEXT_BYTES = 32  # most texts outside of runs have at least as many bytes


def check(frame: bytes) -> None:
    """Raise an error for a frame of section 4 or 5 that must not be decoded; a frame of at most `LARGE` bytes is never refused.

    Args:
        frame: kind and msgpack, as received; of a message or of a batch.
    Raises:
        ProtocolError: `TOO_LARGE`, it is a long control request, or holds too many arrays and maps, or too many values.
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
    """Raise an error for msgpack that would decode to too many objects; bytes that are not msgpack are left to the decoder.

    Raises:
        ProtocolError: `TOO_LARGE`.
    """
    if len(data) <= MOST_VALUES and len(data.translate(None, _NO_CONTAINER)) <= MOST_CONTAINERS:
        return  # nearly always: there are too few bytes that could begin a container
    containers, values = _count(data, at)
    if containers > MOST_CONTAINERS or values > MOST_VALUES:
        most = f"{MOST_CONTAINERS:,} arrays and maps and {MOST_VALUES:,} values"
        raise ProtocolError("TOO_LARGE", f"{len(data)} bytes hold more than {most}")


def _count(data: bytes, at: int) -> tuple[int, int]:
    """Count containers and values, up to the end or to the bounds."""
    run, end = _RUN.match, len(data)
    containers = values = 0
    texts_left = MOST_TEXTS + end // _TEXT_BYTES
    while containers <= MOST_CONTAINERS and values <= MOST_VALUES:
        at = run(data, at).end()  # type: ignore[union-attr]  # the pattern also matches the empty string
        if at >= end:
            break
        byte = data[at]
        if byte in _LONG:
            wide, further = _LONG[byte]
            at += 1 + wide + further + int.from_bytes(data[at + 1 : at + 1 + wide], "big")
            texts_left -= 1
            if texts_left < 0:  # counting on would take too long
                return MOST_CONTAINERS + 1, values
            continue
        if byte in _EXTENSIONS:
            wide, further = _EXTENSIONS[byte]
            at += wide + further + int.from_bytes(data[at + 1 : at + 1 + wide], "big")
            count = 0
        elif byte in _WIDE:
            wide, each = _WIDE[byte]
            count = int.from_bytes(data[at + 1 : at + 1 + wide], "big") * each
            at += wide
        elif 0x80 <= byte <= 0x9F:
            count = (byte & 0x0F) * (2 if byte < 0x90 else 1)
        else:  # a truncated number or text, or the byte that msgpack does not use
            break
        at += 1
        containers += 1
        values += count
    return containers, values


def head(frame: bytes, most: int) -> list[Any]:
    """Decode up to `most` first fields of a message; the rest of the frame may be malformed."""
    reader = msgpack.Unpacker(strict_map_key=False)
    reader.feed(frame[1:_HEAD_BYTES])
    fields: list[Any] = []
    with contextlib.suppress(ValueError, TypeError, msgpack.OutOfData, RecursionError):
        for _ in range(min(most, reader.read_array_header())):
            fields.append(reader.unpack())  # noqa: PERF401 - keep the fields before the malformed one
    return fields
