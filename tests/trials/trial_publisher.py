"""Stands in for the broker's publisher: states, ticks and statistics from one PUB socket: `python -m trial_publisher HOME`.

For trials of its readers that need states of many displays and no worker.
"""

import random
import signal
import sys
import time
from pathlib import Path

import msgpack
import zmq

from hulak.bus.wire.codec import NUL, STAMP, array_header

DISPLAYS = 24
STATES_PER_S = 30  # of each display
TICKS_PER_S = 1000
LEVELS = 120
TURN_S = 0.004


class Publisher:
    """Numbers and sends."""

    def __init__(self, home):
        self.socket = zmq.Context.instance().socket(zmq.PUB)
        self.socket.sndhwm = 100_000
        self.socket.bind(f"ipc://{home}/run/publisher.ipc")
        self.numbers = {}
        self.draw = random.Random(7)
        self.profiles = [{index: [index, 1, 1, 0] for index in range(LEVELS)} for _ in range(DISPLAYS)]

    def send(self, topic, packed, count=1):
        number = self.numbers.get(topic, 1)
        self.numbers[topic] = number + count
        self.socket.send(topic.encode() + NUL + STAMP.pack(1, number, time.time_ns()) + packed)

    def state(self, number):
        levels, price = self.profiles[number], 1 + self.draw.random() / 1000
        for _ in range(3):
            level = levels[self.draw.randrange(LEVELS)]
            level[1] += 1
            level[2] += 1
        now_ns = time.time_ns()
        values = {
            "display": f"d{number:02d}",
            "symbol": f"SYM{number:02d}",
            "digits": 5,
            "ready": True,
            "price": price,
            "bid": price,
        }
        values |= {"ask": price + 0.0001, "mid": price, "open": 1.0, "high": 1.1, "low": 0.9, "volatility": self.draw.random()}
        values |= {"received_ns": now_ns, "published_ns": now_ns, "timestamp": now_ns // 1_000_000, "twap": price}
        values["profile"] = {
            "bucket": 0.0001,
            "levels": list(levels.values()),
            "ticks": sum(level[1] for level in levels.values()),
        }
        self.send(f"display.d{number:02d}", msgpack.packb(values))

    def ticks(self, count):
        rows = []
        for _ in range(count):
            symbol = f"SYM{self.draw.randrange(DISPLAYS):02d}"
            rows.append(msgpack.packb({"symbol": symbol, "bid": 1.0, "ask": 1.1, "timestamp": 1, "source": "trial"}))
        self.send("ticks", array_header(count) + b"".join(rows), count)


def main(home):
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    publisher = Publisher(home)
    started, states, ticks, stats = time.monotonic(), 0, 0, 0
    while not stopping:
        time.sleep(TURN_S)
        passed = time.monotonic() - started
        while states < passed * STATES_PER_S * DISPLAYS:
            publisher.state(states % DISPLAYS)
            states += 1
        if (due := int(passed * TICKS_PER_S) - ticks) > 0:
            publisher.ticks(due)
            ticks += due
        if passed > stats:
            stats += 1
            publisher.send("stats", msgpack.packb({"broker": {}, "processes": []}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
