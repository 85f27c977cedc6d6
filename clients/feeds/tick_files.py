"""Ticks out of text files: the columns are determined from the first lines before any tick is returned; then line by line.

A file that is not understood with certainty is refused as a whole, and the error says what it seems to be: columns by
`clients.feeds.file_columns`, times by `file_times`, rows by `file_rows`, kinds of files by `file_lines`. A single bad line costs
only that line.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import FLAGS, Tick
from hulak.clients.feeds.file_columns import FORMATS, ColumnLayout, by_format, by_names, by_row, is_header
from hulak.clients.feeds.file_lines import open_lines
from hulak.clients.feeds.file_rows import Split, split_of
from hulak.clients.feeds.file_times import Clock, clock_of, may_be_days, midnight_of
from hulak.clients.feeds.symbol_keys import SymbolKeys, canonical_symbol
from hulak.clients.feeds.venues.dialect import Sides
from hulak.clients.feeds.venues.parsing import price_of, shown

CHECKED = 100  # lines that are read before the first tick is returned
SWAPPED_OF, SWAPPED = 10, 0.9  # minimum of ticks, and share of them that is crossed: the sides are swapped
UNDEFINED = {"9223372036854775807", "18446744073709551615"}  # Databento's missing price and missing time
MAX_SYMBOLS = 10_000  # whose venue is remembered
_FIXED = re.compile("-?[0-9]{1,19}").fullmatch
_TOPIC = re.compile(r"tick\.([A-Za-z0-9._-]{0,105}[A-Za-z0-9_-])").fullmatch  # leaves room for a prefix before it

_PAIR = re.compile(  # a base and one of the currencies that markets quote in
    "[A-Z0-9]{2,6}(?:USDT|USDC|BUSD|USD|EUR|JPY|GBP|CHF|AUD|CAD|NZD|SEK|NOK|SGD|HKD|CNH|MXN|ZAR|TRY|BTC|ETH)"
).fullmatch


class MixedFile(FeedError):
    """A line that shows that the file is not one table of one venue's quotes: the lines behind it may mean anything."""


def read_ticks(
    path: Path, *, on_error: Callable[[FeedError], None] | None = None, **options: "str | date | float | None"
) -> Iterator[Tick]:
    """Read the ticks of one file lazily, in the order of its lines, in constant memory; see `TickLines`.

    Args:
        path: the file, plain, .gz, or a .zip of one file.
        on_error: called with each bad line's error; the line is skipped. None raises at the first one.
        options: of `TickLines`.
    Raises:
        FeedError: as `open_ticks` and `TickLines`; or a bad line and no `on_error`. The text names file and line.
    """
    yield from open_ticks(path, **options).ticks(on_error)


def open_ticks(path: Path, **options: "str | date | float | None") -> "TickLines":
    """Open a tick file and check it. Raises `FeedError`."""
    name, lines = open_lines(path)
    return TickLines(lines, name, **options)  # type: ignore[arg-type]


def parse_lines(
    lines: Iterable[str],
    name: str,
    *,
    on_error: Callable[[FeedError], None] | None = None,
    **options: "str | date | float | None",
) -> Iterator[Tick]:
    """Turn the lines of a tick file into ticks; `read_ticks` without the file."""
    yield from TickLines(lines, name, **options).ticks(on_error)  # type: ignore[arg-type]


