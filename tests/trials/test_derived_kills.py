"""Bars, conflated ticks and states while their maker and the broker are killed: all of the journal's ticks, once, in order."""

import itertools
import random
import signal
import threading
import time

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.wire import codec
from hulak.clients.derive.rules.derivation import CLOCK_TOPIC, Derivation, Wanted
from hulak.clients.feed import Feed

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
SEED = 20261130
SYMBOLS = ("EURUSD", "USDJPY", "back.EURUSD")
WANTED = Wanted(bars=("1s", "1m"), every=("100ms",), states=True, stale_ms=2000)
SETTINGS = {"derive.bars": "1s,1m", "derive.every": "100ms", "derive.states": True, "derive.stale_s": 2.0}
SHORT_ROUNDS, LONG_ROUNDS = 1, 30
SHORT_TICKS, LONG_TICKS = (50, 250), (200, 900)  # between two ends of processes
SETTLES_S = 30


class Poster:
    """Posts ticks in a thread until its end; some are late, some have one side."""

    def __init__(self, local_bus):
        self.bus, self.draw = local_bus, random.Random(SEED)
        self.stop, self.posted = threading.Event(), 0
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def until(self, count):
        """Wait until `count` ticks were posted."""
        eventually(lambda: self.posted >= count, within_s=60)

    def run(self):
        options = {"settings": self.bus.settings, "home": self.bus.home, "timeout_s": 60.0}
        with Feed("live", **options) as live, Feed("back", prefix="back", **options) as back:
            for symbol in itertools.cycle(SYMBOLS):
                if self.stop.wait(0.004):
                    break
                feed = back if symbol.startswith("back.") else live
                bid, late_ms = round(self.draw.gauss(1.1, 0.01), 5), self.draw.choice((0, 0, 0, 0, 700))
                at_ms = time.time_ns() // 1_000_000 - late_ms
                feed.post(symbol.removeprefix("back."), bid, self.draw.choice((None, bid + 0.0001)), timestamp=at_ms)
                self.posted += 1


def rows_of(local_bus):
    """Return topic, stamp and body of every message of the journal, in the global order."""
    rows, args = [], {"topic": "ticks"}
    with local_bus.client() as client:
        while True:
            answer = client.call("hulak.replay", "", args, timeout_s=20, on_part=rows.extend)
            assert answer["missing"] == []
            if answer["next"] is None:
                break
            args["from"] = answer["next"]
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
    return [codec.decode_publication(frame) for _, frame in rows]


def compared(local_bus):
    """Return the derived messages of the journal, and those that its other messages make."""
    derivation, made, journalled = Derivation(WANTED), [], []
    for message in rows_of(local_bus):
        body = codec.unpack(message.body)
        is_derived = message.topic.startswith(("bar.", "every.", "state."))
        if is_derived and message.topic != CLOCK_TOPIC:
            journalled.append((message.topic, body))
        taken = derivation.take(message.stamp.time_ns, {} if is_derived else body)
        made += [(row.topic, row.body) for row in taken]
    return journalled, made


def test_each_derived_message_is_journalled_once_whatever_is_killed(long, record_figure):
    """Full: some minutes of kills; short: the maker is stopped, it is killed, the broker, and both."""
    draw, kills = random.Random(SEED), 0
    fewest, most = LONG_TICKS if long else SHORT_TICKS
    with LocalBus(**SETTINGS) as local_bus:
        broker, maker = local_bus.start_broker(), local_bus.hulak("derive")
        eventually(lambda: is_connected(local_bus), within_s=30)  # a maker that begins later posts nothing of the ticks before
        with Poster(local_bus) as poster:
            for target in ["stop", "maker", "broker", "both"] * (LONG_ROUNDS if long else SHORT_ROUNDS):
                eventually(lambda: is_connected(local_bus), within_s=30)
                poster.until(poster.posted + draw.randint(fewest, most))
                for process in {"broker": [broker], "both": [broker, maker]}.get(target, [maker]):
                    process.send_signal(signal.SIGTERM if target == "stop" else signal.SIGKILL)
                    process.wait(30)
                kills += 1
                if target in ("broker", "both"):
                    broker = local_bus.start_broker()
                if target != "broker":
                    maker = local_bus.hulak("derive")
        eventually(lambda: is_settled(local_bus), within_s=SETTLES_S, every_s=0.5)
        journalled, made = eventually(lambda: all_there(local_bus), within_s=SETTLES_S, every_s=0.5)
        assert maker.poll() is None, maker.log.read_text()
    assert journalled == made
    states = {(topic, body["state"]) for topic, body in made if topic.startswith("state.")}
    assert states == {(f"state.{symbol}", state) for symbol in SYMBOLS for state in ("fresh", "stale")}
    assert any(body["revision"] for topic, body in made if topic.startswith("bar.1s."))
    record_figure(f"derived messages: {len(made):,} of {poster.posted:,} ticks, each once, {kills} ends of processes")


def is_connected(local_bus):
    """Return whether the maker follows the live ticks."""
    return any(row["name"] == "derive" and row["state"] == "connected" for row in local_bus.stats()["processes"])


def all_there(local_bus):
    """Return both lists of `compared` once they are of one length: the last of them may be on their way."""
    journalled, made = compared(local_bus)
    assert journalled == made[: len(journalled)]
    return (journalled, made) if len(journalled) == len(made) else None


def is_settled(local_bus):
    """Return whether all symbols are stale: then nothing more is made of their ticks but the ends of minutes."""
    with local_bus.client() as client:
        answer = client.call("hulak.last", "", {"topic": "state."}, timeout_s=5)
    bodies = [codec.unpack(codec.decode_publication(frame).body) for frame in answer]
    return sum(body.get("state") == "stale" for body in bodies) == len(SYMBOLS)
