"""A lenient reader for malformed msgpack, which an old journal may hold. Pure."""

from collections.abc import Iterable
from typing import Any

import msgpack
import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import UNREADABLE, record_extension, unpack

_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def unpack_anyway(data: bytes) -> Any:
    """Decode one msgpack value as `bus.wire.codec.unpack` does, with replacements if it is malformed.

    Bytes of a text that are not UTF-8 become U+FFFD; a key that is an array or a map becomes its text.

    Raises:
        ProtocolError: `BAD_BODY`, even so the bytes are not one msgpack value.
    """
    try:
        return unpack(data)
    except ProtocolError:
        lenient: dict[str, Any] = {"unicode_errors": "replace", "object_pairs_hook": _map_of}
        try:
            return msgpack.unpackb(data, strict_map_key=False, ext_hook=record_extension, **lenient)
        except (ValueError, TypeError, RecursionError):
            pass
        raise


def _map_of(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    return {repr(key) if isinstance(key, (list, dict)) else key: value for key, value in pairs}


def split(data: bytes) -> list[bytes]:
    """Split a packed array into its packed items: a malformed item does not affect the others.

    Raises:
        ProtocolError: `BAD_BODY`, it is not one array.
    """
    try:
        return [bytes(item) for item in _split(data)]
    except UNREADABLE as error:
        raise ProtocolError("BAD_BODY", f"{len(data)} bytes must be one msgpack array: {error}") from error