class TickLines:
    """The lines of one tick file, checked on construction.

    Args:
        lines: with or without line ends; empty ones are skipped.
        name: the file's name, which may hold symbol, date and broker.
        symbol: of every tick; where a column names symbols, only its ticks are returned. None takes the column, else the pair in
            the file's name.
        day: of ms since midnight; None takes the 8-digit date in the file's name.
        clock_h: hours ahead of UTC of ms since midnight; None means `CLOCKS_H` for a broker named in the name, else 0.
        source: source of the ticks, if the file does not name it.
        form: one of `FORMATS`, for a file without a header line.
    Raises:
        FeedError: the file is refused: its form is unknown or holds no quotes, or its symbol is unknown.
    """

    def __init__(
        self,
        lines: Iterable[str],
        name: str,
        *,
        symbol: str | None = None,
        day: date | None = None,
        clock_h: float | None = None,
        source: str = "file",
        form: str | None = None,
    ) -> None:
        self.name = name
        self.source = source
        self.others: dict[str, int] = {}  # symbols that were not wanted -> number of their lines
        self.first_error = ""  # of a bad line that `ticks` has passed
        self._midnight = lambda: midnight_of(name, day, clock_h)
        self._clock: Clock | None = None
        self._names, self._sides = SymbolKeys(), Sides()
        self._venues: dict[str, str] = {}  # symbol -> whose quotes the file has
        self._lines: Iterator[tuple[int, str]] = enumerate(lines, 1)
        try:
            self.layout, self._split, first = self._begin(form)
            self._wanted = canonical_symbol(symbol) if symbol is not None else None
            self._symbol = self._wanted or ("" if self.layout.symbol is not None else symbol_in(name))
        except FeedError as error:
            raise self._refusal(str(error)) from error
        self._lines = chain(first, self._lines)
        self._checked = self._check()

    @property
    def first(self) -> Tick:
        """The first tick."""
        return next(item for item in self._checked if isinstance(item, Tick))

    @property
    def recorded(self) -> bool:
        """Whether the ticks were exported from a bus, with their flags."""
        return self.layout.recorded

    def ticks(self, on_error: Callable[[FeedError], None] | None = None) -> Iterator[Tick]:
        """Iterate over the ticks; `on_error` is called with each bad line's error, None raises at the first one."""
        for item in chain(self._checked, self._parsed()):
            if isinstance(item, Tick):
                yield item
            elif on_error is None:
                raise item
            else:
                self.first_error = self.first_error or str(item)
                on_error(item)

    def _begin(self, form: str | None) -> "tuple[ColumnLayout, Split, list[tuple[int, str]]]":
        """Read the first line; returns the layout, the function that splits lines, and the line if it is a quote."""
        number, line = next(((number, line) for number, line in self._lines if line.strip()), (0, ""))
        if not number:
            raise FeedError("the file holds no lines")
        split, fields, objects = split_of(line)
        if objects or is_header(fields):
            if form is not None:
                raise FeedError(f"its first line names its columns, {shown(line.strip())}: omit --format {form}")
            return by_names(fields), split, [(number, line)] if objects else []
        return by_row(fields) if form is None else by_format(form), split, [(number, line)]

    def _check(self) -> list[Tick | FeedError]:
        items: list[Tick | FeedError] = []
        for item in self._parsed():
            items.append(item)
            if len(items) == CHECKED:
                break
        ticks = [item for item in items if isinstance(item, Tick)]
        if not ticks:
            raise self._refusal(self._why(items))
        if may_be_days(self._clock, [tick.timestamp for tick in ticks]):
            raise self._refusal("its times are dates without a time of day, or ms of a day: write full timestamps")
        crossed = sum(tick.bid is not None and tick.ask is not None and tick.bid > tick.ask for tick in ticks)
        if not self.layout.named and len(ticks) >= SWAPPED_OF and crossed > SWAPPED * len(ticks):
            swapped = (
                f"of its first {len(ticks)} quotes {crossed} have a bid above the ask: the columns seem to be time, ask, bid"
            )
            raise self._refusal(f"{swapped}; --format dukascopy reads them in this order")
        return items

    def _why(self, items: list[Tick | FeedError]) -> str:
        if items:
            return f"none of its first {len(items)} lines is a quote; {items[0]}"
        if self.others:
            return f"the file has no quote of {self._wanted}; its symbols are {', '.join(list(self.others)[:10])}"
        return "the file holds no quotes"

    def _refusal(self, why: str) -> FeedError:
        return FeedError(f"tick file {self.name} is refused: {why}")

    def _parsed(self) -> Iterator[Tick | FeedError]:
        for number, line in self._lines:
            if not (text := line.strip("\r\n")).strip():
                continue
            fields: list[str] = []
            try:
                fields = self._split(text)
                tick = self._tick(fields)
            except MixedFile as error:
                raise self._refusal(f"line {number}: {error}") from error
            except FeedError as error:
                if not self._is_header_again(number, fields):
                    yield FeedError(f"{self.name} line {number}: {error}")
            else:
                if tick is not None:
                    yield tick

    def _is_header_again(self, number: int, fields: list[str]) -> bool:
        """Return whether a line is the header line once more, as in files that were joined.

        Raises:
            FeedError: it is a header line, but of other columns.
        """
        try:
            layout = by_names(fields)
        except FeedError:
            return False
        if replace(layout, named=self.layout.named) != self.layout:
            raise self._refusal(f"line {number} names columns unlike the first line, {shown(','.join(fields))}: split the file")
        return True

    def _tick(self, fields: list[str]) -> Tick | None:
        """Make the tick of a line; None for a symbol that is not wanted, or while a side is still unknown."""
        layout = self.layout
        if len(fields) < layout.width:
            raise FeedError(f"{len(fields)} columns in {shown(','.join(fields))}, must be at least {layout.width}")
        if len(fields) > layout.most and any(fields[layout.most :]):  # a comma in a number makes two of it
            raise FeedError(f"{len(fields)} columns in {shown(','.join(fields))}, must be at most {layout.most}")
        symbol = self._symbol if layout.symbol is None else self._symbol_of(fields[layout.symbol])
        if not symbol:
            return None
        if layout.venue is not None:
            self._check_venue(symbol, fields[layout.venue] if layout.venue < len(fields) else "")
        time_ms = self._time(fields)
        bid, ask = self._price(fields[layout.bid], "bid"), self._price(fields[layout.ask], "ask")
        if layout.recorded:
            return self._recorded(symbol, bid, ask, time_ms, fields)
        if layout.carried:
            ticks = self._sides.quote(symbol, bid, ask, time_ms, self.source)
            return next((tick for tick in ticks if isinstance(tick, Tick)), None)
        if not bid and not ask:
            raise FeedError(
                f"bid is {shown(fields[layout.bid])} and ask {shown(fields[layout.ask])}, one of them must be a price"
            )
        return Tick(symbol, bid or None, ask or None, time_ms, self.source)

    def _symbol_of(self, text: str) -> str:
        """Return the key of a line's symbol, empty if that is not wanted."""
        if self.layout.recorded:
            topic = _TOPIC(text)
            if topic is None:
                raise FeedError(f"topic is {shown(text)}, must be tick.SYMBOL, the symbol 1 to 106 characters")
            symbol = topic[1]
        else:
            symbol = self._names.of(text)
        if self._wanted is None or symbol == self._wanted:
            return symbol
        if symbol in self.others or len(self.others) < CHECKED:
            self.others[symbol] = self.others.get(symbol, 0) + 1
        return ""

    def _check_venue(self, symbol: str, venue: str) -> None:
        """Check that all quotes of a symbol are of one venue: they have one topic. Raises `MixedFile`."""
        other = self._venues.setdefault(symbol, venue)
        if other != venue:
            raise MixedFile(
                f"it is a quote of {symbol} by {shown(venue)}, and the lines before it have those by {shown(other)}: "
                "give a file of one venue's quotes"
            )
        if len(self._venues) > MAX_SYMBOLS:
            del self._venues[next(iter(self._venues))]

    def _time(self, fields: list[str]) -> int:
        layout = self.layout
        values = (fields[at] for at in layout.times if at < len(fields))
        text = next((value for value in values if value and value not in UNDEFINED), "")
        if layout.day_time is not None:
            text = f"{text}T{fields[layout.day_time]}"  # not a blank, which HistData has between its digits
        clock = self._clock
        if clock is None:
            clock = clock_of(text, self._midnight)
            if clock is None:
                raise FeedError(f"time is {shown(text)}, of an unknown form")
            self._clock = clock
        try:
            return clock(text)
        except ValueError:
            raise FeedError(f"time is {shown(text)}, not of the form of the lines before it") from None

    def _price(self, text: str, name: str) -> float | None:
        if text == "" or text in UNDEFINED:
            if self.layout.named:
                return None
            raise FeedError(f"{name} is {shown(text)}, must be a finite number")
        if self.layout.fixed and _FIXED(text):
            return int(text) / 10**9
        return price_of(text, name)

    def _recorded(self, symbol: str, bid: float | None, ask: float | None, time_ms: int, fields: list[str]) -> Tick:
        layout = self.layout
        text, source, received = (
            fields[at] if at is not None and at < len(fields) else "" for at in (layout.flags, layout.source, layout.received)
        )
        if received and not (received.isascii() and received.isdigit() and len(received) < 20):
            raise FeedError(f"received_ns is {shown(received)}, must be ns since 1970 UTC")
        flags = tuple(text.split())
        if bid is None and ask is None and "empty" not in flags:
            raise FeedError("it has neither bid nor ask: not a quote, but a tick of another kind")
        if not set(flags) <= set(FLAGS):
            raise FeedError(f"flags are {shown(text)}, must be of {', '.join(FLAGS)}")
        return Tick(symbol, bid, ask, time_ms, source or self.source, flags, int(received or 0))


def symbol_in(name: str) -> str:
    """Return the canonical symbol of the pair in a file's name, e.g. of `lean_oanda_eurusd_20140508_ticks.csv`.

    Raises:
        FeedError: it holds none, or several.
    """
    pairs = {part for part in re.split(r"[^A-Z0-9]+", name.upper()) if _PAIR(part)}
    if len(pairs) != 1:
        seen = f"names several pairs, {', '.join(sorted(pairs))}" if pairs else "names no pair"
        raise FeedError(f"the file name {shown(name)} {seen}: give the symbol with --symbol")
    return canonical_symbol(pairs.pop())


__all__ = ["CHECKED", "FORMATS", "TickLines", "open_ticks", "parse_lines", "read_ticks", "symbol_in"]
