"""Sets a trial up: a broker, a counting feed and subscribers as real processes, their logs in a folder, read by the checker."""

import contextlib
import json
import random
import signal
import time

from checker import read_feed, read_subscriber, recoveries, report
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusTimeout

SYMBOLS = 28
STARTS_S = 60
ENDS_S = 120
FOUND = {"PYTHONPATH": "tests/support:tests/trials:."}


class Stage(LocalBus):
    """A bus with the programs of the trials."""

    def __init__(self, folder, **settings):
        super().__init__(**settings)
        self.folder = folder
        self.broker = None
        self.feed = None
        self.groups = []
        self.logs = {}  # name of a subscriber -> its log

    def start_feed(self, rate=1000, symbols=SYMBOLS):
        """Start the feed and wait until it is connected."""
        path = self.folder / "feed.jsonl"
        self.feed = self.start("-m", "trial_feed", path, rate, symbols, **FOUND)
        eventually(lambda: path.exists() and path.stat().st_size, within_s=STARTS_S)
        return self.feed

    def start_subscribers(self, *subscriptions):
        """Start one process with a subscriber for each of these lists of topics; wait until all have joined."""
        first = len(self.logs)
        logs = {f"{at:02d}-{topics[0]}": self.folder / f"{at:02d}.jsonl" for at, topics in enumerate(subscriptions, first)}
        plan = [{"log": str(log), "topics": topics} for log, topics in zip(logs.values(), subscriptions, strict=True)]
        process = self.start("-m", "trial_subscribers", json.dumps(plan), **FOUND)
        eventually(lambda: all(log.exists() and log.stat().st_size for log in logs.values()), within_s=STARTS_S)
        self.logs |= logs
        self.groups.append(process)
        return process

    def calm(self, within_s):
        """Wait until the broker answers, and counts ticks."""

        def serves():
            with contextlib.suppress(BusTimeout):
                return self.client_call("hulak.ping")

        eventually(serves, within_s=within_s)

    def client_call(self, service, **args):
        """Ask the broker for something."""
        with self.client() as client:
            return client.call(service, args=args, timeout_s=2)

    def end(self):
        """Stop the feed when all is confirmed, then the subscribers when they have all of it."""
        self.feed.send_signal(signal.SIGTERM)
        assert self.feed.wait(ENDS_S) == 0, self.feed.log.read_text()[-2000:]
        for group in self.groups:
            group.send_signal(signal.SIGTERM)
        for group in self.groups:
            assert group.wait(ENDS_S) == 0, group.log.read_text()[-2000:]

    def check(self):
        """Read all logs; returns the report, and the readers by name."""
        feed = read_feed(lines(self.folder / "feed.jsonl"))
        readers = {name: read_subscriber(name, lines(path), feed) for name, path in self.logs.items()}
        return report(feed, list(readers.values())), readers


def lines(path):
    """Read a log line by line."""
    with path.open(encoding="ascii") as file:
        for line in file:
            yield json.loads(line)


def mixed(count):
    """Draw up subscriptions of all three kinds: everything at once, everything symbol by symbol, some symbols."""
    exact = [[f"tick.SYM{(at * 3 + more) % SYMBOLS:02d}" for more in range(4)] for at in range(count)]
    kinds = (lambda at: ["ticks"], lambda at: exact[at], lambda at: ["tick."])
    return [kinds[at % 3](at) for at in range(count)]


def storm(stage, count, seed):
    """Kill the broker at random moments and start it again at once; returns when each kill was."""
    draw, kills = random.Random(seed), []
    due = time.monotonic() + draw.uniform(0.5, 3.0)
    for _ in range(count):
        time.sleep(max(0.0, due - time.monotonic()))
        kills.append(time.monotonic())
        stage.broker.kill()
        stage.broker.wait()
        stage.broker = stage.start("-m", "hulak.bus")
        due = kills[-1] + draw.uniform(0.5, 3.0)
    return kills


def recovery_report(kills, readers):
    """Print how long it took, after each kill, until every reader was served again."""
    pairs = recoveries(kills, list(readers.values()))
    again_s = sorted(last for last, _ in pairs)
    middle, most, longest = again_s[len(again_s) // 2], again_s[-1], max(first for _, first in pairs)
    return again_s, (
        f"served again {len(again_s)} times after {len(kills)} kills: p50 {middle:.3f} s, max {most:.3f} s after the last one; "
        f"{longest:.3f} s at most after the first of several in a row"
    )
