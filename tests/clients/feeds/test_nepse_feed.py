"""The NEPSE feed in virtual time: whole days against the simulated exchange's market, without a process or a socket."""

import asyncio
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest

from hulak.bus.errors import BusError, TaskFailed
from hulak.bus.wire.codec import pack, unpack
from hulak.bus.wire.report_values import check_reported
from hulak.clients.feeds.nepse.feed import NepseFeed
from hulak.clients.feeds.nepse.market_clock import DAY_S, moment_s, nepal_day
from hulak.clients.feeds.nepse.rows import INDEX_KEYS, live_tick
from hulak.sim.nepse.exchange import Exchange
from hulak.sim.nepse.market_data import Market
from hulak.sim.nepse.securities import Securities

FRIDAY = date(2026, 4, 24)


def at(hour, minute=0, second=0, day=FRIDAY):
    return moment_s(day, hour * 3600 + minute * 60 + second)


class Ended(Exception):
    """The virtual time is over."""


class World:
    """A clock, an exchange whose tables are made once a minute and readable half a minute later, and a bus that keeps ticks."""

    def __init__(self, now_s, *, until_s, failing=(), indices=True):
        self.now_s, self.until_s = now_s, until_s
        self.exchange = Exchange(5, "clock", companies=80, trades_per_day=2000)
        self.market = Market(self.exchange, 80)
        self.asked, self.ticks, self.bodies = [], [], []
        self.failing, self.indices = list(failing), indices  # indices are the dearest tables
        self.counters, self.log, self.warnings = {}, self, []
        self.states = []  # that the feed reported

    def info(self, *_, **__):
        pass

    def warning(self, event, **values):
        self.warnings.append((event, values))

    def post(self, tick, time_ns):
        assert time_ns == int(self.now_s * 1e9)
        self.ticks.append((self.now_s, tick))

    def post_body(self, family, name, body, time_ns):
        assert time_ns == int(self.now_s * 1e9)
        self.bodies.append((self.now_s, f"{family}.{name}", unpack(pack(body))))

    async def sleep(self, seconds):
        assert seconds > 0
        if self.states[-1:] != [self.counters["state"]]:
            self.states.append(self.counters["state"])
        self.now_s += seconds
        if self.now_s >= self.until_s:
            raise Ended

    async def ask(self, action, **args):
        self.asked.append((self.now_s, action))
        self.now_s += 0.5  # the rate limit
        if action in self.failing:
            self.failing.remove(action)
            raise TaskFailed("UPSTREAM", "HTTP 503", retryable=True)
        return getattr(self, action.replace("-", "_"))(**args)

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
        return self.market.indices(self.made_s if self.is_open else self.now_s) if self.indices else []

    def sub_indices(self):
        return self.market.sub_indices(self.now_s) if self.indices else []

    def price_volume(self):
        return self.market.ticker(self.now_s)

    def holidays(self):
        return [{"holidayDate": "2026-04-27", "holidayDescription": "a holiday"}]

    def summary_history(self):
        return [{"businessDate": str(FRIDAY - timedelta(days=days))} for days in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)]

    def symbol_id_map(self):
        return {company.symbol: company.id for company in self.exchange.companies}

    def newest_trades(self, page, pages, size):
        assert pages == 1
        sheet = Securities(self.exchange).floor_sheet({"page": str(page), "size": str(size)}, self.now_s)["floorsheets"]
        return {"rows": sheet["content"], "next": None if sheet["last"] else page + 1}

    def market_depth(self, symbol):
        buy, sell = ([{"orderBookOrderPrice": price} for price in side] for side in ((499.1, 499.0), (500.0, 501.0)))
        return {"marketDepth": {"buyMarketDepthList": buy, "sellMarketDepthList": sell}}

    def run(self, watched=(), last_bodies=(), trades_s=0.0):
        feed = NepseFeed(self, self.ask, watched, trades_s=trades_s, clock=lambda: self.now_s, sleep=self.sleep)
        with pytest.raises(Ended):
            asyncio.run(feed.run(last_bodies))
        check_reported("the feed's report", self.counters)  # as the broker does
        return feed

    def questions(self, action, begin_s=0.0, end_s=float("inf")):
        return [asked_s for asked_s, name in self.asked if name == action and begin_s <= asked_s < end_s]


def last(world):
    """Return the last value of each topic of a world's bus."""
    ticks = {f"tick.{tick.symbol}": body(tick) for _, tick in world.ticks}
    return list((ticks | {topic: value for _, topic, value in world.bodies}).values())


def contracts(*worlds):
    return Counter(value["contract"] for world in worlds for _, topic, value in world.bodies if topic.startswith("trade."))


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


