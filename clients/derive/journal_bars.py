"""Bars of one symbol: the published ones, or, if there are none, the same made of ticks in the journal. PROTOCOL.md 3.12."""

import time
from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any, NamedTuple

import msgspec

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.subscriber.events import Event
from hulak.bus.wire.messages import END_MS, FIRST_MS
from hulak.clients.calls.client import BusClient
from hulak.clients.derive.rules.derivation import Derivation, Wanted
from hulak.clients.derive.rules.intervals import INTERVALS
from hulak.clients.derive.rules.source_clock import AHEAD_MS, LATE_MS
from hulak.clients.history import History, last_events

PUBLISHED, MADE = "topic", "ticks"
PAGE_MESSAGES = 2000  # that are read at a time, backwards
PAGE_S = 2.0  # after which a page ends, though it has few bars: those of a day have 1,440 messages each
UNFINISHED_SHARE = 2  # intervals before the first one that is wanted, by default: pauses of the market


_Time = Annotated[int, msgspec.Meta(ge=FIRST_MS - FIRST_MS % INTERVALS["1d"], le=END_MS + INTERVALS["1d"])]
_Prices = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)] | None


class _Published(msgspec.Struct, frozen=True):
    """The body of a bar as its topic has it; any feed with the role may post there."""

    start: _Time
    end: _Time
    bid: _Prices
    ask: _Prices
    mid: _Prices
    ticks: int
    final: bool
    revision: int


class BarHistory(NamedTuple):
    """Bars of one symbol and interval."""

    bars: list[dict[str, Any]]  # bodies as in the topic, the newest revision of each, in the order of their starts; mid: `tidy`
    origin: str  # `PUBLISHED` or `MADE`
    source: str  # of the symbol's ticks
    refused: int = 0  # messages of the topic that are no bars, and left out


class BarPage(NamedTuple):
    """Bars of a part of a topic, in the order of their starts."""

    bars: list[dict[str, Any]]
    before: int | None  # sequence to go on with; None: the journal has no older message


def bars_of(
    client: BusClient, symbol: str, interval: str, *, since_ns: int | None, last: int | None, now_ns: int, timeout_s: float
) -> BarHistory:
    """Return bars of a symbol.

    Args:
        client: connected.
        symbol: with its prefix.
        interval: one of `INTERVALS`.
        since_ns: time of the broker's stamps, ns since 1970 UTC; None: as far back as `last` needs.
        last: most bars, the newest; None: all.
        now_ns: as a stamp of the broker would be now: bars that are over by then are final.
        timeout_s: for each reply.
    Raises:
        BusError: `UNKNOWN_TOPIC`, there is no tick of this symbol; or as `History`.
    """
    ticks = _newest(client, f"tick.{symbol}", timeout_s)
    topic = f"bar.{interval}.{symbol}"
    bars = _newest(client, topic, timeout_s)
    newest = bars or ticks
    if newest is None:
        raise BusError("UNKNOWN_TOPIC", f"there is no tick of {symbol!r}; `hulak last` lists all symbols")
    size_ns = INTERVALS[interval] * 1_000_000
    begin_ns = max(1, newest.stamp.time_ns - UNFINISHED_SHARE * ((last or 1) + 1) * size_ns) if since_ns is None else since_ns
    begin_ns -= begin_ns % size_ns
    refused = 0
    if bars is not None:
        bodies = [_body_of(event) for event in History(client, topic, since_ns=max(1, begin_ns), timeout_s=timeout_s)]
        published = [body for body in bodies if is_bar(body)]
        rows, refused = newest_of(published), len(bodies) - len(published)
    else:
        rows = _made(client, symbol, interval, begin_ns, now_ns, timeout_s)
    begin_ms = begin_ns // 1_000_000
    rows = [row for row in rows if not 0 <= begin_ms - row["end"] < LATE_MS]  # it was published just after the beginning
    source = "" if ticks is None else str(ticks.body.get("source", ""))
    rows = rows if last is None else rows[-last:]
    rows = [row | {"mid": row["mid"] and [tidy(price) for price in row["mid"]]} for row in rows]
    return BarHistory(rows, MADE if bars is None else PUBLISHED, source, refused)


