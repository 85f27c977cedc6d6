"""A numbered feed in plain Python, without this package, which loses nothing: bus/PROTOCOL.md section 3.4.

    pip install pyzmq msgpack
    python feed.py ipc://$run/collector.ipc ipc://$run/frontend.ipc EURUSD 100

Posts COUNT ticks: number N has bid N and ask N + 0.5. Ends when the broker has all of them in its journal.
"""

import os
import struct
import sys
import time

import msgpack
import zmq
from hulak_key import connect

ASK_S = 0.25  # between two requests `hulak.feed`
ANSWER_MS = 1000


class Feed:
    """`kept` are the frames that are not safe yet, by number; `sent` is the last number that was sent."""

    def __init__(self, collector: str, frontend: str, symbol: str, count: str) -> None:
        self.topic, self.symbol, self.count = f"tick.{symbol}".encode(), symbol, int(count)
        self.instance = int.from_bytes(os.urandom(8), "big") or 1  # another one at each start
        self.kept: dict[int, bytes] = {}
        self.safe = self.sent = 0
        context = zmq.Context()
        self.live, self.dealer = context.socket(zmq.XPUB), context.socket(zmq.DEALER)
        self.live.setsockopt(zmq.XPUB_NODROP, 1)  # it blocks at a full queue
        self.live.linger, self.dealer.linger = 1000, 0  # ms
        connect(self.live, collector)
        connect(self.dealer, frontend)

    def run(self) -> None:
        """Post all ticks, and wait until they are safe."""
        self.live.recv()  # the broker's subscription: from now on it gets what is sent
        epoch, taken = self.ask()
        for number in range(1, self.count + 1):
            self.kept[number] = self.frame(number)
            self.send(number)
        while self.safe < self.count:
            time.sleep(ASK_S)
            known, before, sent = epoch, taken, self.sent
            epoch, taken = self.ask()
            if taken < sent and (taken <= before or epoch != known):  # it stands still, or the broker was restarted
                for number in range(taken + 1, sent + 1):
                    self.send(number)

    def frame(self, number: int) -> bytes:
        """Make the frame of a tick."""
        now_ns = time.time_ns()
        tick = {"symbol": self.symbol, "bid": number, "ask": number + 0.5, "timestamp": now_ns // 1_000_000, "source": "example"}
        stamp = struct.pack(">QQQ", self.instance, number, now_ns)
        body: bytes = msgpack.packb({**tick, "received_ns": now_ns})
        return self.topic + b"\0" + stamp + body

    def send(self, number: int) -> None:
        """Send a kept tick."""
        self.live.send(self.kept[number])
        self.sent = max(self.sent, number)

    def ask(self) -> tuple[int, int]:
        """Ask how much was taken until there is an answer, and forget what is safe; return the epoch and `taken`."""
        while True:
            request = os.urandom(16)
            args = {"instance": self.instance, "oldest": self.safe + 1}
            self.dealer.send(b"Q" + msgpack.packb([request, "hulak.feed", "", args, {}]))
            while self.dealer.poll(ANSWER_MS):
                answer = self.dealer.recv()
                answered, value = msgpack.unpackb(answer[1:])[:2]
                if answered != request or (answer[:1] == b"E" and value == "BUSY"):  # in a second again
                    continue
                if answer[:1] == b"E":
                    sys.exit(f"the broker refuses the feed: {value}")
                for number in range(self.safe + 1, value["safe"] + 1):
                    del self.kept[number]
                self.safe = max(self.safe, value["safe"])
                return value["epoch"], value["taken"]


if __name__ == "__main__":
    Feed(*sys.argv[1:]).run()