def test_over_a_day_with_trades_and_a_watch_list_each_contract_is_posted_once_in_order_and_nothing_is_asked_while_closed():
    world = World(at(9), until_s=at(9) + DAY_S - 60, indices=False)
    feed = world.run(watched=["NABIL"], trades_s=60.0)
    assert {name for asked_s, name in world.asked if at(9, 1) < asked_s < at(10, 30) or asked_s > at(15, 2)} == set()
    traded = [trade for trade in world.exchange.trades(at(16)) if trade.time_s >= at(11)]
    posted = contracts(world)
    assert {trade.number for trade in traded} <= set(posted)
    assert max(posted.values()) == 1
    assert feed.trades == sum(posted.values())
    times = [value["time_us"] for _, topic, value in world.bodies if topic.startswith("trade.")]
    assert times == sorted(times)
    asked = world.questions("newest-trades", at(11, 5), at(15))
    assert max(later - before for before, later in pairwise(asked)) < 65.0
    minutes = {int((asked_s - at(11)) // 60) for asked_s in world.questions("live-market")}
    assert minutes >= set(range(1, 240))  # as without them


def test_the_state_of_the_market_is_posted_once_for_each_change_with_the_next_opening():
    world = World(at(9), until_s=at(20), indices=False)
    world.run()
    assert [topic for _, topic, _ in world.bodies] == ["market.nepse"] * 4
    monday, tuesday = (int(at(11, day=day) * 1000) for day in (date(2026, 4, 24), date(2026, 4, 28)))  # the 27th is a holiday
    assert [(value["state"], value["next_opening"]) for _, _, value in world.bodies] == [
        ("closed", monday),
        ("pre-open", monday),
        ("open", tuesday),
        ("closed", tuesday),
    ]
    assert all(value["timestamp"] == int(when * 1000) for when, _, value in world.bodies)
    assert world.bodies[-1][2]["as_of"] == int(at(15) * 1000)
    assert world.states == ["closed", "connected", "closed"]
    again = World(at(20), until_s=at(21))
    again.run(last_bodies=last(world))
    assert again.bodies == []


def test_a_feed_that_is_started_again_continues_with_the_next_contract():
    first = World(at(11), until_s=at(11, 10), indices=False)
    first.run(trades_s=15.0)
    second = World(at(12, 20), until_s=at(12, 30), indices=False)
    second.run(trades_s=15.0, last_bodies=last(first))
    third = World(at(15, 40), until_s=at(16), indices=False)
    third.run(trades_s=15.0, last_bodies=last(first) + last(second))
    posted = contracts(first, second, third)
    assert set(posted) == {trade.number for trade in third.exchange.trades(at(16))}
    assert max(posted.values()) == 1


def test_a_failed_page_of_trades_is_asked_for_again_and_loses_none():
    world = World(at(12), until_s=at(12, 10), failing=["newest-trades"], indices=False)
    world.exchange = Exchange(5, "clock", companies=80, trades_per_day=9000)  # several pages
    world.run(trades_s=15.0)
    posted = contracts(world)
    assert {trade.number for trade in world.exchange.trades(at(12, 9))} <= set(posted)
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
    assert world.states == ["backoff", "connected"]
    assert world.ticks
    assert world.counters["market"] == "open"


def test_a_watch_list_has_the_best_prices_of_its_order_books():
    world = World(at(12), until_s=at(12, 3))
    world.run(watched=["NABIL"])
    booked = [tick for _, tick in world.ticks if tick.symbol == "NABIL"]
    assert booked
    assert not any(tick.flags for tick in booked)  # its last price is not posted apart
    assert {(tick.bid, tick.ask) for tick in booked} == {(499.1, 500.0)}
    assert all(tick.last is not None and tick.volume for tick in booked)


def test_a_watched_symbol_that_is_not_listed_is_named_and_not_asked_for():
    world = World(at(12), until_s=at(12, 3))
    world.run(watched=["NABIL", "NOSUCH"])
    assert [values["symbols"] for event, values in world.warnings if event.startswith("watched symbols")] == [["NOSUCH"]]
    assert {tick.symbol for _, tick in world.ticks if not tick.flags} == {"NABIL"}


def test_securities_are_added_to_the_watch_list_and_removed_while_the_feed_runs():
    """The order book of a new security is read from the next minute on; an unlisted name is refused with its code."""
    world = World(at(12), until_s=at(12, 6))
    other = next(company.symbol for company in world.exchange.companies if company.symbol != "NABIL")
    changes = iter([(1, [other, "NOSUCH"])])

    async def sleep(left_s):
        if world.now_s >= at(12, 3):
            for version, names in changes:
                await feed.watch(version, names)
        await world.sleep(left_s)

    feed = NepseFeed(world, world.ask, ["NABIL"], clock=lambda: world.now_s, sleep=sleep)
    with pytest.raises(Ended):
        asyncio.run(feed.run())
    booked = {tick.symbol: timed_s for timed_s, tick in world.ticks if not tick.flags}
    assert set(booked) == {"NABIL", other}
    assert booked["NABIL"] < at(12, 4) <= booked[other]
    assert world.counters["symbol_names"] == [other]
    assert world.counters["symbols_version"] == 1
    assert world.counters["symbol_changes"] == {
        "NABIL": "removed",
        other: "subscribed",
        "NOSUCH": "SYMBOL_NOT_FOUND: the exchange does not list it",
    }


def test_rows_without_symbol_or_price_are_counted_and_the_others_posted():
    world = World(at(12), until_s=at(12, 0, 40))
    rows = [*world.market.live(at(11, 59)), {"symbol": None}, {"symbol": "X", "lastTradedPrice": None}, 7]
    world.market.live = lambda _: rows
    feed = world.run()
    assert feed.refused == 3 * len(world.questions("live-market")) > 0
    assert len({tick.symbol for _, tick in world.ticks}) == 80 + len(INDEX_KEYS)


def test_the_trading_days_are_set_in_the_broker_once_a_day_and_a_refusal_disturbs_nothing():
    world, calendars = World(at(10, 25), until_s=at(11, 10)), []

    async def set_days(days):
        calendars.append(days)
        raise BusError("FORBIDDEN", "key 'f' may not")

    feed = NepseFeed(world, world.ask, clock=lambda: world.now_s, sleep=world.sleep, set_days=set_days)
    with pytest.raises(Ended):
        asyncio.run(feed.run([]))
    assert [(days["name"], days["weekdays"], days["closed"]) for days in calendars] == [
        ("nepse", [1, 2, 3, 4, 5], ["2026-04-27"])
    ]
    assert world.questions("live-market")