def tidy(middle: float) -> float:
    """Return a middle of bid and ask without the error of the division: 1.1 for 1.1000000000000001.

    A price of up to 14 digits has a middle of up to 15, and a number of 15 digits is the nearest one of exactly one float.
    """
    return float(f"{middle:.15g}")


def bars_before(client: BusClient, symbol: str, interval: str, before: int, least: int, timeout_s: float) -> BarPage:
    """Return published bars of a symbol that are older than those that a reader has.

    Args:
        client: connected.
        symbol: with its prefix.
        interval: one of `INTERVALS`.
        before: sequence in the topic; the messages before it are read, backwards.
        least: number of bars, if the topic has them and they are read within `PAGE_S`.
        timeout_s: for each reply.
    Raises:
        BusError: `UNKNOWN_TOPIC`, no bar was published; or as `History`.
    """
    topic, rows, end = f"bar.{interval}.{symbol}", dict[int, dict[str, Any]](), before
    until = time.monotonic() + PAGE_S
    while end > 1 and len(rows) < least:
        first = max(1, end - PAGE_MESSAGES)
        try:
            bodies = [_body_of(event) for event in History(client, topic, first, end - 1, timeout_s=timeout_s)]
        except BusError as error:
            if error.code != "TOO_OLD":
                raise
            oldest = int(error.details["oldest"])
            if oldest >= end:
                end = 1
                break
            bodies = [_body_of(event) for event in History(client, topic, oldest, end - 1, timeout_s=timeout_s)]
            first = 1
        for row in newest_of(body for body in bodies if is_bar(body)):
            rows.setdefault(row["start"], row)  # of a bar the last message counts, and they are read backwards
        end = first
        if time.monotonic() > until:
            break
    return BarPage([rows[start] for start in sorted(rows)], end if end > 1 else None)


def is_bar(body: Any) -> bool:
    """Return whether the body of a message has all parts of a bar, with times and finite prices that can be shown."""
    try:
        bar = msgspec.convert(body, _Published)
    except msgspec.ValidationError:
        return False
    return bar.start < bar.end and all(isfinite(price) for side in (bar.bid, bar.ask, bar.mid) for price in side or ())


def _body_of(event: Event) -> Any:
    try:
        return event.body
    except ProtocolError:  # in a journal of an earlier version
        return None


def newest_of(bodies: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return of each bar its last message, in the order of their starts."""
    newest = {body["start"]: body for body in bodies}
    return [newest[start] for start in sorted(newest)]


def _newest(client: BusClient, topic: str, timeout_s: float) -> Event | None:
    return next(iter(last_events(client, topic, timeout_s)), None)


def _made(client: BusClient, symbol: str, interval: str, begin_ns: int, now_ns: int, timeout_s: float) -> list[dict[str, Any]]:
    """Make the bars that begin at a time or later; of those before, ticks are not read."""
    ahead_ns = AHEAD_MS * 1_000_000
    begin_ns = max(begin_ns, _journal_begins(client, timeout_s) + ahead_ns)
    derivation: Derivation | None = None
    made = []
    for event in History(client, f"tick.{symbol}", since_ns=max(1, begin_ns - ahead_ns), timeout_s=timeout_s):
        if derivation is None:  # as the first of all: its bars are whole, though numbers of other symbols came before
            first = 1 if event.stamp.sequence == 1 else 2
            derivation = Derivation(Wanted(bars=(interval,)), first, max(0, begin_ns - ahead_ns))
        try:
            made += derivation.take(event.stamp.time_ns, event.body)
        except ProtocolError:  # in a journal of an earlier version
            continue
    if derivation is None:
        return []
    made += derivation.take(now_ns, {})
    return newest_of(row.body for row in (*made, *derivation.unfinished()))


def _journal_begins(client: BusClient, timeout_s: float) -> int:
    """Return the time from which the journal has all ticks, ns since 1970 UTC; 0: it has all that there ever were."""
    try:
        client.call("hulak.replay", "", {"topic": "ticks", "from": 1, "to": 1}, timeout_s=timeout_s)
    except BusError as error:
        if error.code != "TOO_OLD":
            raise
        return int(error.details.get("oldest_ns") or 0)
    return 0
