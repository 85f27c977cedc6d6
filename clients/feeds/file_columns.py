"""The columns of a tick file: found by the names in its first line, or given by a named format. Pure.

Columns are found by name only: some makers write the ask first (Dukascopy, Tardis), sizes in between (Binance, LEAN), or times in
several columns. Columns that a quote does not need are not read.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from hulak.bus.errors import FeedError
from hulak.clients.feeds.file_times import is_time
from hulak.clients.feeds.files.zones import UTC, Zone, zone_of
from hulak.clients.feeds.venues.parsing import shown

BID = ("bid", "bidprice", "bestbid", "bestbidprice", "bidpx", "bidpx00", "bestbidpx")
ASK = ("ask", "askprice", "bestask", "bestaskprice", "askpx", "askpx00", "bestaskpx", "offer", "offerprice")
# The venue's clock, the best column first; then the recorder's clocks, used where the venue's is empty.
TIMES = (
    *("transactiontime", "eventtime", "timestamp", "timestampms", "timestampus", "timestampns", "tsevent", "tseventns"),
    *("siptimestamp", "participanttimestamp", "exchangetimestamp", "exchangetime", "datetime", "gmttime", "utctime", "localtime"),
    *("time", "timeutc", "timems", "ts", "tsms", "tsrecv", "tsinit", "localtimestamp", "receipttimestamp", "timens"),
)
SYMBOL = ("symbol", "ticker", "instrument", "pair", "productid", "topic")
VENUE = ("exchange", "venue", "exchangename")
QUOTE = frozenset((*BID, *ASK, *SYMBOL, *VENUE))  # columns that are in all lines or in none
BARS = {"open", "high", "low", "close", "adjclose", "bidopen", "bidhigh", "askopen", "askhigh", "openbid", "openask"}
TRADES = {"price", "last", "lastprice", "tradeprice", "side", "tradeid", "aggressorside"}
AGREED_UTC = {"gmttime", "utctime", "timeutc"}  # names of time columns that say their clock
BOOK = {"levels", "bids", "asks", "level", "depth", "updatetype", "ordertype", "orderid", "action"}

# The columns of `hulak journal export`; its JSON has more fields.
EXPORTED = ("time_ns", "topic", "sequence", "timestamp", "received_ns", "bid", "ask", "flags", "source")

FORMATS: dict[str, tuple[str, ...]] = {  # column names of files without a header line
    "plain": ("time", "bid", "ask"),
    "histdata": ("time", "bid", "ask", "volume"),
    "dukascopy": ("time", "ask", "bid", "askvolume", "bidvolume"),
    "truefx": ("pair", "time", "bid", "ask"),
    "mt5": ("<date>", "<time>", "<bid>", "<ask>", "<last>", "<volume>", "<flags>"),
    "lean-crypto": ("time", "bid", "bidsize", "ask", "asksize"),
    "lean-equity": ("time", "bid", "bidsize", "ask", "asksize", "market", "condition", "suspicious"),
    "lean-option": ("time", "bid", "bidsize", "ask", "asksize", "market", "suspicious"),
    "binance": ("updateid", "bestbidprice", "bestbidqty", "bestaskprice", "bestaskqty", "transactiontime", "eventtime"),
}
LEAN_UNITS = 10_000  # of its prices of equities and options
DATABENTO_UNITS = 10**9
WANTED = (
    "expected column names in the first line (time, bid, ask), or the three columns time,bid,ask, or "
    f"--format {'|'.join(FORMATS)}"
)


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Where a file's columns are, counted from 0."""

    bid: int
    ask: int
    times: tuple[int, ...]  # the first non-empty one counts
    width: int  # minimum number of columns of a line
    most: int  # maximum, without empty ones at the end
    named: bool = True  # by a header line, or by a format
    day_time: int | None = None  # MetaTrader: the time of day, which belongs to the date in the first of `times`
    symbol: int | None = None
    venue: int | None = None  # whose quote it is, where a file has those of several
    received: int | None = None
    source: int | None = None
    flags: int | None = None
    carried: bool = False  # MetaTrader: an empty side is unchanged
    units: int = 0  # prices without a decimal point are multiples of 1 / units; 0: they are decimal numbers
    whole: bool = False  # LEAN: prices with a decimal point are wrong
    suspicious: int | None = None  # LEAN: 1 where its maker doubts the quote
    zone: Zone | None = None  # the clock of times that do not say it, which their column says
    usual_zone: Zone | None = None  # likewise, where only its maker is known
    form: str = "columns by name"  # the kind of file, in words
    recorded: bool = False  # `hulak journal export` wrote it: topics, flags, and sides of 0 are prices


