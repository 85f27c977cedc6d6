"""Checks of the body of a feed or of a display's state: one map that every reader can decode. PROTOCOL.md section 3.3. Pure.

A body goes unchanged to all readers and into the journal. A body that a reader could not decode is refused: text that is not
UTF-8, a key that no map can have, values nested too deep.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import UNREADABLE, Shallow, read_shallow, unpack_any
from hulak.bus.wire.messages import END_MS, FIRST_MS, Tick
from hulak.bus.wire.names import DERIVED, TICK_TOPICS

NO_TIME = FIRST_MS // 1000  # a smaller number from 0 on is no present time in any unit: a feed without a clock may count from 0
OF_TICKS = TICK_TOPICS.decode()
OF_DERIVED = tuple(root.decode() for root in DERIVED)
NAMED_BY = {"trade": "security", "market": "market"}  # family of topics -> key of a body that names what it is about
LEVELS = 64  # of nested arrays and maps: some readers' libraries are limited to about a hundred


class Quote(Tick, forbid_unknown_fields=True, frozen=True, gc=False):
    """A body with the keys of a tick and no others, as nearly all have: decoding it is the cheapest check."""

    timestamp: Annotated[int, msgspec.Meta(ge=FIRST_MS, lt=END_MS)]


# Raises one of `UNREADABLE` also for valid bodies with other keys; `read_map` accepts all valid bodies.
read_quote = msgspec.msgpack.Decoder(Quote).decode

_read_shallow_map = msgspec.msgpack.Decoder(dict[str, Shallow]).decode


def read_map(body: bytes) -> dict[str, Any]:
    """Decode exactly one map with text keys.

    Raises:
        ProtocolError: `BAD_BODY`, it is not such a map, a value in it cannot be decoded, or it is nested too deep.
    """
    try:
        return _read_shallow_map(body)
    except UNREADABLE:
        pass
    value = unpack_any(body)
    if not _is_nested_at_most(LEVELS, value):
        raise ProtocolError("BAD_BODY", f"a body of {len(body)} bytes is nested deeper than {LEVELS} levels")
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ProtocolError("BAD_BODY", f"a body is {value!r:.60}, must be a map with text keys")
    return value


def check_value(topic: str, body: bytes) -> None:
    """Raise an error for a body of an own topic that some reader could not decode; it may be any value.

    Raises:
        ProtocolError: `BAD_BODY`, it is not one msgpack value, is nested too deep, or is a map with other keys than texts.
    """
    try:
        read_shallow(body)
    except UNREADABLE:
        pass
    else:
        return
    try:
        value = unpack_any(body)
    except ProtocolError as error:
        raise ProtocolError("BAD_BODY", f"the body for topic {topic!r} is refused: {error}") from error
    if not _is_nested_at_most(LEVELS, value):
        raise ProtocolError("BAD_BODY", f"the body for topic {topic!r} is nested deeper than {LEVELS} levels")
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        raise ProtocolError("BAD_BODY", f"the body for topic {topic!r} is {value!r:.60}, a map must have text keys")


def _is_nested_at_most(levels: int, value: Any) -> bool:
    layer = [value]
    for _ in range(levels + 1):
        containers = [item.values() if isinstance(item, dict) else item for item in layer if isinstance(item, (dict, list))]
        if not containers:
            return True
        layer = [inner for container in containers for inner in container]
    return False


def check_body(topic: str, body: bytes) -> None:
    """Raise an error for a body of a feed that is not valid for its topic.

    Raises:
        ProtocolError: `BAD_BODY`, as `read_map`; or a tick's body names another symbol, or the body for another topic of feeds
            names one: in `ticks` it would be taken for a tick; or that of a trade or a market names another security or market
            than its topic: in `ticks` it is identified by it; or that of a derived topic names another symbol. `BAD_TIME`, its
            time is in another unit than ms, or wrong.
    """
    try:
        fields = read_map(body)
    except ProtocolError as error:
        raise ProtocolError("BAD_BODY", f"the body for topic {topic!r} is refused: {error}") from error
    at = fields.get("timestamp", FIRST_MS)
    if isinstance(at, int | float) and not (FIRST_MS <= at < END_MS or 0 <= at < NO_TIME):
        text = f"topic {topic!r} has a body of timestamp {at!r:.40}, must be ms since 1970 UTC, from 1990 to 2100"
        raise ProtocolError("BAD_TIME", text)
    if topic.startswith(OF_DERIVED):
        _check_symbol(topic, fields)
        return
    if not topic.startswith(OF_TICKS):
        _check_names(topic, fields)
        return
    symbol = topic[len(OF_TICKS) :]
    stated = fields.get("symbol", symbol)
    if stated != symbol:
        text = f"topic {topic!r} has a body of symbol {stated!r:.60}, must be 'tick.' and that symbol"
        raise ProtocolError("BAD_BODY", text)


def _check_symbol(topic: str, fields: Mapping[str, Any]) -> None:
    """Check that the body for a derived topic names the symbol at the end of the topic, if it names one."""
    stated = fields.get("symbol")
    if stated is not None and not (isinstance(stated, str) and stated and topic.endswith(f".{stated}")):
        text = f"topic {topic!r} has a body of symbol {stated!r:.60}, must be that at the end of the topic"
        raise ProtocolError("BAD_BODY", text)


def _check_names(topic: str, fields: Mapping[str, Any]) -> None:
    """Check that the body of a trade or a market names no symbol, and nothing else than its topic does."""
    if "symbol" in fields:
        text = f"topic {topic!r} has a body of symbol {fields['symbol']!r:.60}, must have no symbol: that is a tick's"
        raise ProtocolError("BAD_BODY", text)
    family, _, about = topic.partition(".")
    key = NAMED_BY.get(family)
    if key is None or key not in fields:
        return
    name = fields[key]
    if not isinstance(name, str) or not name or not f".{about}".endswith(f".{name}"):
        text = f"topic {topic!r} has a body of {key} {name!r:.60}, must be that of the topic, without a feed's prefix"
        raise ProtocolError("BAD_BODY", text)
