"""Which column of a tick file is what: by the names in its first line, or by a format that was named. Pure.

Columns are found by their names and nothing else: makers write the ask first (Dukascopy, Tardis), sizes in between (Binance,
LEAN), or times in several columns. Columns beyond the ones that a quote needs are not read, whatever they are called.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bus.errors import FeedError
from clients.feeds.file_times import is_time
from clients.feeds.venues.parsing import shown

BID = ("bid", "bidprice", "bestbid", "bestbidprice", "bidpx", "bidpx00", "bestbidpx")
ASK = ("ask", "askprice", "bestask", "bestaskprice", "askpx", "askpx00", "bestaskpx", "offer", "offerprice")
# The venue's clock, the best one first; then the clocks of those who wrote it down, taken where the venue's is empty.
TIMES = (
    *("transactiontime", "eventtime", "timestamp", "timestampms", "timestampus", "timestampns", "tsevent", "tseventns"),
    *("siptimestamp", "participanttimestamp", "exchangetimestamp", "exchangetime", "datetime", "gmttime", "utctime", "localtime"),
    *("time", "timeutc", "timems", "ts", "tsms", "tsrecv", "tsinit", "localtimestamp", "receipttimestamp", "timens"),
)
SYMBOL = ("symbol", "ticker", "instrument", "pair", "productid", "topic")
BARS = {"open", "high", "low", "close", "adjclose", "bidopen", "bidhigh", "askopen", "askhigh", "openbid", "openask"}
TRADES = {"price", "last", "lastprice", "tradeprice", "side", "tradeid", "aggressorside"}
BOOK = {"levels", "bids", "asks", "level", "depth", "updatetype", "ordertype", "orderid", "action"}

# What `hulak journal export` writes; as JSON it has more.
EXPORTED = ("time_ns", "topic", "sequence", "timestamp", "received_ns", "bid", "ask", "flags", "source")

FORMATS: dict[str, tuple[str, ...]] = {  # of files without names in the first line: what their columns would be called
    "plain": ("time", "bid", "ask"),
    "histdata": ("time", "bid", "ask", "volume"),
    "dukascopy": ("time", "ask", "bid", "askvolume", "bidvolume"),
    "truefx": ("pair", "time", "bid", "ask"),
    "mt5": ("<date>", "<time>", "<bid>", "<ask>", "<last>", "<volume>", "<flags>"),
    "lean-crypto": ("time", "bid", "bidsize", "ask", "asksize"),
    "binance": ("updateid", "bestbidprice", "bestbidqty", "bestaskprice", "bestaskqty", "transactiontime", "eventtime"),
}
WANTED = (
    f"wanted are names in the first line (time, bid, ask), or the three columns time,bid,ask, or --format {'|'.join(FORMATS)}"
)


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Where a file's columns are, counted from 0."""

    bid: int
    ask: int
    times: tuple[int, ...]  # the first that is filled
    width: int  # columns that a line must have
    named: bool = True  # by a line of names, or by a format
    day_time: int | None = None  # MetaTrader: the time of day, which belongs to the date in the first of `times`
    symbol: int | None = None
    received: int | None = None
    source: int | None = None
    flags: int | None = None
    carried: bool = False  # MetaTrader: a side that is empty is as it was
    fixed: bool = False  # Databento: prices without a point are multiples of 1e-9
    recorded: bool = False  # `hulak journal export` wrote it: topics, flags, and no side that is 0


def is_header(fields: Sequence[str]) -> bool:
    """Tell whether a line's fields are names: each has a letter, and none is a time."""
    return all(any(one.isalpha() for one in field) and not is_time(field) for field in fields if field) and any(fields)


def by_names(names: Sequence[str]) -> ColumnLayout:
    """Find the columns by their names, in any spelling: `askPrice`, `best_ask_price`, `<ASK>`.

    Raises:
        FeedError: not all of time, bid and ask are there, or one of them twice; the text says what the file seems to be.
    """
    words = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    recorded = {"timens", "topic", "sequence"} <= set(words)
    bid, ask, symbol = _one(words, BID, names), _one(words, ASK, names), _one(words, SYMBOL, names)
    day_time = words.index("time") if {"date", "time"} <= set(words) else None
    times = [words.index("date")] if day_time is not None else [words.index(one) for one in TIMES if one in words]
    if bid is None or ask is None or not times:
        missing = [what for what, at in (("time", times), ("bid", bid), ("ask", ask)) if at in (None, [])]
        what = _kind_of(set(words)) or f"no {' and no '.join(missing)}; {WANTED}"
        raise FeedError(f"its columns are {_listed(names)}: {what}")
    return ColumnLayout(
        bid,
        ask,
        tuple(times),
        1 + max(bid, ask, times[0], day_time or 0, symbol or 0),
        day_time=day_time,
        symbol=symbol,
        received=words.index("receivedns") if recorded and "receivedns" in words else None,
        source=words.index("source") if recorded and "source" in words else None,
        flags=words.index("flags") if recorded and "flags" in words else None,
        carried=day_time is not None,
        fixed="px" in words[bid],
        recorded=recorded,
    )


