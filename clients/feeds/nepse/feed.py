"""The NEPSE feed: asks the pool of NEPSE workers, so that one rate limit and one session hold, and posts ticks.

While the exchange trades, it asks once a minute for all prices, just after they have changed, then for the indices, and for the
order books of a watch list; and, if they are wanted, for single trades as often as requested. When the exchange has closed, it
asks for the closing prices and the last trades once, and for nothing more until the next hour at which the exchange may open.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol, TypeVar

from msgspec import to_builtins

from hulak.bus.errors import BusError, FeedError
from hulak.clients.feeds.nepse.floor_sheet import PAGE_ROWS, FloorSheet, trade_of
from hulak.clients.feeds.nepse.market_clock import PHASES, MarketClock, Phase, nepal_day
from hulak.clients.feeds.nepse.market_state import PAUSE_S, PostedState
from hulak.clients.feeds.nepse.posted_ticks import PostedTicks
from hulak.clients.feeds.nepse.rows import SOURCE, MarketTick, book_tick, closing_tick, index_tick, live_tick, time_ms
from hulak.clients.feeds.nepse.snapshot_lock import SnapshotLock
from hulak.clients.feeds.nepse.watch_list import WatchList
from hulak.clients.market_calendars import needs_next_year, nepse_calendar

AGAIN_S = 15.0  # after a question for prices that failed
EMPTY_S = 10.0  # after an empty table of an open market: the session may have ended, or not begun
STATES = {  # of the feed
    Phase.UNKNOWN: "connecting",
    Phase.CLOSED: "closed",
    Phase.PRE_OPEN: "closed",
    Phase.OPEN: "connected",
}
Ask = Callable[..., Awaitable[Any]]
Made = TypeVar("Made")


class Publisher(Protocol):
    """The feed's connection to the bus, see `clients.feeds.publisher.TickPublisher`."""

    counters: dict[str, Any]
    log: Any

    def post(self, tick: MarketTick, time_ns: int) -> None: ...

    def post_body(self, family: str, name: str, body: Mapping[str, Any], time_ns: int) -> None: ...