def is_header(fields: Sequence[str]) -> bool:
    """Return whether a line's fields are column names: each has a letter, and none is a time."""
    return all(any(char.isalpha() for char in field) and not is_time(field) for field in fields if field) and any(fields)


def by_names(names: Sequence[str]) -> ColumnLayout:
    """Find the columns by their names, in any spelling: `askPrice`, `best_ask_price`, `<ASK>`.

    Raises:
        FeedError: time, bid or ask is missing, or present twice; the text says what the file seems to be.
    """
    words = [word_of(name) for name in names]
    recorded = {"timens", "topic", "sequence"} <= set(words)
    bid, ask, symbol = _index_of(words, BID, names), _index_of(words, ASK, names), _index_of(words, SYMBOL, names)
    venue = next((words.index(word) for word in VENUE if word in words), None)
    day_time = words.index("time") if {"date", "time"} <= set(words) else None
    times = [words.index("date")] if day_time is not None else [words.index(word) for word in TIMES if word in words]
    if agreed := [at for at in times if words[at] in AGREED_UTC]:
        times = agreed  # the others may be of another clock
    if bid is None or ask is None or not times:
        missing = [name for name, at in (("time", times), ("bid", bid), ("ask", ask)) if at in (None, [])]
        problem = _kind_of(set(words)) or f"no {' and no '.join(missing)}; {WANTED}"
        raise FeedError(f"its columns are {_listed(names)}: {problem}")
    return ColumnLayout(
        bid,
        ask,
        tuple(times),
        1 + max(bid, ask, times[0], day_time or 0, symbol or 0),
        len(names),
        day_time=day_time,
        symbol=symbol,
        venue=None if recorded else venue,
        received=words.index("receivedns") if recorded and "receivedns" in words else None,
        source=words.index("source") if recorded and "source" in words else None,
        flags=words.index("flags") if recorded and "flags" in words else None,
        carried=(carried := day_time is not None and names[bid].startswith("<")),
        form="MetaTrader 5 ticks" if carried else "columns by name",
        units=DATABENTO_UNITS if words[bid] == "bidpx00" else 0,
        zone=UTC if agreed else None,
        recorded=recorded,
    )


def word_of(name: str) -> str:
    """Return a column's name without its spelling: `Bid Price`, `bidPrice` and `<BID_PRICE>` are the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def by_format(name: str) -> ColumnLayout:
    """Return the columns of a named format.

    Raises:
        FeedError: the format is unknown.
    """
    if name not in FORMATS:
        raise FeedError(f"format is {shown(name)}, must be one of {', '.join(FORMATS)}")
    layout = replace(by_names(FORMATS[name]), form=name)
    if name in {"lean-equity", "lean-option"}:
        width = len(FORMATS[name])
        layout = replace(layout, units=LEAN_UNITS, whole=True, suspicious=width - 1, width=width)
        return replace(layout, usual_zone=zone_of("America/New_York"))
    return replace(layout, usual_zone=UTC) if name in {"truefx", "lean-crypto"} else layout


def by_row(fields: Sequence[str], path: AbstractSet[str], name: AbstractSet[str]) -> ColumnLayout:
    """Find the columns of a file without a header line, where they are unambiguous.

    Args:
        fields: of its first line.
        path: the words of its path, which in LEAN's data names the kind of security.
        name: the words of its name, which may say that it holds no quotes.
    Raises:
        FeedError: they are ambiguous; the text says what the file seems to be.
    """
    if len(fields) == 4 and re.fullmatch(r"[0-9]{8} [0-9]{9}", fields[0]):
        return by_format("histdata")
    if len(fields) == 4 and re.fullmatch(r"[A-Z]{3}/[A-Z]{3}", fields[0]) and is_time(fields[1]):
        return by_format("truefx")
    if len(fields) == 3 and not _looks_like(fields) and not name & NO_QUOTES:
        return ColumnLayout(1, 2, (0,), 3, 3, named=False, form="time, bid, ask without names")
    of_day = re.fullmatch(r"[0-9]{1,8}(\.[0-9]{0,4})?", fields[0]) and not name & NO_QUOTES
    if (
        of_day
        and (form := next((form for kind, form in _LEAN.items() if kind in path), ""))
        and len(fields) == len(FORMATS[form])
    ):
        return by_format(form)
    problem = _looks_like(fields) or _named(name) or f"{len(fields)} columns without names, whose meaning is unknown; {WANTED}"
    raise FeedError(f"it begins with {shown(','.join(fields))}: {problem}")


def _named(words: AbstractSet[str]) -> str:
    """Return what a file is by the words of its name; empty if they do not say it."""
    return f"its name says that it holds {', '.join(sorted(words & NO_QUOTES))}: not quotes" if words & NO_QUOTES else ""


def _index_of(words: Sequence[str], known: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the index of the one column that has one of these names; None if there is none."""
    matches = [at for at, word in enumerate(words) if word in known]
    if len(matches) > 1:
        several = " and ".join(repr(names[at]) for at in matches[:4])
        raise FeedError(f"its columns are {_listed(names)}: {several} mean the same; remove all but one")
    return matches[0] if matches else None


