"""A day of the exchange with real processes, at a clock that runs 60 times faster: broker, worker, web server, feed."""

import time
from collections import Counter
from datetime import date

import pytest
from local_bus import LocalBus
from stage import FOUND
from waiting import eventually

from hulak.clients.calls.client import BusClient
from hulak.clients.feeds.nepse.market_clock import moment_s
from hulak.clients.feeds.nepse.rows import INDEX_KEYS, live_tick
from hulak.clients.history import History
from hulak.sim.nepse.exchange import Exchange
from hulak.sim.nepse.market_data import Market
from hulak.sim.nepse.server import serve

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
FASTER = 60.0
FRIDAY = date(2026, 4, 24)
NEPSE = {"nepse.rate_per_s": 100, "nepse.cache_s": 0}
SEED, CONTRACTS = 5, 2000


def at(hour, minute=0):
    return moment_s(FRIDAY, hour * 3600 + minute * 60)


def test_every_minute_of_a_day_is_posted_once_and_nothing_is_asked_while_closed(long, record_figure):
    """Full: 10:10 to 15:30. Short: the first minutes of the session, 10:58 to 11:06."""
    begin_s, end_s, last_minute = (at(10, 10), at(15, 30), 239) if long else (at(10, 58), at(11, 6), 4)
    lead_s = 0.0 if long else 4.0  # for the feed's start
    began_s = time.monotonic() + lead_s

    def wall():
        return begin_s + FASTER * (time.monotonic() - began_s)

    with (
        serve(seed=SEED, wall=wall, hours="clock", trades_per_day=CONTRACTS) as exchange,
        LocalBus(**NEPSE, **{"nepse.base_url": exchange.url}) as local_bus,
    ):
        local_bus.start_broker()
        local_bus.start("-m", "hulak.workers", "nepse")
        eventually(lambda: local_bus.stats()["workers"], within_s=60)
        began_s = time.monotonic() + lead_s  # of the day: only the feed still has to start
        feed = local_bus.start("-m", "trial_fast_nepse_feed", str(begin_s), str(began_s), str(FASTER), **FOUND)
        eventually(lambda: wall() >= end_s, within_s=400, every_s=0.5)
        assert feed.poll() is None, feed.log.read_text()
        feed.terminate()
        assert feed.wait(20) == 0
        with BusClient(local_bus.settings, local_bus.home) as client:
            ticks = [event.body for event in History(client, "tick.")]
            states = [event.body["state"] for event in History(client, "market.")]
        asked = [(begin_s + FASTER * (visit.at - began_s), visit.path) for visit in exchange.visits.log]
    market, indices = Market(Exchange(SEED, "clock", trades_per_day=CONTRACTS), 80), set(INDEX_KEYS.values())
    posted = Counter((tick["symbol"], tick["last"], tick.get("volume")) for tick in ticks if tick["symbol"] not in indices)
    minutes = {}
    for minute in range(last_minute + 1):
        rows = [live_tick(row) for row in market.live(at(11) + 60 * minute)]
        minutes[minute] = {(tick.symbol, tick.last, tick.volume) for tick in rows}
    missing = {minute: len(rows - set(posted)) for minute, rows in minutes.items() if rows - set(posted)}
    record_figure(
        f"a day of the exchange, {FASTER:.0f} times as fast: {len(minutes)} minutes, {len(missing)} not whole, "
        f"{len(ticks)} ticks, {sum(count - 1 for count in posted.values())} twice, {len(asked)} requests"
    )
    assert missing == {}
    assert max(posted.values()) == 1
    assert states == (["closed", "pre-open", "open", "closed"] if long else ["pre-open", "open"])
    if long:  # the first minutes are those of the start
        closed = [(when_s - at(0), path) for when_s, path in asked if at(10, 20) < when_s < at(10, 30) or when_s > at(15, 4)]
        assert closed == []
