"""A subscriber in plain Python that repairs its gaps, without this package: bus/PROTOCOL.md sections 3, 4.1 and 7.3.

    pip install pyzmq msgpack
    run=$HOME/.local/state/hulak/run
    python subscriber.py ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100 [RECEIVE_HWM]

Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps. Repaired gaps are reported on standard error.
It connects as hulak_key.py says, which has to be in the same folder.
"""

import os
import struct
import sys

import msgpack
import zmq
from hulak_key import connect

Tick = tuple[int, int, bytes]  # epoch, sequence, body


class Subscriber:
    """One topic: `expected` is the next sequence, 0 before the first; `remaining` ticks to print; `lost` in the current gap."""

    def __init__(self, publisher: str, frontend: str, topic: str, count: str, receive_hwm: str = "100000") -> None:
        self.topic, self.remaining, self.expected, self.epoch, self.lost = topic, int(count), 0, 0, 0
        context = zmq.Context()
        self.live, self.dealer = context.socket(zmq.SUB), context.socket(zmq.DEALER)
        self.live.rcvhwm = int(receive_hwm)  # messages; libzmq's default of 1,000 is less than a burst
        self.live.sndhwm = 0  # or libzmq silently drops subscriptions beyond 1,000
        for name in (topic, "heartbeat"):
            self.live.subscribe(name.encode() + b"\0")  # without the NUL, tick.EURUSDX would match too
        connect(self.live, publisher)
        connect(self.dealer, frontend)

    def run(self) -> None:
        """Print ticks until all are printed."""
        while self.remaining:
            name, _, stamped = self.live.recv().partition(b"\0")
            epoch, sequence = struct.unpack_from(">QQ", stamped)
            if name == self.topic.encode() and epoch >= self.epoch:
                self.expected = self.expected or sequence
                self.repair(epoch, sequence - 1)
                self.show(epoch, sequence, stamped[24:])
            elif name == b"heartbeat" and epoch >= self.epoch:
                last = msgpack.unpackb(stamped[24:])["topics"].get(self.topic, 0)
                if last and self.expected:  # reveals a lost last message too
                    self.repair(epoch, last)

    def show(self, epoch: int, sequence: int, body: bytes) -> None:
        """Print a new tick; it is the next one, or the ticks before it are no longer available."""
        if self.remaining and sequence >= self.expected and epoch <= self.epoch:
            tick = msgpack.unpackb(body)
            print(sequence, tick.get("bid"), tick.get("ask"), flush=True)
            self.lost += sequence - self.expected
            self.expected, self.remaining = sequence + 1, self.remaining - 1

    def repair(self, epoch: int, last: int) -> None:
        """Print all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap."""
        self.lost, before = 0, self.expected
        if epoch > self.epoch:  # it may use numbers again for other ticks: go back to the first of them
            self.expected = min(before, last + 1)
            while self.epoch and any(row[0] > self.epoch for row in self.replay(self.expected - 1, self.expected - 1)[0]):
                self.expected -= 1
            if self.expected < before:
                print(f"epoch {epoch} uses {self.expected}..{before - 1} again", file=sys.stderr)
            self.epoch = epoch
        first = self.expected
        while self.expected <= last and self.remaining:
            ticks, further = self.replay(self.expected, min(last, self.expected + self.remaining - 1))
            for tick in ticks:
                self.show(*tick)
            self.lost, self.expected = self.lost + max(0, further - self.expected), max(further, self.expected)
        if first < self.expected:
            print(f"gap {first}..{self.expected - 1} repaired" + f" but for {self.lost}" * (self.lost > 0), file=sys.stderr)

    def replay(self, first: int, last: int) -> tuple[list[Tick], int]:
        """Request ticks again; return them, and the number behind the last one that is answered."""
        while first:
            request, args = os.urandom(16), {"topic": self.topic, "from": first, "to": last}
            ticks: list[Tick] = []
            self.dealer.send(b"Q" + msgpack.packb([request, "hulak.replay", "", args, {}]))
            while self.dealer.poll(1000):  # a second without an answer, or BUSY: repeat the request
                answer = self.dealer.recv()
                kind, (answered, *values) = answer[:1], msgpack.unpackb(answer[1:])
                if answered != request or (kind == b"E" and values[0] == "BUSY"):
                    continue
                if kind != b"P":  # REPLY or ERROR: nothing before `further` is available
                    further = (values[0]["next"] if kind == b"R" else values[2].get("oldest")) or last + 1
                    return ticks, min(further, last + 1)
                rows = [frame.partition(b"\0")[2] for _, frame in values[1]]
                ticks += [(*struct.unpack_from(">QQ", row), row[24:]) for row in rows]
        return [], 1  # there is no number 0


if __name__ == "__main__":
    Subscriber(*sys.argv[1:]).run()
