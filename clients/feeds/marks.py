"""What is odd about a quote is written on it: crossed, locked, late (PROTOCOL.md section 3.3). Nothing is dropped for it.

Of a real day of EURUSD 22 % of one broker's quotes were crossed or locked: who dropped them would lose the market. Pure.
"""

from collections import Counter

from msgspec.structs import replace

from bus.messages import Tick
from clients.feeds.events import MOST_SYMBOLS


class Marks:
    """Marks the ticks of one feed, in the order in which they came."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # how many ticks had each flag
        self._times: dict[str, int] = {}  # of the last tick of each symbol

    def mark(self, tick: Tick) -> Tick:
        """Return the tick with its flags, in the order of `bus.messages.FLAGS`."""
        before = self._times.get(tick.symbol, 0)
        if tick.symbol not in self._times and len(self._times) >= MOST_SYMBOLS:
            del self._times[next(iter(self._times))]
        self._times[tick.symbol] = tick.timestamp
        if tick.bid < tick.ask and tick.timestamp >= before:  # nearly all
            return tick
        flags = ["crossed"] if tick.bid > tick.ask else ["locked"] if tick.bid == tick.ask else []
        if tick.timestamp < before:
            flags.append("late")
        self.counts.update(flags)
        return replace(tick, flags=tuple(flags))
