"""The bars of all symbols, made of ticks in the journal's order. PROTOCOL.md section 3.12. Pure.

Each tick is added to the bar of the shortest interval only. When that is over it is added to the longer ones, which is exact, and
costs once a second what would else cost at each tick. A bar that is over is kept for a minute, for ticks that come late.
"""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from hulak.clients.derive.rules.bar import Bar
from hulak.clients.derive.rules.intervals import INTERVALS, SHOWN_EVERY
from hulak.clients.derive.rules.quote import Quote
from hulak.clients.derive.rules.source_clock import AHEAD_MS, GRACE_MS, LAG_MS, LATE_MS, SourceClock

MOST_CLOCKS = 1_000  # further sources share one
CORRECTED_EVERY_MS = 1_000
FOREVER = 1 << 62


class MadeBar(NamedTuple):
    """A bar to publish, as it is now."""

    symbol: str
    interval: str
    bar: Bar


class Series(msgspec.Struct, array_like=True, gc=False):
    """The bars of one symbol."""

    symbol: str
    clock: int  # number of the clock by which its ticks are late
    floor: int  # a tick before it is too late: bars up to it were forgotten
    bars: list[dict[int, Bar]]  # for each interval: start -> bar, unfinished or over for less than a minute


class BarState(msgspec.Struct, array_like=True):
    """All that is known, for a checkpoint."""

    whole_from: int
    clocks: list[SourceClock]
    series: list[Series]
    corrections: list[tuple[int, str, int]]
    touched: int
    shown_until: int
    corrected_until: int
    late: int
    wrong: int


