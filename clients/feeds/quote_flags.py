"""Flags on unusual quotes: crossed, one-sided, late ... (PROTOCOL.md section 3.3). No quote is dropped for its flags. Pure.

On a real day of EURUSD 22 % of one broker's quotes were crossed or locked: dropping them would lose the market.
"""

from collections import Counter

from msgspec.structs import replace

from hulak.bus.wire.messages import FLAGS, Tick
from hulak.clients.feeds.venues.dialect import MAX_SYMBOLS


class QuoteFlags:
    """Flags the ticks of one feed, in the order of arrival."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # how many ticks had each flag
        self._times: dict[str, int] = {}  # of the last tick of each symbol

    def mark(self, tick: Tick) -> Tick:
        """Return the tick with its flags, in the order of `bus.wire.messages.FLAGS`."""
        before = self._times.get(tick.symbol, 0)
        if tick.symbol not in self._times and len(self._times) >= MAX_SYMBOLS:
            del self._times[next(iter(self._times))]
        self._times[tick.symbol] = tick.timestamp
        bid, ask = tick.bid, tick.ask
        if bid is not None and ask is not None and bid < ask and tick.timestamp >= before and not tick.flags:  # nearly all
            return tick
        seen = {*tick.flags, _of_prices(bid, ask), "late" if tick.timestamp < before else ""}
        flags = tuple(flag for flag in FLAGS if flag in seen)
        self.counts.update(flags)
        return replace(tick, flags=flags)


def _of_prices(bid: float | None, ask: float | None) -> str:
    if bid is None or ask is None:
        return "one-sided" if bid != ask else "empty"
    return "crossed" if bid > ask else "locked" if bid == ask else ""
