"""Thousands of exact subscriptions in one subscriber: all come, and the broker answers others meanwhile."""

import json
import signal
import time

import bare
import pytest
from load import Pings
from local_bus import LocalBus
from stage import FOUND
from verdicts import assert_well
from waiting import eventually

from hulak.bus.wire.messages import FIRST_MS

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
PING_S, SHORT_PING_S = 0.5, 15.0  # the short form shares the machine with other tests
COME_S = 60


class Market:
    """A feed that gives each of very many symbols its next value when asked to."""

    def __init__(self, local_bus, count):
        self.names = [f"X{at:05d}" for at in range(count)]
        self.feed = bare.Feed(local_bus.addresses["collector"], local_bus.addresses["frontend"])
        self.value = 0

    def move(self):
        """Post one tick of each symbol; returns when all are safe."""
        self.value += 1
        for name in self.names:
            quote = {
                "symbol": name,
                "bid": float(self.value),
                "ask": self.value + 0.5,
                "timestamp": FIRST_MS + self.value,
                "source": "m",
            }
            self.feed.post(f"tick.{name}", bare.pack(quote))
        assert self.feed.settle(COME_S)


def came(path, value):
    """Count the symbols whose newest value that came is this one."""
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
    return len({line["symbol"] for line in lines if line.get("bid") == value})


def test_each_of_very_many_symbols_comes_at_the_start_live_and_after_a_restart(tmp_path, long, record_figure):
    """Full: 10,000 topics and as many subscriptions; short: 1,500."""
    count = 10_000 if long else 1_500
    with LocalBus(**{"broker.max_topics": 20_000}) as local_bus:
        local_bus.broker = local_bus.start_broker()
        market, log, results = Market(local_bus, count), tmp_path / "came.jsonl", {}
        market.move()

        def all_come(what, first, value):
            began = time.monotonic()
            first()
            eventually(lambda: came(log, value) == count, within_s=COME_S, every_s=0.1)
            results[what] = (time.monotonic() - began, pings.slowest_s())

        def start():
            local_bus.exact = local_bus.start("-m", "trial_exact", count, log, **FOUND)

        with Pings(local_bus.addresses) as pings:
            all_come("joining", start, 1)
            all_come("a tick each", market.move, 2)
        local_bus.broker.kill()
        local_bus.broker.wait()
        local_bus.broker = local_bus.start_broker()
        with Pings(local_bus.addresses) as pings:
            all_come("a tick each after a restart", market.move, 3)
            assert_well(local_bus)
            local_bus.exact.send_signal(signal.SIGTERM)
            assert local_bus.exact.wait(COME_S) == 0, local_bus.exact.log.read_text()
            eventually(lambda: local_bus.stats()["ticks"]["subscriptions"] == 0, within_s=COME_S)
            results["leaving"] = (0.0, pings.slowest_s())
        counters = json.loads(log.read_text().splitlines()[-1])["counters"]
    figures = (f"{item} {took_s:.2f} s, slowest ping {slowest_s:.3f} s" for item, (took_s, slowest_s) in results.items())
    record_figure(f"{count:,} exact subscriptions: {', '.join(figures)}; {counters}")
    assert counters["lost"] == 0
    assert max(slowest_s for _, slowest_s in results.values()) < (PING_S if long else SHORT_PING_S), results
