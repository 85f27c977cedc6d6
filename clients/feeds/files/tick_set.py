"""Several files as one: their ticks in the order of their times, over all symbols, with bounded memory.

Each file is checked before the first tick is returned. Rows of a file that are out of order are sorted where they are less than
`WINDOW` rows apart (those of Binance's public data are interleaved); a row further behind is refused. Files are opened when their
time comes. A tick that two files have, as files of overlapping days do, is returned once.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.files.reader import EmptyFile, FileOptions, TickReader
from hulak.clients.feeds.files.registry import TickPath, open_ticks

WINDOW = 2048  # rows within which a file is sorted
MAX_OPEN = 200  # files whose times overlap; each holds at most 2 * WINDOW ticks
EARLY_MS = 60_000  # a file is opened earlier than its first rows' time: a later row may have an earlier one
PAUSE = 1000  # rows
MAX_NAMED = 100  # symbols in a report
SHOWN = 5  # first ticks of each file in a description
OnError = Callable[[FeedError], None]


@dataclass(slots=True)
class FileReport:
    """The kind of one file, and the number of ticks that were read of it."""

    name: str
    form: str
    clock: str
    scale: str
    first_rows: Sequence[Tick]
    ticks: int = 0
    refused: int = 0
    left_out: int = 0  # rows of an export that are no ticks
    duplicates: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    symbols: set[str] = field(default_factory=set)  # at most `MAX_NAMED`

    def count(self, tick: Tick) -> None:
        """Count a tick that is posted."""
        self.ticks += 1
        if self.first_ms is None:
            self.first_ms = tick.timestamp
        self.last_ms = tick.timestamp
        if len(self.symbols) < MAX_NAMED:
            self.symbols.add(tick.symbol)

    def as_json(self) -> dict[str, Any]:
        """Return the report as it is printed with --json."""
        return {
            "name": self.name,
            "form": self.form,
            "clock": self.clock,
            "scale": self.scale,
            "ticks": self.ticks,
            "refused": self.refused,
            "left_out": self.left_out,
            "duplicates": self.duplicates,
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "symbols": sorted(self.symbols),
        }


@dataclass(slots=True)
class _File:
    path: TickPath
    report: FileReport
    first: Tick  # the earliest of its beginning
    begins_ms: int
    reader: TickReader | None  # of a single file, which is not opened again: it may be a pipe


class TickSet:
    """The ticks of some files, checked on construction.

    Args:
        paths: the files.
        options: the user's, about all of them.
        from_ms: ms since 1970 UTC; earlier ticks are left out.
        to_ms: likewise; ticks from there on are left out.
    Raises:
        FeedError: a file is refused; or none has ticks, or two have quotes of one symbol by several venues.
    """

    def __init__(
        self, paths: Sequence[TickPath], options: FileOptions, from_ms: int | None = None, to_ms: int | None = None
    ) -> None:
        self.from_ms, self.to_ms = from_ms, to_ms
        self.options = options
        self.first_error = ""
        self.empty: list[str] = []  # files that are right, and have no ticks
        self.recorded = False
        self._files: list[_File] = []
        origins: dict[str, tuple[str, str]] = {}
        overridden: set[str] = set()  # symbols in the names of files, which --symbol replaces
        for path in paths:
            try:
                reader = open_ticks(path, options)
            except EmptyFile as error:
                if len(paths) == 1:
                    raise
                self.empty.append(str(error))
                continue
            self._check_origin(reader, origins)
            overridden |= {reader.overridden} - {""}
            if len(overridden) > 1:
                raise FeedError(
                    f"the files are named after {' and '.join(sorted(overridden))}, and would all have the symbol "
                    f"{options.symbol}: give those of one symbol"
                )
            self._files.append(self._file(path, reader, keep=len(paths) == 1))
        if not self._files:
            raise FeedError(f"none of {len(paths)} files has ticks; {self.empty[0]}")
        self._files.sort(key=lambda file: file.begins_ms)
        self.first = self._files[0].first
        self.name = self._files[0].report.name if len(paths) == 1 else f"{len(self._files)} files"

    def _file(self, path: TickPath, reader: TickReader, *, keep: bool) -> _File:
        self.recorded |= reader.recorded
        ticks = [item for item in reader.beginning if isinstance(item, Tick)]
        report = FileReport(reader.name, reader.form, reader.clock, reader.scale, ticks[:SHOWN])
        first = ticks[0] if reader.recorded else min(ticks, key=_time)
        return _File(path, report, first, first.timestamp, reader if keep else None)

    def _check_origin(self, reader: TickReader, origins: dict[str, tuple[str, str]]) -> None:
        """Check that a symbol's files are of one venue, where they say it."""
        symbol = reader.first.symbol
        origin, name = origins.setdefault(symbol, (reader.origin, reader.name))
        if reader.origin and origin and reader.origin != origin:
            raise FeedError(
                f"{name} has quotes of {symbol} by {origin}, and {reader.name} by {reader.origin}: they would have one topic; "
                "give files of one venue, and those of another with another --prefix"
            )
        if not origin:
            origins[symbol] = (reader.origin, reader.name)

    @property
    def reports(self) -> list[FileReport]:
        """The files that have ticks, in the order of their first times."""
        return [file.report for file in self._files]

    def ticks(self, on_error: OnError | None = None) -> Iterator[Tick]:
        """Iterate over the ticks alone; otherwise as `steps`."""
        return (tick for tick in self.steps(on_error) if tick is not None)

    def steps(self, on_error: OnError | None = None) -> Iterator[Tick | None]:
        """Iterate over the ticks once, in the order of their times; an export's are in its own order.

        None comes after each `PAUSE` rows that are left out, so that the caller can do something else.

        Args:
            on_error: called with each bad row's error; the row is skipped. None raises at the first one.
        Raises:
            FeedError: a file is damaged, or more than `MAX_OPEN` files overlap.
        """
        left_out = 0
        several = len(self._files) > 1
        posted: dict[tuple[Any, ...], int] = {}  # quotes of the present ms -> how often they were returned
        read: dict[tuple[Any, ...], int] = {}  # a file's number and a quote -> how often it had it in the present ms
        now_ms = -1
        for key_ms, number, tick in self._merged(on_error):
            if self.to_ms is not None and key_ms >= self.to_ms:
                return
            report = self._files[number].report
            if several:
                if key_ms != now_ms:
                    now_ms = key_ms
                    posted.clear()
                    read.clear()
                quote = (tick.symbol, tick.bid, tick.ask, tick.timestamp)
                read[number, quote] = times = read.get((number, quote), 0) + 1
                if times <= posted.get(quote, 0):
                    report.duplicates += 1
                    continue
                posted[quote] = times
            if self._is_within(tick):
                report.count(tick)
                yield tick
            else:
                left_out += 1
                if left_out % PAUSE == 0:
                    yield None

    def _is_within(self, tick: Tick) -> bool:
        return (self.from_ms is None or tick.timestamp >= self.from_ms) and (self.to_ms is None or tick.timestamp < self.to_ms)

    def _merged(self, on_error: OnError | None) -> Iterator[tuple[int, int, Tick]]:
        """Iterate over all ticks with their order, in ms, and their file's number."""
        waiting = deque(range(len(self._files)))
        heads: list[tuple[int, int, Tick]] = []
        streams: dict[int, Iterator[tuple[int, Tick]]] = {}
        while heads or waiting:
            while waiting and (not heads or self._files[waiting[0]].begins_ms - EARLY_MS <= heads[0][0]):
                number = waiting.popleft()
                begins_ms = self._files[number].begins_ms
                if self.to_ms is not None and begins_ms - EARLY_MS >= self.to_ms:
                    waiting.clear()
                    break
                if len(streams) >= MAX_OPEN:
                    raise FeedError(
                        f"more than {MAX_OPEN} files have ticks of one time, must be at most as many: give fewer at once"
                    )
                streams[number] = self._stream(self._files[number], on_error)
                if (head := next(streams[number], None)) is not None:
                    heapq.heappush(heads, (head[0], number, head[1]))
                else:
                    del streams[number]
            if not heads:
                continue
            key_ms, number, tick = heads[0]
            yield key_ms, number, tick
            if (head := next(streams[number], None)) is not None:
                heapq.heapreplace(heads, (head[0], number, head[1]))
            else:
                heapq.heappop(heads)
                del streams[number]

    def _stream(self, file: _File, on_error: OnError | None) -> Iterator[tuple[int, Tick]]:
        report = file.report

        def refuse(error: FeedError) -> None:
            if on_error is None:
                raise error
            report.refused += 1
            self.first_error = self.first_error or str(error)
            on_error(error)

        reader = file.reader or open_ticks(file.path, self.options)
        file.reader = None
        order = _recorded if reader.recorded else in_order
        yield from order(reader.ticks(refuse), reader.name, refuse)
        report.left_out = reader.left_out


