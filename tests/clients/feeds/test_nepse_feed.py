"""The NEPSE feed in virtual time: whole days against the simulated exchange's market, without a process or a socket."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from hulak.bus.errors import TaskFailed
from hulak.bus.wire.report_values import check_reported
from hulak.clients.feeds.nepse.feed import NepseFeed
from hulak.clients.feeds.nepse.market_clock import DAY_S, NEPAL, MarketClock, Phase, moment_s, nepal_day
from hulak.clients.feeds.nepse.posted_ticks import PostedTicks
from hulak.clients.feeds.nepse.rows import INDEX_KEYS, book_tick, closing_tick, index_tick, live_tick, symbol_of, time_ms
from hulak.clients.feeds.nepse.snapshot_lock import SnapshotLock
from hulak.sim.nepse.exchange import Exchange
from hulak.sim.nepse.market_data import Market

FRIDAY = date(2026, 4, 24)
LIVE = {
    "symbol": "NICAD85/86",
    "lastTradedPrice": 1043.2,
    "totalTradeQuantity": 50,
    "openPrice": 1040,
    "highPrice": 1045.5,
    "lowPrice": None,
    "previousClose": 1041.0,
    "lastUpdatedDateTime": "2026-04-24 14:59:59.5",
}


def at(hour, minute=0, second=0, day=FRIDAY):
    return moment_s(day, hour * 3600 + minute * 60 + second)


class Ended(Exception):
    """The virtual time is over."""


class World:
    """A clock, an exchange whose tables are made once a minute and readable half a minute later, and a bus that keeps ticks."""

    def __init__(self, now_s, *, until_s, failing=()):
        self.now_s, self.until_s = now_s, until_s
        self.exchange = Exchange(5, "clock", companies=80, trades_per_day=2000)
        self.market = Market(self.exchange, 80)
        self.asked, self.ticks = [], []
        self.failing = list(failing)
        self.counters, self.log, self.warnings = {}, self, []

    def info(self, *_, **__):
        pass

    def warning(self, event, **values):
        self.warnings.append((event, values))

    def post(self, tick, time_ns):
        assert time_ns == int(self.now_s * 1e9)
        self.ticks.append((self.now_s, tick))

    async def sleep(self, seconds):
        assert seconds > 0
        self.now_s += seconds
        if self.now_s >= self.until_s:
            raise Ended

    async def ask(self, action, **args):
        self.asked.append((self.now_s, action))
        self.now_s += 0.5  # the rate limit
        if action in self.failing:
            self.failing.remove(action)
            raise TaskFailed("UPSTREAM", "HTTP 503", retryable=True)
        return getattr(self, action.replace("-", "_"))()

    @property
    def made_s(self):
        """When the newest snapshot was made that can be read now."""
        return (self.now_s - 30.0) // 60 * 60

    @property
    def is_open(self):
        return self.exchange.state(self.now_s) == "OPEN"

    def market_status(self):
        return self.market.status(self.now_s)

    def live_market(self):
        return self.market.live(self.made_s) if self.is_open else []

    def nepse_index(self):
        return self.market.indices(self.made_s if self.is_open else self.now_s)

    def sub_indices(self):
        return self.market.sub_indices(self.now_s)

    def price_volume(self):
        return self.market.ticker(self.now_s)

    def holidays(self):
        return [{"holidayDate": "2026-04-27", "holidayDescription": "a holiday"}]

    def summary_history(self):
        return [{"businessDate": str(FRIDAY - timedelta(days=days))} for days in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)]

    def symbol_id_map(self):
        return {company.symbol: company.id for company in self.exchange.companies}

    def market_depth(self):
        buy, sell = ([{"orderBookOrderPrice": price} for price in side] for side in ((499.1, 499.0), (500.0, 501.0)))
        return {"marketDepth": {"buyMarketDepthList": buy, "sellMarketDepthList": sell}}

    def run(self, watched=(), last_bodies=()):
        feed = NepseFeed(self, self.ask, watched, clock=lambda: self.now_s, sleep=self.sleep)
        with pytest.raises(Ended):
            asyncio.run(feed.run(last_bodies))
        check_reported("the feed's report", self.counters)  # as the broker does
        return feed

    def questions(self, action, begin_s=0.0, end_s=float("inf")):
        return [asked_s for asked_s, name in self.asked if name == action and begin_s <= asked_s < end_s]


def body(tick):
    return {name: getattr(tick, name) for name in tick.__struct_fields__}


def test_over_a_day_every_minutes_snapshot_is_posted_once_and_nothing_is_asked_while_closed():
    world = World(at(9), until_s=at(9) + DAY_S - 60)
    world.run()
    assert world.questions("market-status", at(9, 5), at(10, 30)) == []
    assert world.questions("market-status", at(10, 30), at(11, 0, 10))
    assert {name for asked_s, name in world.asked if asked_s > at(15, 2)} == set()
    snapshots = world.questions("live-market")
    minutes = {int((asked_s - at(11)) // 60) for asked_s in snapshots}
    assert minutes >= set(range(1, 240))
    assert len(snapshots) < 2 * 240
    expected = {}
    for minute in range(240):
        for row in world.market.live(at(11) + 60 * minute):
            tick = live_tick(row)
            expected.setdefault((tick.symbol, tick.last, tick.volume), minute)
    posted = Counter(
        (tick.symbol, tick.last, tick.volume) for when, tick in world.ticks if tick.symbol not in INDEX_KEYS.values()
    )
    assert not set(expected) - set(posted)
    assert max(posted.values()) == 1


def test_the_first_closing_prices_are_those_of_the_last_trades():
    world = World(at(14, 55), until_s=at(15, 30))
    world.run()
    last = {tick.symbol: tick for _, tick in world.ticks}
    for quote in world.exchange.quotes(at(15, 10)).values():
        assert (last[quote.company.symbol].last, last[quote.company.symbol].volume) == (quote.last, quote.quantity)
    assert last["NEPSE"].last == world.market.indices(at(15, 10))[1]["currentValue"]


def test_a_feed_that_is_started_again_posts_nothing_twice_and_loses_nothing():
    whole = World(at(11), until_s=at(11, 40))
    whole.run()
    first = World(at(11), until_s=at(11, 20))
    first.run()
    second = World(at(11, 20, 10), until_s=at(11, 40))
    second.run(last_bodies=[body(tick) for _, tick in first.ticks] + [{"source": "binance", "symbol": "NABIL"}, 7])

    def figures(*worlds):
        return Counter((tick.symbol, tick.last, tick.volume) for world in worlds for _, tick in world.ticks)

    both = figures(first, second)
    assert max(count for (_, _, volume), count in both.items() if volume is not None) == 1
    assert {key for key in figures(whole) if key[2] is not None} - set(both) == set()


def test_on_a_holiday_and_at_the_weekend_it_is_not_asked_more_than_at_the_hours_of_the_openings():
    world = World(at(20), until_s=at(20) + 3 * DAY_S)  # Friday evening to Monday evening: Monday is a holiday
    world.run()
    asked = [nepal_day(asked_s).isoweekday() for asked_s in world.questions("market-status", at(20, 5))]
    assert Counter(asked) == {6: 3, 7: 3}


def test_questions_that_fail_are_asked_again_later_and_the_rest_goes_on():
    world = World(at(11, 0, 30), until_s=at(11, 10), failing=["market-status"] * 3 + ["live-market", "nepse-index"])
    feed = world.run()
    asked = world.questions("market-status")
    assert [round(later - before, 1) for before, later in pairwise(asked[:4])] == [5.5, 10.5, 20.5]
    assert feed.failed == 5
    assert world.ticks
    assert world.counters["market"] == "open"


def test_a_watch_list_has_the_best_prices_of_its_order_books():
    world = World(at(12), until_s=at(12, 3))
    world.run(watched=["NABIL"])
    booked = [tick for _, tick in world.ticks if tick.symbol == "NABIL" and not tick.flags]
    assert booked
    assert {(tick.bid, tick.ask) for tick in booked} == {(499.1, 500.0)}
    assert all(tick.last is not None and tick.volume for tick in booked)


def test_a_watched_symbol_that_is_not_listed_is_named_and_not_asked_for():
    world = World(at(12), until_s=at(12, 3))
    world.run(watched=["NABIL", "NOSUCH"])
    assert [values["symbols"] for event, values in world.warnings if event.startswith("watched symbols")] == [["NOSUCH"]]
    assert {tick.symbol for _, tick in world.ticks if not tick.flags} == {"NABIL"}


def test_rows_without_symbol_or_price_are_counted_and_the_others_posted():
    world = World(at(12), until_s=at(12, 0, 40))
    rows = [*world.market.live(at(11, 59)), {"symbol": None}, {"symbol": "X", "lastTradedPrice": None}, 7]
    world.market.live = lambda _: rows
    feed = world.run()
    assert feed.refused == 3 * len(world.questions("live-market")) > 0
    assert len({tick.symbol for _, tick in world.ticks}) == 80 + len(INDEX_KEYS)


# Parts


def test_a_row_becomes_a_tick_with_a_flag_for_its_kind_of_price():
    tick = live_tick(LIVE)
    assert (tick.symbol, tick.name, tick.bid, tick.ask, tick.last, tick.flags) == (
        "NICAD85-86",
        "NICAD85/86",
        1043.2,
        1043.2,
        1043.2,
        ("last",),
    )
    assert (tick.volume, tick.open, tick.high, tick.low, tick.previous_close) == (50, 1040.0, 1045.5, None, 1041.0)
    assert tick.timestamp == int(datetime(2026, 4, 24, 9, 14, 59, 500_000, tzinfo=UTC).timestamp() * 1000)
    assert symbol_of("NICAD8586") != symbol_of("NICAD85/86")


@pytest.mark.parametrize("text", ["2026-04-24T12:22:25.746796", "2026-04-24 12:22:25.7467961", "2026-04-24T12:22:25.7"])
def test_times_are_those_of_nepal_with_any_fraction(text):
    assert time_ms(text) // 1000 == int((datetime(2026, 4, 24, 12, 22, 25, tzinfo=UTC) - NEPAL).timestamp())


@pytest.mark.parametrize("text", [None, 7, "", "2026-04-24", "12:22", "2026-04-24T12:22:25+05:45"])
def test_other_times_are_refused_or_a_midnight(text):
    if text == "2026-04-24":
        assert time_ms(text) == int(moment_s(FRIDAY, 0) * 1000)
    else:
        with pytest.raises(Exception, match="must be a time such as"):
            time_ms(text)


def test_an_index_has_its_own_symbol_and_time_and_an_unknown_one_is_refused():
    row = {
        "id": 58,
        "currentValue": 2713.92,
        "close": 2700.0,
        "high": 2720.0,
        "low": 2690.5,
        "generatedTime": "2026-04-24T12:00:00",
    }
    tick = index_tick(row, 5)
    assert (tick.symbol, tick.bid, tick.previous_close, tick.timestamp) == ("NEPSE", 2713.92, 2700.0, int(at(12) * 1000))
    assert index_tick({"id": 51, "currentValue": 1.0}, 5).timestamp == 5
    with pytest.raises(Exception, match="known are 51 to 67"):
        index_tick({"id": 99, "currentValue": 1.0}, 5)


@pytest.mark.parametrize(
    "depth", [None, {}, {"marketDepth": None}, {"marketDepth": {"buyMarketDepthList": [], "sellMarketDepthList": 7}}]
)
def test_without_a_book_a_tick_keeps_its_last_price(depth):
    tick = live_tick(LIVE)
    assert book_tick(tick, depth, 5) is tick


def test_a_book_with_one_side_has_one_price():
    depth = {"marketDepth": {"buyMarketDepthList": [{"orderBookOrderPrice": 10}], "sellMarketDepthList": []}}
    tick = book_tick(live_tick(LIVE), depth, 5)
    assert (tick.bid, tick.ask, tick.last, tick.timestamp) == (10.0, None, 1043.2, 5)


def test_after_the_close_a_tick_has_the_time_of_the_close():
    tick = closing_tick({"symbol": "NABIL", "lastTradedPrice": 500, "totalTradeQuantity": 7, "previousClose": 499}, 5)
    assert (tick.last, tick.volume, tick.timestamp, tick.previous_close) == (500.0, 7, 5, 499.0)


def test_a_tick_is_new_if_a_price_or_the_volume_differs():
    posted, tick = PostedTicks(), live_tick(LIVE)
    assert posted.is_new(tick)
    assert not posted.is_new(live_tick(LIVE))
    assert posted.is_new(live_tick(LIVE | {"totalTradeQuantity": 60}))
    again = PostedTicks()
    again.recall([body(tick) | {"symbol": "np.NICAD85-86"}])
    assert not again.is_new(tick)


def test_the_lag_of_the_snapshots_is_found_and_kept():
    lock, lags = SnapshotLock(), []
    lock.begin(0.0)
    for minute in range(1, 30):
        while True:
            now_s = lock.due_s
            changed = now_s >= minute * 60 + 41.0
            lock.answered(now_s, changed=changed)
            if changed:
                lags.append(now_s - minute * 60 - 41.0)
                break
    assert max(lags[3:]) <= 3.0
    assert min(lags) >= 0.0


def test_a_minute_without_a_trade_is_given_up_after_some_questions():
    lock = SnapshotLock()
    lock.begin(30.0)
    asked = []
    for _ in range(20):
        asked.append(lock.due_s)
        lock.answered(lock.due_s, changed=False)
    assert asked[1] == 60.0 + 30.0
    assert asked[8] - asked[1] == 7 * 2.5
    assert asked[9] - asked[1] == 60.0


def test_the_next_opening_is_expected_on_a_day_of_the_last_weeks_that_is_no_holiday():
    clock = MarketClock()
    assert clock.next_opening_s(at(16)) is None
    clock.learn(FRIDAY - timedelta(days=days) for days in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 100))
    clock.holidays = frozenset({date(2026, 4, 27)})
    assert clock.next_opening_s(at(16)) == at(11, day=date(2026, 4, 28))
    assert clock.next_opening_s(at(10)) == at(11)


def test_an_unknown_state_counts_as_closed():
    clock = MarketClock()
    clock.answered("Half Open", at(12))
    assert clock.phase is Phase.CLOSED
    assert not clock.trades