def by_format(name: str) -> ColumnLayout:
    """Give the columns of a named format.

    Raises:
        FeedError: there is no such format.
    """
    if name not in FORMATS:
        raise FeedError(f"format is {shown(name)}, must be one of {', '.join(FORMATS)}")
    return by_names(FORMATS[name])


def by_row(fields: Sequence[str]) -> ColumnLayout:
    """Find the columns of a file without names, where they cannot be mistaken.

    Raises:
        FeedError: they can; the text says what the file seems to be.
    """
    if len(fields) == 4 and re.fullmatch(r"[0-9]{8} [0-9]{9}", fields[0]):
        return by_format("histdata")
    if len(fields) == 4 and re.fullmatch(r"[A-Z]{3}/[A-Z]{3}", fields[0]) and is_time(fields[1]):
        return by_format("truefx")
    if len(fields) == 3 and not _looks_like(fields):
        return ColumnLayout(1, 2, (0,), 3, named=False)
    what = _looks_like(fields) or f"{len(fields)} columns without names, of which nobody says what they are; {WANTED}"
    raise FeedError(f"it begins with {shown(','.join(fields))}: {what}")


def _one(words: Sequence[str], known: Sequence[str], names: Sequence[str]) -> int | None:
    """Find the one column that has one of these names; None if there is none."""
    found = [at for at, word in enumerate(words) if word in known]
    if len(found) > 1:
        several = " and ".join(repr(names[at]) for at in found[:4])
        raise FeedError(f"its columns are {_listed(names)}: {several} mean the same; leave one of them")
    return found[0] if found else None


def _kind_of(words: set[str]) -> str:
    if len(words & BARS) >= 2:
        return "bars (open, high, low, close), not quotes"
    if words & BOOK:
        return "messages of an order book, not quotes"
    return "trades, not quotes" if words & TRADES else ""


_BY_SIGHT = (  # patterns of the first fields, joined by commas; and what such a line is
    (r"\d{4}\.\d\d\.\d\d,\d\d:\d\d(,[\d.]+){5,}", "bars of MetaTrader (date, time, open, high, low, close), not quotes"),
    (r"\d{4}\.\d\d\.\d\d,\d\d:\d\d:\d\d(\.\d+)?,.*", "MetaTrader's ticks without names: --format mt5"),
    (r"\d{8} \d{6},[\d.]+,\d+", "ticks of one price (NinjaTrader: time, price, volume), not quotes"),
    (r"\d{8} \d{6}(,[\d.]+){5}", "bars of a minute (HistData: open, high, low, close), not quotes"),
    (r"(19|20)\d{6},\d{4,6}(,[\d.]+){4,}", "bars (date, time, open, high, low, close), not quotes"),
    (r"(\d{8}|\d{4}-\d\d-\d\d)(,[\d.]+){4,}", "bars of days (date, open, high, low, close), not quotes"),
    (r"\d{1,5}\.\d{6,9},\d,\d+,\d+,\d+,-?1", "messages of an order book (LOBSTER), not quotes"),
    (r"\d{6,}(,\d+,\d+,\d+)+", "an order book without times (LOBSTER: ask, size, bid, size), not quotes"),
    (r"\d{1,8},\d+,\d+,\d+,\d+,[A-Z]*,.*", "LEAN's quotes of equities or options (prices times 10000, New York time)"),
    (r"\d{1,8},[\d.]+,[\d.]+,[A-Z]*,\d*,\d", "LEAN's trades, not quotes"),
    (r"\d{1,8},[\d.]+,[\d.]+,[\d.]+,[\d.]+", "LEAN's quotes of crypto-currencies: --format lean-crypto"),
    (r"\d{13},[\d.]+,[\d.]+,[\d.]+,[\d.]+", "five columns, as Dukascopy's (time, ask, bid, volumes): --format dukascopy"),
    (r"[\d: .]+,[\d.]+,[\d.]+,[\d.]+,[\d.]+", "five columns, as Tickstory's (time, ask, bid, volumes): --format dukascopy"),
    (r"\d{10,19},\d{10,19}(,\d+){3}.*", "Databento's columns without their names"),
)


def _looks_like(fields: Sequence[str]) -> str:
    line = ",".join(fields[:12])[:400]
    return next((what for pattern, what in _BY_SIGHT if re.fullmatch(pattern, line)), "")


def _listed(names: Sequence[str]) -> str:
    told = ", ".join(name[:24] for name in names[:12])
    return shown(told) if not told.isprintable() else f"{told[:200]}{', ...' if len(names) > 12 else ''}"