def _recorded(ticks: Iterator[Tick], name: str, refuse: OnError) -> Iterator[tuple[int, Tick]]:
    """Keep the order of an export, which is that of the topics' numbers: a late tick stays behind the one before it."""
    del name, refuse
    latest_ms = 0
    for tick in ticks:
        latest_ms = max(latest_ms, tick.timestamp)
        yield latest_ms, tick


def in_order(ticks: Iterator[Tick], name: str, refuse: OnError) -> Iterator[tuple[int, Tick]]:
    """Sort ticks by their times, where they are at most `WINDOW` rows behind.

    Args:
        ticks: of one file, in the order of its rows.
        name: the file's name.
        refuse: called with the error of a tick that is further behind; it is left out.
    """
    latest_ms = 0
    for tick in _sorted(ticks):
        if tick.timestamp < latest_ms:
            behind_ms = latest_ms - tick.timestamp
            refuse(FeedError(f"{name}: a row is {behind_ms} ms older than one that is {WINDOW} rows before it: sort the file"))
            continue
        latest_ms = tick.timestamp
        yield latest_ms, tick


def _sorted(ticks: Iterator[Tick]) -> Iterator[Tick]:
    """Sort each row among the `WINDOW` rows before and behind it."""
    held: list[Tick] = []
    while chunk := list(islice(ticks, WINDOW)):
        held += chunk
        if any(tick.timestamp > following.timestamp for tick, following in pairwise(held)):
            held.sort(key=_time)
        yield from held[:-WINDOW]
        held = held[-WINDOW:]
    yield from held


def _time(tick: Tick) -> int:
    return tick.timestamp