def _kind_of(words: set[str]) -> str:
    if len(words & BARS) >= 2:
        return "bars (open, high, low, close), not quotes"
    if words & BOOK or words & {"asks0price", "bids0price"}:
        return "messages of an order book, not quotes"
    return "trades, not quotes" if words & TRADES else ""


NO_QUOTES = {"trade", "trades", "aggtrades", "openinterest", "klines", "candles"}
_LEAN = {"crypto": "lean-crypto", "equity": "lean-equity"}  # kind of security in LEAN's paths -> format
_BY_SIGHT = (  # pattern of the first fields, joined by commas -> what such a line is
    (r"\d{4}\.\d\d\.\d\d,\d\d:\d\d(,[\d.]+){5,}", "bars of MetaTrader (date, time, open, high, low, close), not quotes"),
    (r"\d{4}\.\d\d\.\d\d,\d\d:\d\d:\d\d(\.\d+)?,.*", "MetaTrader's ticks without names: --format mt5"),
    (r"\d{8} \d{6},[\d.]+,\d+", "ticks of one price (NinjaTrader: time, price, volume), not quotes"),
    (r"\d{8} \d{6}(,[\d.]+){5}", "bars of a minute (HistData: open, high, low, close), not quotes"),
    (r"(19|20)\d{6},\d{4,6}(,[\d.]+){4,}", "bars (date, time, open, high, low, close), not quotes"),
    (r"(\d{8}|\d{4}-\d\d-\d\d)(,[\d.]+){4,}", "bars of days (date, open, high, low, close), not quotes"),
    (r"\d{1,5}\.\d{6,9},\d,\d+,\d+,\d+,-?1", "messages of an order book (LOBSTER), not quotes"),
    (r"\d{6,}(,\d+,\d+,\d+)+", "an order book without times (LOBSTER: ask, size, bid, size), not quotes"),
    (r"\d{1,8}(\.\d+)?,\d+,\d+,\d+,\d+,\w*,\w*,[01]", "LEAN's quotes of equities: --format lean-equity --zone America/New_York"),
    (
        r"\d{1,8}(\.\d+)?,\d+,\d+,\d+,\d+,\w*,[01]",
        "LEAN's quotes of options or futures: --format lean-option for prices times 10000",
    ),
    (r"\d+(,[\d.]+){4},(true|false)(,(true|false))?", "Binance's trades, not quotes"),
    (r"\d+,[\d.]+,[\d.]+,\d+,\d+,\d+,(true|false)(,(true|false))?", "Binance's aggregated trades, not quotes"),
    (r"\d{13,16}(,[\d.]+){5},\d{13,16},.*", "Binance's bars (klines), not quotes"),
    (r"\d{1,8},[\d.]+,[\d.]+,[A-Z]*,\d*,\d", "LEAN's trades, not quotes"),
    (r"\d{1,8},[\d.]+,[\d.]+,[\d.]+,[\d.]+", "LEAN's quotes of crypto-currencies: --format lean-crypto"),
    (r"\d{13},[\d.]+,[\d.]+,[\d.]+,[\d.]+", "five columns, as Dukascopy's (time, ask, bid, volumes): --format dukascopy"),
    (r"[\d: .]+,[\d.]+,[\d.]+,[\d.]+,[\d.]+", "five columns, as Tickstory's (time, ask, bid, volumes): --format dukascopy"),
    (r"\d{10,19},\d{10,19}(,\d+){3}.*", "Databento's columns without their names"),
)


def _looks_like(fields: Sequence[str]) -> str:
    line = ",".join(fields[:12])[:400]
    return next((kind for pattern, kind in _BY_SIGHT if re.fullmatch(pattern, line, re.IGNORECASE)), "")


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(name[:24] for name in names[:12])
    return shown(text) if not text.isprintable() else f"{text[:200]}{', ...' if len(names) > 12 else ''}"
