"""Ticks out of text files: the columns are determined from the first lines before any tick is returned; then line by line.

Columns are found by `clients.feeds.file_columns`, times by `file_times`, rows by `file_rows`; `files.reader` has what is
common to all kinds of files.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import FLAGS, Tick
from hulak.clients.feeds.file_columns import FORMATS, ColumnLayout, by_format, by_names, by_row, is_header
from hulak.clients.feeds.file_rows import Split, split_of
from hulak.clients.feeds.file_times import MARKETS, Clock, clock_of, has_clock, may_be_days, midnight_of, words_of
from hulak.clients.feeds.files.reader import MAX_SYMBOLS, FileOptions, Item, MixedFile, TickReader, symbol_in
from hulak.clients.feeds.files.zones import Zone
from hulak.clients.feeds.symbol_keys import SymbolKeys
from hulak.clients.feeds.venues.dialect import Sides
from hulak.clients.feeds.venues.parsing import price_of, shown

UNDEFINED = {"9223372036854775807", "18446744073709551615"}  # Databento's missing price and missing time
_FIXED = re.compile("-?[0-9]{1,19}").fullmatch
_TOPIC = re.compile(r"tick\.([A-Za-z0-9._-]{0,105}[A-Za-z0-9_-])").fullmatch  # leaves room for a prefix before it
_OTHER_TOPIC = re.compile(r"(?:trade|market)\.[A-Za-z0-9._-]{1,110}").fullmatch


def parse_lines(
    lines: Iterable[str], name: str, *, on_error: Callable[[FeedError], None] | None = None, **options: Any
) -> Iterator[Tick]:
    """Turn the lines of a tick file into ticks.

    Args:
        lines: see `TickLines`.
        name: likewise.
        on_error: called with each bad line's error; None raises at the first one.
        options: of `FileOptions`.
    """
    yield from TickLines(lines, name, options=FileOptions(**options)).ticks(on_error)


class TickLines(TickReader):
    """The lines of one tick file, checked on construction.

    Args:
        lines: with or without line ends; empty ones are skipped.
        name: the file's name, which may hold symbol, date and broker.
        path: its path, which may name the market.
        options: the user's, about it.
    Raises:
        FeedError: the file is refused: its form is unknown or holds no quotes, or its symbol or its clock is unknown.
    """

    def __init__(self, lines: Iterable[str], name: str, path: str = "", options: FileOptions = FileOptions()) -> None:  # noqa: B008  # it is frozen
        super().__init__(name, options)
        self.source = options.source
        self._path = path
        self._clock: Clock | None = None
        self._names, self._sides = SymbolKeys(), Sides()
        self._venues: dict[str, str] = {}  # symbol -> whose quotes the file has
        self._lines: Iterator[tuple[int, str]] = enumerate(lines, 1)
        try:
            self.layout, self._split, first = self._begin(options.form)
            self._only = self._wanted
            self._symbol = self._only or ("" if self.layout.symbol is not None else symbol_in(name))
            if self._only is not None and self.layout.symbol is None:
                self.overridden = _pair_in(name)
        except FeedError as error:
            raise self.refusal(str(error)) from error
        self.named, self.recorded = self.layout.named, self.layout.recorded
        self.form = "an export of the journal" if self.recorded else self.layout.form
        if self.layout.units:
            self.scale = f"1/{self.layout.units}"
        self._zone = self.layout.zone or options.zone or self.layout.usual_zone
        self._lines = chain(first, self._lines)
        self.check()
        words = words_of(f"{path}/{name}")
        self.origin = next(iter(self._venues.values()), "") or next((market for market in MARKETS if market in words), "")

    def _midnight(self) -> tuple[int, Zone]:
        return midnight_of(self.name, self._path, self.options.day, self._zone)

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
        layout = by_row(fields, words_of(f"{self._path}/{self.name}"), words_of(self.name)) if form is None else by_format(form)
        return layout, split, [(number, line)]

    def _problem(self, ticks: list[Tick]) -> str:
        if may_be_days(self._clock, [tick.timestamp for tick in ticks]):
            return "its times are dates without a time of day, or ms of a day: write full timestamps"
        return super()._problem(ticks)

    def _parsed(self) -> Iterator[Item]:
        for number, line in self._lines:
            if not (text := line.strip("\r\n")).strip():
                continue
            fields: list[str] = []
            try:
                fields = self._split(text)
                tick = self._tick(fields)
            except MixedFile as error:
                raise self.refusal(f"line {number}: {error}") from error
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
        known = self.layout
        if replace(layout, named=known.named, form=known.form, zone=known.zone) != known:
            raise self.refusal(f"line {number} names columns unlike the first line, {shown(','.join(fields))}: split the file")
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
        if layout.suspicious is not None and fields[layout.suspicious] not in {"0", ""}:
            raise FeedError(f"its maker marks {shown(','.join(fields))} as suspicious")
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
                if _OTHER_TOPIC(text):
                    self.left_out += 1
                    return ""
                raise FeedError(f"topic is {shown(text)}, must be tick.SYMBOL, the symbol 1 to 106 characters")
            symbol = topic[1]
        else:
            symbol = self._names.of(text)
        return symbol if self._only is None or self._is_wanted(symbol) else ""

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
            clock = clock_of(text, self._midnight, self._zone)
            if clock is None:
                raise FeedError(f"time is {shown(text)}, of an unknown form")
            self._clock = clock
            zone = clock.args[-1] if isinstance(clock, partial) else None
            if zone is not None and not has_clock(text):
                self.clock = zone.name
        try:
            return clock(text)
        except ValueError:
            raise FeedError(f"time is {shown(text)}, not of the form of the lines before it") from None

    def _price(self, text: str, name: str) -> float | None:
        if text == "" or text in UNDEFINED:
            if self.layout.named:
                return None
            raise FeedError(f"{name} is {shown(text)}, must be a finite number")
        layout = self.layout
        if layout.units and _FIXED(text):
            return int(text) / layout.units
        if layout.whole:
            raise FeedError(f"{name} is {shown(text)}, must be a whole multiple of 1/{layout.units}")
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


def _pair_in(name: str) -> str:
    try:
        return symbol_in(name)
    except FeedError:
        return ""


__all__ = ["FORMATS", "TickLines", "parse_lines"]
