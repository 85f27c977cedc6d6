"""A day of the exchange with real processes, at a clock that runs up to 60 times faster: broker, worker, web server, feed."""

import bisect
import time
from collections import Counter
from datetime import date

import pytest
from local_bus import LocalBus
from shared_clock import SharedClock
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
WITHIN_S = 60
JUST_S = 0.001  # before the next minute begins


def at(hour, minute=0):
    return moment_s(FRIDAY, hour * 3600 + minute * 60)


class Day:
    """A day of the exchange: its clock waits at the end of a minute until all ticks of the minute have come.

    Args:
        path: of the clock's file.
        begin_s: of the day.
        minutes: {minute of the session: its ticks}.
    """

    def __init__(self, path, begin_s, minutes):
        self.clock, self.minutes = SharedClock(path, begin_s), minutes
        self.seen, self.moves = set(), []  # moves: (monotonic seconds, time)

    def run(self, subscriber, end_s):
        """Move the clock to an end, once the feed has reported the state of the exchange."""
        eventually(lambda: self._read(subscriber), within_s=WITHIN_S)
        for minute, ticks in self.minutes.items():
            self._move(min(end_s, at(11) + 60 * (minute + 1)) - JUST_S)
            eventually(lambda ticks=ticks: self._read(subscriber) and ticks <= self.seen, within_s=WITHIN_S)
        self._move(end_s)

    def _read(self, subscriber):
        """Read what has come; returns whether the exchange's state is known."""
        while (event := subscriber.poll(0)) is not None:
            self.seen.add("state" if "state" in event.body else key_of(event.body))
        return "state" in self.seen

    def _move(self, to_s):
        before = time.monotonic()

        def moved():
            nonlocal before
            now = time.monotonic()
            self.clock.move(min(to_s, self.clock.read() + FASTER * (now - before)))
            self.moves.append((now, self.clock.read()))
            before = now
            return self.clock.read() >= to_s

        eventually(moved, within_s=10 + 2 * (to_s - self.clock.read()) / FASTER)

    def time_of(self, monotonic_s):
        """Return what the clock showed."""
        return self.moves[max(0, bisect.bisect(self.moves, (monotonic_s,)) - 1)][1]


def key_of(tick):
    return (tick["symbol"], tick.get("last"), tick.get("volume"))


def test_every_minute_of_a_day_is_posted_once_and_nothing_is_asked_while_closed(tmp_path, long, record_figure):
    """Full: 10:10 to 15:30. Short: the first minutes of the session, 10:58 to 11:05."""
    begin_s, end_s, last_minute = (at(10, 10), at(15, 30), 239) if long else (at(10, 58), at(11, 5), 4)
    market, indices = Market(Exchange(SEED, "clock", trades_per_day=CONTRACTS), 80), set(INDEX_KEYS.values())
    minutes = {}
    for minute in range(last_minute + 1):
        rows = [live_tick(row) for row in market.live(at(11) + 60 * minute)]
        minutes[minute] = {(tick.symbol, tick.last, tick.volume) for tick in rows}
    day = Day(tmp_path / "clock", begin_s, minutes)
    with (
        serve(seed=SEED, wall=day.clock.read, hours="clock", trades_per_day=CONTRACTS) as exchange,
        LocalBus(**NEPSE, **{"nepse.base_url": exchange.url}) as local_bus,
    ):
        local_bus.start_broker()
        local_bus.start("-m", "hulak.workers", "nepse")
        eventually(lambda: local_bus.stats()["workers"], within_s=WITHIN_S)
        with local_bus.subscriber("tick.", "market.") as subscriber:
            feed = local_bus.start("-m", "trial_fast_nepse_feed", tmp_path / "clock", FASTER, **FOUND)
            day.run(subscriber, end_s)
        assert feed.poll() is None, feed.log.read_text()
        feed.terminate()
        assert feed.wait(WITHIN_S) == 0
        with BusClient(local_bus.settings, local_bus.home) as client:
            ticks = [event.body for event in History(client, "tick.")]
            states = [event.body["state"] for event in History(client, "market.")]
        asked = [(day.time_of(visit.at), visit.path) for visit in exchange.visits.log]
    posted = Counter(key_of(tick) for tick in ticks if tick["symbol"] not in indices)
    missing = {minute: len(rows - set(posted)) for minute, rows in minutes.items() if rows - set(posted)}
    record_figure(
        f"a day of the exchange, up to {FASTER:.0f} times as fast: {len(minutes)} minutes, {len(missing)} not whole, "
        f"{len(ticks)} ticks, {sum(count - 1 for count in posted.values())} twice, {len(asked)} requests"
    )
    assert missing == {}
    assert max(posted.values()) == 1
    assert states == (["closed", "pre-open", "open", "closed"] if long else ["pre-open", "open"])
    if long:  # the first minutes are those of the start
        closed = [(when_s - at(0), path) for when_s, path in asked if at(10, 20) < when_s < at(10, 30) or when_s > at(15, 4)]
        assert closed == []
