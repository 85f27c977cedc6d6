"""A subscriber in plain Python that repairs its gaps, without this package: bus/PROTOCOL.md sections 3, 4 and 7.3.

    pip install pyzmq msgpack
    run=$HOME/.local/state/hulak/run
    python subscriber.py ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100 [RECEIVE_HWM]

Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps. Repaired gaps are reported on standard error.
To addresses of TCP it connects with the key in the file that HULAK_KEY names: section 14.
"""

import os
import struct
import sys
import tomllib

import msgpack
import zmq


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
            epoch, sequence, _ = struct.unpack_from(">QQQ", stamped)
            if name == b"heartbeat":  # has the last numbers, which reveal a lost last message too
                self.repair(msgpack.unpackb(stamped[24:])["topics"].get(self.topic, 0))
            elif name == self.topic.encode() and epoch >= self.epoch:
                if epoch > self.epoch and sequence < self.expected:
                    print(f"epoch {epoch} uses {sequence}..{self.expected - 1} again", file=sys.stderr)
                    self.expected = sequence
                self.epoch, self.expected = epoch, self.expected or sequence
                self.repair(sequence - 1)
                self.show(sequence, stamped[24:])

    def show(self, sequence: int, body: bytes) -> None:
        """Print a new tick; it is the next one, or the ticks before it are no longer available."""
        if self.remaining and sequence >= self.expected:
            tick = msgpack.unpackb(body)
            print(sequence, tick.get("bid"), tick.get("ask"), flush=True)
            self.lost += sequence - self.expected
            self.expected, self.remaining = sequence + 1, self.remaining - 1

    def repair(self, last: int) -> None:
        """Request all ticks from the expected one to `last` again; live ticks wait meanwhile, and an overflow is the next gap."""
        first, self.lost = self.expected, 0
        while 0 < self.expected <= last and self.remaining:
            upto, request, ended = min(last, self.expected + self.remaining - 1), os.urandom(16), False
            args = {"topic": self.topic, "from": self.expected, "to": upto}
            self.dealer.send(b"Q" + msgpack.packb([request, "hulak.replay", "", args, {}]))
            while not ended and self.dealer.poll(1000):  # a second without an answer, or BUSY: repeat the request
                answer = self.dealer.recv()
                kind, (answered, *values) = answer[:1], msgpack.unpackb(answer[1:])
                if answered != request or (kind == b"E" and values[0] == "BUSY"):
                    continue
                if kind == b"P":
                    for _, frame in values[1]:
                        _, _, row = frame.partition(b"\0")
                        self.show(struct.unpack_from(">Q", row, 8)[0], row[24:])
                else:  # REPLY or ERROR: nothing before `further` is available
                    further = (values[0]["next"] if kind == b"R" else values[2].get("oldest")) or upto + 1
                    self.lost += max(0, min(further, upto + 1) - self.expected)
                    self.expected, ended = max(self.expected, min(further, upto + 1)), True
        if first < self.expected:
            print(f"gap {first}..{self.expected - 1} repaired" + f" but for {self.lost}" * (self.lost > 0), file=sys.stderr)


def connect(socket: "zmq.Socket[bytes]", address: str) -> None:
    """Connect a socket: with a key if `HULAK_KEY` names its file and the address is TCP."""
    path = os.environ.get("HULAK_KEY")
    if not path or not address.startswith("tcp:"):
        socket.connect(address)
        return
    with open(path, "rb") as file:  # noqa: PTH123 - an example
        key = {name: value.encode() for name, value in tomllib.load(file).items()}
    socket.immediate = 1  # nothing is queued for a connection that is not made
    socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = key["public"], key["secret"], key["server"]
    socket.connect(address)
    if "server_next" in key:  # the broker's key is being replaced: of these two connections only one is made
        socket.curve_serverkey = key["server_next"]
        socket.connect(address.replace("tcp://", "tcp://0.0.0.0:0;"))  # libzmq connects to one text of an address only once


if __name__ == "__main__":
    Subscriber(*sys.argv[1:]).run()
