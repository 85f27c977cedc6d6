"""The costs of bars of 28 symbols: at 1,000 ticks a second of all, and at up to 1,000 a second of each."""

import time

import psutil
import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.feed import Feed

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
SYMBOLS = [f"S{number:02d}" for number in range(28)]
SETTINGS = {"derive.bars": "1s,1m,5m,1h,1d", "derive.states": True}
MOST_SHARE = 0.15  # of a core
TURN_S = 0.01


def post(feed, per_s, seconds):
    """Post ticks of all symbols at a rate; return how many."""
    began, count = time.monotonic(), 0
    while (passed_s := time.monotonic() - began) < seconds:
        due = int(passed_s * per_s)
        for number in range(count, due):
            bid = 1.1 + number % 97 / 1e5
            feed.post(SYMBOLS[number % len(SYMBOLS)], bid, bid + 0.0001)
        count = max(count, due)
        time.sleep(TURN_S)
    return count


def test_the_maker_takes_at_most_15_percent_of_a_core(long, record_figure):
    """Full: a minute at 1,000 ticks a second, and 20 s as fast as one feed posts, at most 28,000; short: 5 s at 1,000."""
    rates = [(1000, 60), (28_000, 20)] if long else [(1000, 5)]
    with LocalBus(**SETTINGS) as local_bus:
        local_bus.start_broker()
        maker = psutil.Process(local_bus.hulak("derive").pid)
        eventually(lambda: any(row["name"] == "derive" for row in local_bus.stats()["processes"]), within_s=30)
        with Feed("load", settings=local_bus.settings, home=local_bus.home, timeout_s=60) as feed:
            for per_s, seconds in rates:
                before, began = sum(maker.cpu_times()[:2]), time.monotonic()
                count = post(feed, per_s, seconds)
                took_s, cpu_s = time.monotonic() - began, sum(maker.cpu_times()[:2]) - before
                size = maker.memory_info().rss / 1e6
                record_figure(
                    f"bars of 28 symbols: {count / took_s:,.0f} ticks/s cost {cpu_s / took_s:.1%} of a core, {size:.0f} MB"
                )
                assert per_s > 1000 or cpu_s / took_s < MOST_SHARE
            feed.flush()
