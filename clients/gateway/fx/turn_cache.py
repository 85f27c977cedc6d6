"""What all clients of `/fx` share: the ticks of a turn by symbol, each message written once, and the running bars. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bus.wire.messages import Tick
from clients.gateway.fx import protocol
from clients.gateway.fx.candles import DAY_MS, Candles
from clients.gateway.state_cache import Entry, StateCache

MOST_CANDLES = 4096  # kept for all clients together


@dataclass
class TurnCache:
    """The figures behind `/fx`.

    Args:
        cache: what there is to tell.
        clock: tells the time in ms since 1970 UTC.
    """

    cache: StateCache
    clock: Callable[[], float]
    digits: dict[str, int] = field(default_factory=dict)  # of symbols whose package was sent
    candles: dict[tuple[str, str], Candles] = field(default_factory=dict)  # symbol, resolution
    in_step: int = -1  # revision of those who have everything but this turn's news
    now_ms: float = 0.0
    heard: bool = True
    _takers: Counter[tuple[str, str]] = field(default_factory=Counter)
    _ticks: dict[str, list[Tick]] = field(default_factory=dict)
    _written: dict[tuple[Any, ...], bytes] = field(default_factory=dict)

    def begin(self, ticks: Iterable[Tick], before: int, now_ms: float, *, heard: bool) -> None:
        """Begin a turn.

        Args:
            ticks: that came, in order.
            before: the cache's revision when the last turn ended.
            now_ms: ms since 1970 UTC.
            heard: whether the broker is.
        """
        self.in_step, self.now_ms, self.heard = before, now_ms, heard
        self.decode_states()
        self._ticks.clear()
        self._written.clear()
        for tick in ticks:
            self._ticks.setdefault(tick.symbol, []).append(tick)
        for (symbol, _), candles in self.candles.items():
            for tick in self._ticks.get(symbol, ()):
                if tick.bid is not None:
                    candles.add(tick.bid, tick.timestamp, self.cache.revision)

    def follow(self, key: tuple[str, str]) -> Candles | None:
        """Make bars for one taker more; returns them if they are new, and the journal has to be asked how they began."""
        self._takers[key] += 1
        if key in self.candles:
            return None
        self.candles[key] = Candles(key[1])
        return self.candles[key]

    def leave(self, key: tuple[str, str]) -> None:
        """Make no more bars for one of the takers."""
        self._takers[key] -= 1
        if self._takers[key] <= 0:
            del self._takers[key]
            self.candles.pop(key, None)

    def symbols(self) -> list[str]:
        """List the symbols that something is known of."""
        shown = {symbol for symbol in self.cache.of_symbol if self.facts(symbol) is not None}
        return sorted(self.cache.ticks.keys() | shown)

    def entry(self, symbol: str) -> Entry | None:
        """Return the display of a symbol; None if there is none."""
        name = self.cache.of_symbol.get(symbol)
        return None if name is None else self.cache.entry(name)

    def decode_states(self) -> None:
        """Look at states of displays nobody has looked at: what their symbols are, is not known before."""
        for name, entry in list(self.cache.displays.items()):
            if entry.pending is not None:
                self.cache.entry(name)

    def facts(self, symbol: str) -> protocol.Facts | None:
        """Return what a display says of a symbol; None if there is none with a price."""
        entry = self.entry(symbol)
        return None if entry is None else protocol.facts_of_state(entry.state)

    def day(self, symbol: str) -> int:
        """Say which day it is for a symbol, in days since 1970 UTC; 0 if nothing is known."""
        row, entry = self.cache.ticks.get(symbol), self.entry(symbol)
        if entry is not None:  # its state is what is told: the package must not be older than the reset
            return int(entry.state.get("timestamp") or 0) // DAY_MS
        return row.value.timestamp // DAY_MS if row is not None else 0

    def ticks(self, symbol: str, source: str, at: int) -> list[bytes]:
        """Write the ticks for clients that are told up to the revision `at`: every one, or the newest for one that was behind."""
        row = self.cache.ticks.get(symbol)
        if row is None or row.revision <= at:
            return []
        found = self._ticks.get(symbol, []) if at >= self.in_step else []
        told = enumerate(found or [row.value])
        return [self._tick(tick, number, source) for number, tick in told if (tick.bid, tick.ask) != (None, None)]

    def _tick(self, tick: Tick, number: int, source: str) -> bytes:
        key = (tick.symbol, number, tick, source)
        if key not in self._written:
            self._written[key] = protocol.tick(tick, source, self.digits.get(tick.symbol, 5), self.now_ms)
        return self._written[key]