class _Level:
    """The bars of one interval that follow one clock."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, int], Bar] = {}  # symbol and start -> bar that is not over
        self.first_end = FOREVER  # no open one ends before
        self.over: list[tuple[int, str, int]] = []  # end, symbol, start of those that are: a heap, since a late one may end first


class BarMaker:
    """Makes bars.

    Args:
        intervals: names, from the shortest to the longest; at least one.
        whole_from: ticks with times from here on are all seen, ms; earlier bars may have begun before the first one. 0: all.
    """

    def __init__(self, intervals: tuple[str, ...], whole_from: int = 0) -> None:
        self._names = intervals
        self._sizes = [INTERVALS[name] for name in intervals]
        self._shown_every = [SHOWN_EVERY[name] for name in intervals]
        self._base = self._sizes[0]
        self.whole_from = whole_from
        self._series: dict[str, Series] = {}
        self._clocks: list[SourceClock] = []
        self._by_source: dict[tuple[str, str], SourceClock] = {}  # prefix and source -> clock
        self._clock_of: dict[str, SourceClock] = {}  # symbol -> that of the source of its last tick
        self._levels: list[list[_Level]] = []  # of each clock, for each interval
        self._corrections: dict[tuple[int, str, int], None] = {}  # interval's place, symbol, start of bars that changed when over
        self._touched = 0  # stamp of the last tick that counted, ms
        self._shown_until = 0  # stamp at which unfinished bars were last looked at, ms
        self._corrected_until = 0
        self.late = 0  # ticks that are in no bar
        self.wrong = 0  # likewise, for their times

    # Ticks

    def take(self, symbol: str, quote: Quote, stamp: int) -> None:
        """Add a tick; `stamp` is the broker's, ms."""
        bid, ask, at = quote.bid, quote.ask, quote.at
        if quote.halted or (bid is None and ask is None):
            return
        if at is None or at > stamp + AHEAD_MS:
            self.wrong += 1
            return
        clock = self._clock(symbol, quote.source, at, stamp)
        series = self._series.get(symbol)
        if series is None:
            series = self._series[symbol] = Series(symbol, clock.number, 0, [{} for _ in self._sizes])
        if not clock.accept(at, stamp) or at < series.floor or at < self._clocks[series.clock].now - LATE_MS:
            self.late += 1
            return
        self._touched = stamp
        start = at - at % self._base
        bar = series.bars[0].get(start)
        if bar is None:
            if clock.now > self._clocks[series.clock].now:
                series.clock = clock.number
            bar = self._open(series, 0, start)
        if bar.final:
            self._add_late(series, bid, ask, at)
        else:
            bar.add(bid, ask, at)

    def _clock(self, symbol: str, source: str, at: int, stamp: int) -> SourceClock:
        clock = self._clock_of.get(symbol)
        if clock is None or clock.source != source:
            key = prefix_of(symbol), source
            clock = self._clock_of[symbol] = self._by_source.get(key) or self._new_clock(*key, at, stamp)
        if at < clock.now - LATE_MS and clock.is_lost(stamp):
            self._begin_again(clock, at, stamp)
        return clock

    def _new_clock(self, prefix: str, source: str, at: int, stamp: int) -> SourceClock:
        if len(self._clocks) >= MOST_CLOCKS:
            return self._clocks[-1]
        clock = SourceClock(prefix, source, len(self._clocks), at, at, stamp)
        self._add_clock(clock)
        return clock

    def _add_clock(self, clock: SourceClock) -> None:
        self._clocks.append(clock)
        self._by_source[clock.prefix, clock.source] = clock
        self._levels.append([_Level() for _ in self._sizes])

    def _begin_again(self, clock: SourceClock, at: int, stamp: int) -> None:
        """Forget the bars that follow a clock, and set it to the time of a tick."""
        clock.begin_again(at, stamp)
        for place, level in enumerate(self._levels[clock.number]):
            for symbol, start in [*level.open, *((symbol, start) for _, symbol, start in level.over)]:
                self._series[symbol].bars[place].pop(start, None)
                self._corrections.pop((place, symbol, start), None)
        self._levels[clock.number] = [_Level() for _ in self._sizes]
        for series in self._series.values():
            if series.clock == clock.number:
                series.floor = 0

    def _open(self, series: Series, place: int, start: int) -> Bar:
        size, level = self._sizes[place], self._levels[series.clock][place]
        bar = series.bars[place][start] = Bar(start, start + size, series.clock)
        level.open[series.symbol, start] = bar
        level.first_end = min(level.first_end, bar.end)
        return bar

    def _add_late(self, series: Series, bid: float | None, ask: float | None, at: int) -> None:
        """Add a tick to the bar of the shortest interval, which is over, and to all longer ones that have that bar already."""
        for place, size in enumerate(self._sizes):
            start = at - at % size
            bar = series.bars[place].get(start) or self._open(series, place, start)
            bar.add(bid, ask, at)
            if bar.final:
                self._corrections[place, series.symbol, start] = None

    # Time

    def advance(self, stamp: int) -> list[MadeBar]:
        """Return what the time makes due: bars that are over, corrected ones, and states of unfinished ones.

        Args:
            stamp: the broker's, ms; not less than before, unless `set_back` was called.
        """
        made: list[MadeBar] = []
        for clock in self._clocks:
            clock.follow(stamp)
            levels = self._levels[clock.number]
            for place, level in enumerate(levels):
                if level.first_end + GRACE_MS <= clock.now:
                    made += self._end(level, place, clock.now - GRACE_MS)
        made += self._corrected(stamp)
        made += self._unfinished(stamp)
        for clock in self._clocks:
            self._forget_old(clock)
        return [row for row in made if self._is_whole(row.bar)]

    def set_back(self, stamp: int) -> None:
        """Go on from an earlier stamp of the broker, whose clock was set back."""
        for clock in self._clocks:
            clock.accepted = min(clock.accepted, stamp)
        times = self._touched, self._shown_until, self._corrected_until
        self._touched, self._shown_until, self._corrected_until = (min(at, stamp) for at in times)

    def due(self) -> int | None:
        """Return the broker's stamp, in ms, at which `advance` has something to do even if no further tick comes; None: never."""
        dues = [
            level.first_end + GRACE_MS + LAG_MS
            for clock in self._clocks
            if clock.live
            for level in self._levels[clock.number]
            if level.open
        ]
        if self._corrections:
            dues.append((self._corrected_until // CORRECTED_EVERY_MS + 1) * CORRECTED_EVERY_MS)
        shown = [every for every in self._shown_every if every and self._touched // every >= self._shown_until // every]
        dues += [(self._touched // every + 1) * every for every in shown]
        return min(dues, default=None)

    def unfinished(self) -> list[MadeBar]:
        """Return all bars that are not over, as they are now, and whole."""
        rows = [row for place in range(len(self._sizes)) for row in self._states(place)]
        return [row for row in rows if self._is_whole(row.bar)]

    def _is_whole(self, bar: Bar) -> bool:
        """Return whether all ticks of a bar were seen; of ticks of the past the time of the first one says it."""
        return bar.start >= self.whole_from or bar.start >= self._clocks[bar.clock].begins + LATE_MS

    def _end(self, level: _Level, place: int, until: int) -> Iterator[MadeBar]:
        ended = sorted((key, bar) for key, bar in level.open.items() if bar.end <= until)
        for (symbol, start), bar in ended:
            del level.open[symbol, start]
            heapq.heappush(level.over, (bar.end, symbol, start))
            if place == 0:
                self._add_to_longer(self._series[symbol], bar)
            bar.final = True
            yield MadeBar(symbol, self._names[place], bar)
        level.first_end = min((bar.end for bar in level.open.values()), default=FOREVER)

    def _add_to_longer(self, series: Series, short: Bar) -> None:
        for place in range(1, len(self._sizes)):
            start = short.start - short.start % self._sizes[place]
            bar = series.bars[place].get(start) or self._open(series, place, start)
            bar.merge(short)
            if bar.final:
                self._corrections[place, series.symbol, start] = None

    def _corrected(self, stamp: int) -> Iterator[MadeBar]:
        if stamp // CORRECTED_EVERY_MS == self._corrected_until // CORRECTED_EVERY_MS:
            return
        self._corrected_until = stamp
        for place, symbol, start in sorted(self._corrections):
            bar = self._series[symbol].bars[place][start]
            bar.revision += 1
            yield MadeBar(symbol, self._names[place], bar)
        self._corrections.clear()

    def _unfinished(self, stamp: int) -> Iterator[MadeBar]:
        before, self._shown_until = self._shown_until, stamp
        for place, every in enumerate(self._shown_every):
            if every and stamp // every != before // every:
                yield from self._states(place, changed=True)

    def _states(self, place: int, *, changed: bool = False) -> Iterator[MadeBar]:
        """Yield the bars of an interval that are not over, with those of the shortest one that were not added yet.

        Args:
            place: of the interval.
            changed: only those that have further ticks since the last call with it.
        """
        parts = self._parts(place)
        for levels in self._levels:
            for key, bar in levels[place].open.items():
                shorts = parts.get(key, ())
                ticks = bar.ticks + sum(short.ticks for short in shorts)
                if changed and ticks == bar.shown:
                    continue
                if changed:
                    bar.shown = ticks
                state = bar.copy()
                for short in sorted(shorts, key=lambda part: part.start):
                    state.merge(short)
                yield MadeBar(key[0], self._names[place], state)

    def _parts(self, place: int) -> dict[tuple[str, int], list[Bar]]:
        """Map each longer bar, which is opened if needed, to the bars of the shortest interval that it does not have yet."""
        parts: dict[tuple[str, int], list[Bar]] = {}
        if place == 0:
            return parts
        size = self._sizes[place]
        for levels in self._levels:
            for (symbol, start), short in levels[0].open.items():
                parts.setdefault((symbol, start - start % size), []).append(short)
        for symbol, start in parts:
            if start not in self._series[symbol].bars[place]:
                self._open(self._series[symbol], place, start)
        return parts

    def _forget_old(self, clock: SourceClock) -> None:
        for place, level in enumerate(self._levels[clock.number]):
            while level.over and level.over[0][0] + GRACE_MS + LATE_MS <= clock.now:
                end, symbol, start = level.over[0]
                if (place, symbol, start) in self._corrections:
                    break
                heapq.heappop(level.over)
                series = self._series[symbol]
                del series.bars[place][start]
                series.floor = max(series.floor, end)

    # Checkpoints

    def dump(self) -> BarState:
        """Return all that is known."""
        series, corrections = list(self._series.values()), list(self._corrections)
        times = self._touched, self._shown_until, self._corrected_until
        return BarState(self.whole_from, self._clocks, series, corrections, *times, self.late, self.wrong)

    def load(self, state: BarState) -> None:
        """Continue from what was known."""
        self.whole_from, self.late, self.wrong = state.whole_from, state.late, state.wrong
        self._touched, self._shown_until, self._corrected_until = state.touched, state.shown_until, state.corrected_until
        self._corrections = dict.fromkeys(state.corrections)
        for clock in state.clocks:
            self._add_clock(clock)
        over = []
        for series in state.series:
            self._series[series.symbol] = series
            for place, bars in enumerate(series.bars):
                for bar in bars.values():
                    level = self._levels[bar.clock][place]
                    if bar.final:
                        over.append((bar.clock, place, bar.end, series.symbol, bar.start))
                    else:
                        level.open[series.symbol, bar.start] = bar
                        level.first_end = min(level.first_end, bar.end)
        for clock_number, place, end, symbol, start in sorted(over):
            self._levels[clock_number][place].over.append((end, symbol, start))  # sorted, it is a heap


def prefix_of(symbol: str) -> str:
    """Return the prefix of a symbol without its dot, which begins in lower case; empty if there is none."""
    prefix, dot, _ = symbol.partition(".")
    return prefix if dot and not prefix[:1].isupper() else ""
