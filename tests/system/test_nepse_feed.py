"""The NEPSE feed with real processes: killed and started again, at an exchange whose clock runs faster."""

import time
from collections import Counter
from datetime import UTC, datetime
from itertools import groupby

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.calls.client import BusClient
from hulak.clients.cli.schedule import set_calendar
from hulak.clients.history import History, last_events
from hulak.sim.nepse.exchange import Exchange
from hulak.sim.nepse.server import serve

pytestmark = pytest.mark.system
FASTER = 60
NOON_S = datetime(2026, 4, 24, 6, 15, tzinfo=UTC).timestamp()  # a Friday, in Nepal
NEPSE = {"nepse.rate_per_s": 100, "nepse.cache_s": 0, "feed.trades_s": 1}


class Clock:
    """The time of the exchange."""

    def __init__(self):
        self._began = time.monotonic()

    def __call__(self):
        return NOON_S + FASTER * (time.monotonic() - self._began)


def test_a_killed_feed_continues_without_a_lost_or_doubled_message():
    clock = Clock()
    market = Exchange(1)  # as that of the server

    def newest():
        return market.trades(clock())[-1].number

    with serve(seed=1, wall=clock) as exchange, LocalBus(**NEPSE, **{"nepse.base_url": exchange.url}) as local_bus:
        local_bus.start_broker()
        local_bus.start("-m", "hulak.workers", "nepse")
        with BusClient(local_bus.settings, local_bus.home) as client:

            def last():
                return max((event.body["contract"] for event in last_events(client, "trade.")), default=0)

            for _ in range(3):
                wanted = newest()
                feed = local_bus.start("-m", "hulak", "feed", "--venue", "nepse")
                eventually(lambda wanted=wanted: last() >= wanted, within_s=30)
                feed.kill()
                feed.wait(30)
            trades, ticks, states = (list(History(client, prefix)) for prefix in ("trade.", "tick.", "market."))
            everything = list(History(client, "ticks"))
            calendars = client.list_calendars()
            days = set_calendar(client, "nepse", 30.0)  # as a command does
    posted = Counter(event.body["contract"] for event in trades)
    assert set(posted) == {trade.number for trade in market.trades(NOON_S + 40_000) if trade.number <= max(posted)}
    assert max(posted.values()) == 1
    assert [event.body["state"] for event in states] == ["open"]
    for _, events in groupby(sorted(ticks, key=lambda event: event.topic), key=lambda event: event.topic):
        figures = [(event.body["last"], event.body["volume"]) for event in events if "volume" in event.body]
        assert len(set(figures)) == len(figures)
    assert {event.topic for event in ticks} >= {"tick.NABIL", "tick.NEPSE", "tick.BANKING"}
    assert [row["name"] for row in calendars] == ["nepse"]
    assert {name: calendars[0][name] for name in days} == days
    assert len(everything) == len(trades) + len(ticks) + len(states)
