"""The state of the exchange as the body of `market.nepse`: PROTOCOL.md section 3.4. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from hulak.bus.errors import FeedError
from hulak.clients.feeds.nepse.market_clock import MarketClock, Phase
from hulak.clients.feeds.nepse.rows import SOURCE, time_ms

PAUSE_S = 150.0  # two of the tables that the exchange makes while it trades, and a half


class MarketState(msgspec.Struct, frozen=True):
    """The state. Times are in ms since 1970 UTC."""

    market: str
    state: str  # open, pre-open or closed
    timestamp: int  # when the feed learnt it
    as_of: int | None  # the exchange's time of its newest data
    next_opening: int | None  # as expected; None if its days are not known
    pause_s: float  # seconds without a tick that say nothing while it is open
    source: str


class PostedState:
    """The state that is on the bus."""

    def __init__(self) -> None:
        self._posted: tuple[str, int | None] | None = None

    def recall(self, bodies: Iterable[Any]) -> None:
        """Take over the last state that the broker keeps."""
        for body in bodies:
            if isinstance(body, Mapping) and body.get("source") == SOURCE and body.get("market") == SOURCE:
                self._posted = (str(body.get("state")), body.get("next_opening"))

    def next_state(self, clock: MarketClock, as_of: object, now_s: float) -> MarketState | None:
        """Return the state to post; None if it is on the bus, or is not known.

        Args:
            clock: has the state.
            as_of: text of the exchange.
            now_s: seconds since 1970 UTC.
        """
        if clock.phase is Phase.UNKNOWN:
            return None
        opening_s = clock.next_opening_s(now_s)
        opening = None if opening_s is None else round(opening_s * 1000)
        if self._posted == (clock.phase.value, opening):
            return None
        self._posted = (clock.phase.value, opening)
        return MarketState(SOURCE, clock.phase.value, int(now_s * 1000), _known_ms(as_of), opening, PAUSE_S, SOURCE)


def _known_ms(text: object) -> int | None:
    try:
        return time_ms(text)
    except FeedError:
        return None
