"""The state shared by all clients of `/fx`: the ticks of a turn by symbol, messages encoded once, and running bars. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.wire.messages import Tick
from hulak.clients.gateway.fx import protocol
from hulak.clients.gateway.fx.candles import DAY_MS, Candles
from hulak.clients.gateway.state_cache import Entry, StateCache

MAX_CANDLES = 4096  # limit for all clients together


@dataclass
class TurnCache:
    """The figures for `/fx`.

    Args:
        cache: the newest values.
        clock: returns the time in ms since 1970 UTC.
    """

    cache: StateCache
    clock: Callable[[], float]
    digits: dict[str, int] = field(default_factory=dict)  # of symbols whose package was sent
    candles: dict[tuple[str, str], Candles] = field(default_factory=dict)  # symbol, resolution
    previous: int = -1  # revision of the clients that lack only this turn's ticks
    now_ms: float = 0.0
    broker_up: bool = True
    _users: Counter[tuple[str, str]] = field(default_factory=Counter)
    _ticks: dict[str, list[Tick]] = field(default_factory=dict)
    _encoded: dict[tuple[Any, ...], bytes] = field(default_factory=dict)

    def begin(self, ticks: Iterable[Tick], before: int, now_ms: float, *, broker_up: bool) -> None:
        """Start a turn.

        Args:
            ticks: received since the last turn, in order.
            before: the cache's revision when the last turn ended.
            now_ms: ms since 1970 UTC.
            broker_up: whether the broker is up.
        """
        self.previous, self.now_ms, self.broker_up = before, now_ms, broker_up
        self.decode_states()
        self._ticks.clear()
        self._encoded.clear()
        for tick in ticks:
            self._ticks.setdefault(tick.symbol, []).append(tick)
        for (symbol, _), candles in self.candles.items():
            for tick in self._ticks.get(symbol, ()):
                if tick.bid is not None:
                    candles.add(tick.bid, tick.timestamp, self.cache.revision)

    def follow(self, key: tuple[str, str]) -> Candles | None:
        """Add a user of bars; returns the bars if they are new and their begin has to be read from the journal."""
        self._users[key] += 1
        if key in self.candles:
            return None
        self.candles[key] = Candles(key[1])
        return self.candles[key]

    def leave(self, key: tuple[str, str]) -> None:
        """Remove a user of bars."""
        self._users[key] -= 1
        if self._users[key] <= 0:
            del self._users[key]
            self.candles.pop(key, None)

    def symbols(self) -> list[str]:
        """List the known symbols."""
        shown = {symbol for symbol in self.cache.of_symbol if self.facts(symbol) is not None}
        return sorted(self.cache.ticks.keys() | shown)

    def entry(self, symbol: str) -> Entry | None:
        """Return the display of a symbol; None if there is none."""
        name = self.cache.of_symbol.get(symbol)
        return None if name is None else self.cache.entry(name)

    def decode_states(self) -> None:
        """Decode the states that are not decoded yet: their symbols are unknown before."""
        for name, entry in list(self.cache.displays.items()):
            if entry.pending is not None:
                self.cache.entry(name)

    def facts(self, symbol: str) -> protocol.Facts | None:
        """Return a symbol's figures from a display; None if there is none with a price."""
        entry = self.entry(symbol)
        return None if entry is None else protocol.facts_of_state(entry.state)

    def day(self, symbol: str) -> int:
        """Return the current day of a symbol, in days since 1970 UTC; 0 if unknown."""
        row, entry = self.cache.ticks.get(symbol), self.entry(symbol)
        if entry is not None:  # the package is made of its state, and must not be older than the reset
            return int(entry.state.get("timestamp") or 0) // DAY_MS
        return row.value.timestamp // DAY_MS if row is not None else 0

    def ticks(self, symbol: str, source: str, at: int) -> list[bytes]:
        """Return the ticks for clients at the revision `at`: every tick, or the newest one for a client that was behind."""
        row = self.cache.ticks.get(symbol)
        if row is None or row.revision <= at:
            return []
        ticks = self._ticks.get(symbol, []) if at >= self.previous else []
        numbered = enumerate(ticks or [row.value])
        return [self._tick(tick, number, source) for number, tick in numbered if (tick.bid, tick.ask) != (None, None)]

    def _tick(self, tick: Tick, number: int, source: str) -> bytes:
        key = (tick.symbol, number, tick, source)
        if key not in self._encoded:
            self._encoded[key] = protocol.tick(tick, source, self.digits.get(tick.symbol, 5), self.now_ms)
        return self._encoded[key]
