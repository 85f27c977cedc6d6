"""The quality of each symbol: fresh, stale, halted or closed. PROTOCOL.md section 3.12. Pure.

Times are stamps of the broker, in ms.
"""

from collections import OrderedDict

import msgspec

from hulak.clients.derive.rules.quote import MarketState

FRESH, STALE, HALTED, CLOSED = "fresh", "stale", "halted", "closed"
MOST_MARKETS = 1_000


class SymbolState(msgspec.Struct, array_like=True, gc=False):
    """The state of one symbol."""

    symbol: str
    source: str  # of its last tick
    state: str = ""  # empty: none was published
    since: int = 0
    seen: int = 0  # its last tick
    halted: bool = False  # as that tick says


class QualityState(msgspec.Struct, array_like=True):
    """All that is known, for a checkpoint."""

    symbols: list[SymbolState]
    closed: list[str]
    pauses: dict[str, int]


class Quality:
    """The states of all symbols.

    Args:
        stale_ms: without a tick, after which a symbol is stale.
    """

    def __init__(self, stale_ms: int) -> None:
        self._stale_ms = stale_ms
        self._symbols: dict[str, SymbolState] = {}
        self._fresh: dict[int, OrderedDict[str, SymbolState]] = {}  # limit -> the fresh ones, in the order of their last ticks
        self._closed: dict[str, None] = {}  # sources whose market is closed
        self._pauses: dict[str, int] = {}  # source -> its market's limit

    def tick(self, symbol: str, source: str, now: int, *, halted: bool) -> SymbolState | None:
        """Take a tick; return the state if it has changed."""
        row = self._symbols.get(symbol)
        if row is None:
            row = self._symbols[symbol] = SymbolState(symbol, source)
        if row.source != source:
            self._forget(row)
            row.source = source
        row.seen, row.halted = now, halted
        if row.state == FRESH and not halted and source not in self._closed:
            queue = self._queue(source)
            queue[symbol] = row
            queue.move_to_end(symbol)
            return None
        return self._enter(row, now)

    def market(self, state: MarketState, now: int) -> list[SymbolState]:
        """Take the state of a market; return the states of its symbols that have changed."""
        name = state.market
        if name not in self._pauses and len(self._pauses) >= MOST_MARKETS:
            return []
        rows = [row for row in self._symbols.values() if row.source == name]
        for row in rows:
            self._forget(row)
        self._pauses[name] = state.pause_ms
        self._closed.pop(name, None)
        if not state.is_open:
            self._closed[name] = None
        for row in rows:
            if row.state == FRESH:
                self._queue(name)[row.symbol] = row
        changed = [row for row in rows if self._enter(row, now) is not None]
        self._fresh[self._limit(name)] = OrderedDict(sorted(self._queue(name).items(), key=lambda item: item[1].seen))
        return changed

    def grow_old(self, now: int) -> list[SymbolState]:
        """Return the symbols that have become stale."""
        changed = []
        self._fresh = {limit: queue for limit, queue in self._fresh.items() if queue}  # a market may name another limit each time
        for limit, queue in self._fresh.items():
            while queue and (row := next(iter(queue.values()))).seen + limit <= now:
                queue.popitem(last=False)
                row.state, row.since = STALE, row.seen + limit
                changed.append(row)
        return changed

    def set_back(self, now: int) -> None:
        """Go on from an earlier stamp of the broker, whose clock was set back: the last ticks are not of the future."""
        for row in self._symbols.values():
            row.seen = min(row.seen, now)

    def due(self) -> int | None:
        """Return when the next symbol becomes stale."""
        dues = [next(iter(queue.values())).seen + limit for limit, queue in self._fresh.items() if queue]
        return min(dues, default=None)

    def forget_published(self) -> None:
        """Let the next tick of each symbol publish its state again."""
        for row in self._symbols.values():
            self._forget(row)
            row.state = ""

    def _limit(self, source: str) -> int:
        return max(self._stale_ms, self._pauses.get(source, 0))

    def _queue(self, source: str) -> OrderedDict[str, SymbolState]:
        limit = self._limit(source)
        queue = self._fresh.get(limit)
        if queue is None:
            queue = self._fresh[limit] = OrderedDict()
        return queue

    def _forget(self, row: SymbolState) -> None:
        self._queue(row.source).pop(row.symbol, None)

    def _enter(self, row: SymbolState, now: int) -> SymbolState | None:
        """Change the state to what the last tick and the market say; None if that is no change."""
        limit = self._limit(row.source)
        old = row.seen + limit <= now
        state = CLOSED if row.source in self._closed else HALTED if row.halted else STALE if old else FRESH
        if state == row.state:
            return None
        self._forget(row)
        row.state, row.since = state, row.seen + limit if state == STALE else now
        if state == FRESH:
            self._queue(row.source)[row.symbol] = row
        return row

    # Checkpoints

    def dump(self) -> QualityState:
        """Return all that is known."""
        return QualityState(list(self._symbols.values()), list(self._closed), self._pauses)

    def load(self, state: QualityState) -> None:
        """Continue from what was known."""
        self._closed, self._pauses = dict.fromkeys(state.closed), state.pauses
        for row in sorted(state.symbols, key=lambda row: row.seen):
            self._symbols[row.symbol] = row
            if row.state == FRESH:
                self._queue(row.source)[row.symbol] = row
