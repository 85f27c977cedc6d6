"""A feed of a test: posts ticks with running prices, without a number."""

import time

import zmq

from hulak.bus.wire import codec
from hulak.bus.wire.messages import FIRST_MS, Tick


class UnnumberedFeed:
    """An unnumbered feed with its connection."""

    def __init__(self, local_bus):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.sndhwm = 100_000
        self.socket.connect(local_bus.addresses["collector"])
        assert self.socket.poll(10_000)
        self.price = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)

    def post(self, count, *symbols):
        for _ in range(count):
            for symbol in symbols or ("EURUSD",):
                self.price += 1
                tick = Tick(symbol, float(self.price), self.price + 0.5, FIRST_MS + self.price, "test")
                self.socket.send(codec.feed_frame(symbol, 0, 1, time.time_ns(), codec.pack_tick(tick)))

    def post_padded(self, size, symbol="EURUSD"):
        """Post one tick whose body has this many bytes more."""
        self.price += 1
        body = {"symbol": symbol, "bid": self.price, "ask": self.price, "timestamp": FIRST_MS, "source": "x", "pad": "x" * size}
        self.post_body(symbol, body)

    def post_body(self, symbol, body):
        """Post a tick of a symbol with any body."""
        self.socket.send(codec.feed_frame(symbol, 0, 1, time.time_ns(), codec.pack(body)))