class NepseFeed:
    """The feed.

    Args:
        publisher: posts ticks.
        ask: calls an action of the service `nepse`, with keyword arguments; or with service `hulak.last`.
        watched: symbols whose order books are read, as the exchange writes them.
        trades_s: seconds between two reads of the newest trades; 0: no single trades.
        clock: returns seconds since 1970 UTC.
        sleep: waits for a number of seconds.
        set_days: sets the calendar of trading days in the broker, once a day; None: it is not set.
    Raises:
        FeedError: a watched symbol is none.
    """

    def __init__(
        self,
        publisher: Publisher,
        ask: Ask,
        watched: Sequence[str] = (),
        *,
        trades_s: float = 0.0,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        set_days: Callable[[dict[str, Any]], Awaitable[object]] | None = None,
    ) -> None:
        self.publisher = publisher
        self.market = MarketClock()
        self.snapshots = SnapshotLock()
        self.posted = PostedTicks()
        self.state = PostedState()
        self.sheet = FloorSheet()
        self.refused = self.failed = self.asked = self.trades = 0
        self._ask, self._set_days = ask, set_days
        self.watched = WatchList(watched)
        self.symbols_version = 0  # of the live configuration whose symbols are watched
        self._clock = clock
        self._sleep = sleep
        self._trades_s = trades_s
        self._trades_due_s = math.inf
        self._newest: dict[str, MarketTick] = {}  # of each watched symbol, from its row
        self._learnt_on: date | None = None
        self._data_s: float | None = None  # when a tick was posted last
        self._began_s = clock()
        self._unanswered_s: float | None = None  # since when the question for the state has not been answered

    async def run(self, last_bodies: Sequence[Any] = ()) -> None:
        """Ask and post until cancelled.

        Args:
            last_bodies: the bodies of the last messages of its topics that the broker has.
        """
        for part in (self.posted, self.state, self.sheet):
            part.recall(last_bodies)
        while True:
            due_s = min(self.market.due_s, self._trades_due_s, self.snapshots.due_s if self.market.trades else math.inf)
            if (left_s := due_s - self._clock()) > 0:
                self.report()
                await self._sleep(left_s)
            await self.step()

    async def step(self) -> None:
        """Ask what is due now."""
        now_s = self._clock()
        if now_s >= self.market.due_s:
            await self._read_status(now_s)
        elif self.market.trades and now_s >= self.snapshots.due_s:
            await self._read_prices(now_s)
        elif now_s >= self._trades_due_s:
            await self._read_trades()
        self.report()

    # Questions

    async def _read_status(self, now_s: float) -> None:
        status = await self._question("market-status")
        if not isinstance(status, Mapping):
            self.market.failed(self._clock())
            self._unanswered_s = now_s if self._unanswered_s is None else self._unanswered_s
            return
        self._unanswered_s = None
        is_open, as_of = str(status.get("isOpen")), status.get("asOf")
        if is_open not in PHASES:
            self.publisher.log.warning("the state of the exchange is unknown, it counts as closed", state=is_open[:60])
        has_changed = self.market.answered(is_open, self._clock())
        await self._learn(now_s)
        self._post_state(as_of)
        if has_changed:
            self.publisher.log.info("exchange", state=self.market.phase.value, as_of=as_of)
            if self.market.trades:
                self.snapshots.begin(self._clock())
            elif self.market.phase is Phase.CLOSED:
                await self._read_closing(as_of)
            if self._trades_s and self.market.phase is not Phase.PRE_OPEN:
                self._trades_due_s = self._clock()

    async def _learn(self, now_s: float) -> None:
        """Read holidays, the days of the last sessions and the listed symbols, once a day."""
        today = nepal_day(now_s)
        if self._learnt_on == today:
            return
        holidays, history = await self._question("holidays"), await self._question("summary-history")
        if holidays is None or history is None:
            return  # with the next question for the state
        self._learnt_on = today
        if self.watched.names and (unknown := self.watched.drop_unlisted(await self._question("symbol-id-map") or {})):
            self.publisher.log.warning("watched symbols are not listed, no order book is read", symbols=unknown)
        self.market.holidays = frozenset(_days(holidays, "holidayDate"))
        self.market.learn(_days(history, "businessDate"))
        if self._set_days is not None:
            following = await self._question("holidays", year=today.year + 1) if needs_next_year(today) else []
            try:
                await self._set_days(nepse_calendar(history, holidays, following, today))
            except BusError as error:  # such as a key without the role
                self.publisher.log.warning("calendar not set", code=error.code, why=str(error)[:300])

    async def watch(self, version: int, names: Sequence[str]) -> None:
        """Read the order books of these securities from now on.

        Args:
            version: of the live configuration that names them.
            names: all of them, as the exchange writes them.
        """
        if list(names) != self.watched.asked_for:
            self.watched.change(names, await self._question("symbol-id-map") or {})
            self.publisher.log.info("symbols changed", symbols=list(self.watched.names.values()))
        self.symbols_version = version

    async def _read_prices(self, now_s: float) -> None:
        rows = await self._question("live-market")
        if rows is None:
            self.snapshots.failed(self._clock(), AGAIN_S)
            return
        if not rows:
            self.snapshots.failed(self._clock(), EMPTY_S)
            self.market.doubt(self._clock())
            return
        ticks = self._made(live_tick, rows)
        # A watched symbol is posted with its book: with its last price before, its bid would go back and forth.
        watched = {tick.symbol: tick for tick in ticks if tick.symbol in self.watched.names}
        changed = self._post(tick for tick in ticks if tick.symbol not in watched)
        changed += sum(self._newest.get(symbol) != tick for symbol, tick in watched.items())
        self.snapshots.answered(now_s, changed=changed > 0)
        self._newest.update(watched)
        if changed:
            await self._read_indices(max(tick.timestamp for tick in ticks))
            await self._read_books()

    async def _read_indices(self, at_ms: int) -> None:
        for action in ("nepse-index", "sub-indices"):
            rows = await self._question(action)
            self._post(self._made(lambda row: index_tick(row, at_ms), rows or []))

    async def _read_books(self) -> None:
        for symbol, name in list(self.watched.names.items()):
            tick = self._newest.get(symbol)
            if tick is not None and self.market.trades:
                depth = await self._question("market-depth", symbol=name)
                self._post([book_tick(tick, depth, int(self._clock() * 1000))])

    async def _read_trades(self) -> None:
        """Read one page of the newest trades: prices and state, when they are due, do not wait for a long read."""
        sheet = await self._question("newest-trades", page=self.sheet.page, pages=1, size=PAGE_ROWS)
        if not isinstance(sheet, Mapping) or not isinstance(sheet.get("rows"), list):
            self._trades_due_s = self._clock() + AGAIN_S
            return
        new = self.sheet.add(self._made(trade_of, sheet["rows"]), is_last=sheet.get("next") is None)
        if new is None:
            return
        for trade in new:
            self.publisher.post_body("trade", trade.security, to_builtins(trade), int(self._clock() * 1e9))
        self.trades += len(new)
        self._trades_due_s = self._clock() + self._trades_s if self.market.trades else math.inf

    async def _read_closing(self, as_of: object) -> None:
        """Read the closing prices: the table of live prices is empty as soon as the session has ended."""
        try:
            at_ms = time_ms(as_of)
        except FeedError as error:
            self._refuse(error)
            return
        rows = await self._question("price-volume")
        self._post(self._made(lambda row: closing_tick(row, at_ms), rows or []))
        await self._read_indices(at_ms)

    async def _question(self, action: str, **args: Any) -> Any:
        """Ask; None if there is no answer."""
        self.asked += 1
        try:
            return await self._ask(action, **args)
        except BusError as error:
            self.failed += 1
            self.publisher.log.warning("question failed", action=action, code=error.code, why=str(error)[:300])
            return None

    # Messages

    def _made(self, make: Callable[[Mapping[str, Any]], Made], rows: Iterable[Any]) -> list[Made]:
        """Return what is made of the rows; the others are counted."""
        made = []
        for row in rows:
            try:
                made.append(make(row))
            except (FeedError, AttributeError) as error:
                self._refuse(error)
        return made

    def _refuse(self, error: Exception) -> None:
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:  # the 1st, 2nd, 4th, ...
            self.publisher.log.warning("row refused", why=str(error), refused=self.refused)

    def _post_state(self, as_of: object) -> None:
        now_s = self._clock()
        if (state := self.state.next_state(self.market, as_of, now_s)) is not None:
            self.publisher.post_body("market", SOURCE, to_builtins(state), int(now_s * 1e9))

    def _post(self, ticks: Iterable[MarketTick]) -> int:
        now_s, count = self._clock(), 0
        for tick in ticks:
            if self.posted.is_new(tick):
                self.publisher.post(tick, int(now_s * 1e9))
                count += 1
        if count:
            self._data_s = now_s
        return count

    def report(self) -> None:
        """Update the counters that the reports carry; to be called each second."""
        now_s = self._clock()
        state, since_s = STATES[self.market.phase], self.market.since_s or self._began_s
        if self._unanswered_s is not None:
            state, since_s = "backoff", self._unanswered_s
        self.publisher.counters.update(
            state=state,
            source=SOURCE,
            since_s=round(now_s - since_s, 3),
            pause_s=PAUSE_S,
            market=self.market.phase.value,
            next_opening_s=self.market.next_opening_s(now_s),
            data_age_s=round(now_s - self._data_s, 3) if self._data_s is not None and self.market.trades else None,
            questions=self.asked,
            questions_failed=self.failed,
            refused=self.refused,
            symbols=len(self.posted),
            trades=self.trades,
            symbols_named=len(self.watched.names),
            symbol_names=list(self.watched.names.values()),
            symbol_changes=dict(self.watched.changes),
            symbols_version=self.symbols_version,
            stale=0,
            errors=0,
        )


def _days(rows: Any, key: str) -> list[date]:
    days = []
    for row in rows if isinstance(rows, list) else []:
        try:
            days.append(date.fromisoformat(str(row[key])[:10]))
        except (ValueError, KeyError, TypeError):
            continue
    return days
