"""The readers of tick files share this: the check of a file's beginning, before any tick of it is posted.

A file that is not understood with certainty is refused as a whole, and the error says what it seems to be and which option would
say more. A single bad row costs only that row.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, pairwise

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.files.zones import Zone
from hulak.clients.feeds.symbol_keys import canonical_symbol
from hulak.clients.feeds.venues.parsing import shown

CHECKED = 100  # rows that are read before the first tick is returned
LEAST = 10  # ticks of a file whose columns have names, from which their order and sides are judged
MOST = 0.9  # share of them that may be crossed, or have an ask of more than twice the bid
MAX_SYMBOLS = 10_000  # that are remembered

_PAIR = re.compile(  # a base and one of the currencies that markets quote in
    "[A-Z0-9]{2,6}(?:USDT|USDC|BUSD|USD|EUR|JPY|GBP|CHF|AUD|CAD|NZD|SEK|NOK|SGD|HKD|CNH|MXN|ZAR|TRY|BTC|ETH)"
).fullmatch
_LEAN = re.compile(r"(?:^|/)[0-9]{8}_([a-z0-9.-]{1,32})_tick_quote\.csv$").search
Item = Tick | FeedError  # a row's tick, or what is wrong with it


class MixedFile(FeedError):
    """A row that shows that the file is not one table of one venue's quotes: the rows behind it may mean anything."""


class EmptyFile(FeedError):
    """The file has no ticks and is right so, as an hour of an archive in which the market was closed."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The user's options for files; None where the files have to say it."""

    symbol: str | None = None  # of every tick; of a file that names symbols, the only one that is wanted
    form: str | None = None  # one of `file_columns.FORMATS`, for a file without a header line
    zone: Zone | None = None  # of times that have none
    day: date | None = None  # of times that count from a day's or an hour's beginning
    hour: int | None = None  # of `day`
    scale: int | None = None  # prices of Dukascopy's .bi5 are multiples of 1 / scale
    source: str = "file"  # of the ticks


def day_of(text: str) -> tuple[date, int | None]:
    """Return the day, and the hour if there is one, of a text such as 2024-01-02 or 2024-01-02T10. Raises `FeedError`."""
    day, _, hour = text.partition("T")
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d)?", text, re.ASCII) or hour > "23":
            raise ValueError(text)
        return datetime.strptime(day, "%Y-%m-%d").date(), int(hour) if hour else None  # noqa: DTZ007  # a day has no zone
    except ValueError:
        raise FeedError(f"date is {shown(text)}, must be such as 2024-01-02, or 2024-01-02T10 for an hour") from None


class TickReader(ABC):
    """The ticks of one file.

    Args:
        name: the file's name.
        options: the user's, about it.
    """

    form = ""  # the kind of file, in words
    recorded = False  # whether the ticks were exported from a bus, with their flags
    named = True  # whether names or the format say which column is which side
    overridden = ""  # the symbol in its name, if the user's is another one
    origin = ""  # whose quotes these are, where the file says it
    clock = "in the file"  # on which the file's times are written
    scale = "decimal prices"
    _checked: Sequence[Item] = ()

    def __init__(self, name: str, options: FileOptions) -> None:
        self.name = name
        self.options = options
        self.others: dict[str, int] = {}  # symbols that were not wanted -> number of their rows
        self.first_error = ""  # of a bad row that `ticks` has passed
        self.left_out = 0  # rows of an export that are no ticks

    @property
    def first(self) -> Tick:
        """The first tick."""
        return next(item for item in self._checked if isinstance(item, Tick))

    @property
    def beginning(self) -> Sequence[Item]:
        """The rows that were read for the check: ticks, and the errors of bad rows."""
        return self._checked

    def ticks(self, on_error: Callable[[FeedError], None] | None = None) -> Iterator[Tick]:
        """Iterate over the ticks; `on_error` is called with each bad row's error, None raises at the first one."""
        for item in chain(self._checked, self._parsed()):
            if isinstance(item, Tick):
                yield item
            elif on_error is None:
                raise item
            else:
                self.first_error = self.first_error or str(item)
                on_error(item)

    @abstractmethod
    def _parsed(self) -> Iterator[Item]:
        """Iterate over the rows, from where the last iteration ended."""

    def check(self) -> None:
        """Read the beginning. Raises `FeedError` if the file is refused."""
        items: list[Item] = []
        for item in self._parsed():
            items.append(item)
            if len(items) == CHECKED:
                break
        ticks = [item for item in items if isinstance(item, Tick)]
        if not ticks:
            why = self._why(items)
            raise EmptyFile(f"{self.name} has no ticks: {why}") if self.others and not items else self.refusal(why)
        if not self.recorded and (problem := self._problem(ticks)):
            raise self.refusal(problem)
        self._checked = items

    def _problem(self, ticks: list[Tick]) -> str:
        """Return why the ticks cannot be meant; empty if they can."""
        sides = [(tick.bid, tick.ask) for tick in ticks if tick.bid is not None and tick.ask is not None]
        least = LEAST if self.named else 1
        crossed = sum(bid > ask for bid, ask in sides)
        if len(sides) >= least and crossed > MOST * len(sides):
            seen = f"of its first {len(sides)} quotes {crossed} have a bid above the ask"
            if self.named:
                return f"{seen}: the sides are swapped; give the columns their right names, or the right --format"
            return f"{seen}: the columns seem to be time, ask, bid; --format dukascopy reads them in this order"
        wide = sum(0 < 2 * bid < ask for bid, ask in sides)
        if not self.named and wide > MOST * len(sides):
            return (
                f"of its first {len(sides)} quotes {wide} have an ask of more than twice the bid: they seem to be something else"
            )
        times = [tick.timestamp for tick in ticks]
        if len(times) >= LEAST and times[0] > times[-1] and all(older >= newer for older, newer in pairwise(times)):
            return "its rows begin with the newest: reverse their order (`tac FILE`)"
        return ""

    def _why(self, items: list[Item]) -> str:
        if items:
            return f"none of its first {len(items)} lines is a quote; {items[0]}"
        if self.others:
            return f"the file has no quote of {self._wanted}; its symbols are {', '.join(list(self.others)[:10])}"
        return "the file holds no quotes"

    def refusal(self, why: str) -> FeedError:
        """Return the error that refuses the file."""
        return FeedError(f"tick file {self.name} is refused: {why}")

    @property
    def _wanted(self) -> str | None:
        return None if self.options.symbol is None else canonical_symbol(self.options.symbol)

    def _is_wanted(self, symbol: str) -> bool:
        """Return whether a symbol is wanted, and count one that is not."""
        wanted = self._wanted
        if wanted is None or symbol == wanted:
            return True
        if symbol in self.others or len(self.others) < CHECKED:
            self.others[symbol] = self.others.get(symbol, 0) + 1
        return False


def symbol_in(name: str) -> str:
    """Return the canonical symbol of the pair in a file's name, e.g. of `lean_oanda_eurusd_20140508_ticks.csv`.

    LEAN's names have it in one place, also if it is no pair: `20240102_spy_tick_quote.csv`.

    Raises:
        FeedError: it holds none, or several.
    """
    if (lean := _LEAN(name.lower())) is not None:
        return canonical_symbol(lean[1])
    pairs = {part for part in re.split(r"[^A-Z0-9]+", name.upper()) if _PAIR(part)}
    if len(pairs) != 1:
        seen = f"names several pairs, {', '.join(sorted(pairs))}" if pairs else "names no pair"
        raise FeedError(f"the file name {shown(name)} {seen}: give the symbol with --symbol")
    return canonical_symbol(pairs.pop())
