"""What is odd about a quote is written on it: crossed, one-sided, late ... (PROTOCOL.md section 3.3). Nothing is dropped for it.

Of a real day of EURUSD 22 % of one broker's quotes were crossed or locked: who dropped them would lose the market. Pure.
"""

from collections import Counter

from msgspec.structs import replace

from bus.wire.messages import FLAGS, Tick
from clients.feeds.venues.dialect import MOST_SYMBOLS


class QuoteFlags:
    """Marks the ticks of one feed, in the order in which they came."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # how many ticks had each flag
        self._times: dict[str, int] = {}  # of the last tick of each symbol

    def mark(self, tick: Tick) -> Tick:
        """Return the tick with its flags, in the order of `bus.wire.messages.FLAGS`."""
        before = self._times.get(tick.symbol, 0)
        if tick.symbol not in self._times and len(self._times) >= MOST_SYMBOLS:
            del self._times[next(iter(self._times))]
        self._times[tick.symbol] = tick.timestamp
        bid, ask = tick.bid, tick.ask
        if bid is not None and ask is not None and bid < ask and tick.timestamp >= before and not tick.flags:  # nearly all
            return tick
        flags = {*tick.flags, _of_prices(bid, ask), "late" if tick.timestamp < before else ""}
        told = tuple(flag for flag in FLAGS if flag in flags)
        self.counts.update(told)
        return replace(tick, flags=told)


def _of_prices(bid: float | None, ask: float | None) -> str:
    if bid is None or ask is None:
        return "one-sided" if bid != ask else "empty"
    return "crossed" if bid > ask else "locked" if bid == ask else ""
