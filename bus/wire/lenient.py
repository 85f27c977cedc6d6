"""Reading what a careless sender packed, and an old journal may hold: no reader ends at it. Pure."""

from collections.abc import Iterable
from typing import Any

import msgpack
import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import UNREADABLE, seen, unpack

_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def unpack_anyway(data: bytes) -> Any:
    """Read one msgpack value, as `bus.wire.codec.unpack` does, or what can be read of it.

    Text that is not UTF-8 has U+FFFD where it is none; an array or a map as key is given as its text.

    Raises:
        ProtocolError: `BAD_BODY`, the bytes are not one msgpack value even so.
    """
    try:
        return unpack(data)
    except ProtocolError:
        lenient: dict[str, Any] = {"unicode_errors": "replace", "object_pairs_hook": _map_of}
        try:
            return msgpack.unpackb(data, strict_map_key=False, ext_hook=seen, **lenient)
        except (ValueError, TypeError, RecursionError):
            pass
        raise


def _map_of(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    return {repr(key) if isinstance(key, (list, dict)) else key: value for key, value in pairs}


def split(data: bytes) -> list[bytes]:
    """Take a packed array apart into its items, packed as they came: one that cannot be read costs the others nothing.

    Raises:
        ProtocolError: `BAD_BODY`, it is not one array.
    """
    try:
        return [bytes(item) for item in _split(data)]
    except UNREADABLE as error:
        raise ProtocolError("BAD_BODY", f"{len(data)} bytes must be one msgpack array: {error}") from error
