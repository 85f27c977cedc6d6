"""What the body of a tick or of a display's state must be: one map that every reader can read. PROTOCOL.md section 3.3. Pure.

A body goes to all readers, and into the journal, as it came. What one of them could not read is refused at the door: text that
is not UTF-8, a key that no map can have, values nested too deep.
"""

from typing import Annotated, Any

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import UNREADABLE, unpack
from hulak.bus.wire.messages import END_MS, FIRST_MS, Tick

NO_TIME = FIRST_MS // 1000  # a number from 0 to below this is no time of today in any unit: a feed without a clock counts so
LEVELS = 64  # of arrays and maps inside each other: some readers' libraries know no more than a hundred or so


class Quote(Tick, forbid_unknown_fields=True, frozen=True, gc=False):
    """A body that has the keys of a tick and no others, as nearly all have: to read it is the cheapest proof that it is right."""

    timestamp: Annotated[int, msgspec.Meta(ge=FIRST_MS, lt=END_MS)]


# Raises one of `UNREADABLE` also for bodies that are right, but not the commonest; `read_map` has them all.
read_quote = msgspec.msgpack.Decoder(Quote).decode

_Scalar = None | bool | int | float | str
_Low = _Scalar | list[_Scalar] | dict[str, _Scalar]
_Middle = _Scalar | list[_Low] | dict[str, _Low]
_High = _Scalar | list[_Middle] | dict[str, _Middle]
_read_shallow = msgspec.msgpack.Decoder(dict[str, _High]).decode  # a third of the time of `unpack`


def read_map(body: bytes) -> dict[str, Any]:
    """Read exactly one map with text keys.

    Raises:
        ProtocolError: `BAD_BODY`, it is no such map, or not all that is in it can be read, or it is nested too deep.
    """
    try:
        return _read_shallow(body)
    except UNREADABLE:
        pass
    value = unpack(body)
    if not _is_nested_at_most(LEVELS, value):
        raise ProtocolError("BAD_BODY", f"a body of {len(body)} bytes is nested deeper than {LEVELS} levels")
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ProtocolError("BAD_BODY", f"a body is {value!r:.60}, must be a map with text keys")
    return value


def _is_nested_at_most(levels: int, value: Any) -> bool:
    layer = [value]
    for _ in range(levels + 1):
        containers = [one.values() if isinstance(one, dict) else one for one in layer if isinstance(one, (dict, list))]
        if not containers:
            return True
        layer = [inner for one in containers for inner in one]
    return False


def check_tick(symbol: str, body: bytes) -> None:
    """Refuse the body of a tick that comes under a symbol's topic.

    Raises:
        ProtocolError: `BAD_BODY`, as `read_map`; or the body says that it is of another symbol; `BAD_TIME`, its time is a number
            of another unit than ms, or wrong.
    """
    try:
        found = read_map(body)
    except ProtocolError as error:
        raise ProtocolError("BAD_BODY", f"the body for topic 'tick.{symbol}' is refused: {error}") from error
    said, at = found.get("symbol", symbol), found.get("timestamp", FIRST_MS)
    if isinstance(at, int | float) and not (FIRST_MS <= at < END_MS or 0 <= at < NO_TIME):
        text = f"topic 'tick.{symbol}' has a body of timestamp {at!r:.40}, must be ms since 1970 UTC, from 1990 to 2100"
        raise ProtocolError("BAD_TIME", text)
    if said != symbol:
        text = f"topic 'tick.{symbol}' has a body of symbol {said!r:.60}, must be 'tick.' and that symbol"
        raise ProtocolError("BAD_BODY", text)
