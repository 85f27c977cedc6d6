"""A broker's frontend that does what a test says: it takes requests, alone and several in a frame, and answers them."""

import contextlib
import threading

import zmq

from hulak.bus.process.settings import BrokerSettings, SecuritySettings, Settings
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.messages import Reply

WITHIN_MS = 10_000
OPEN = SecuritySettings(loopback="open")  # its peers connect by TCP, without keys


class FakeBroker:
    """A ROUTER.

    Args:
        port: of a broker that was there before; a free one if 0.
    """

    def __init__(self, port=0):
        self.context = zmq.Context()
        self.router = self.context.socket(zmq.ROUTER)
        self.router.linger = 0
        self.router.bind(f"tcp://127.0.0.1:{port or '*'}")
        self.address = self.router.getsockopt_string(zmq.LAST_ENDPOINT)
        self.port = int(self.address.rpartition(":")[2])
        self.settings = Settings(broker=BrokerSettings(frontend=self.address), security=OPEN)
        self.client = b""
        self.sizes = []  # of the frames that came: how many requests each held
        self.stopped = threading.Event()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.context.destroy(linger=0)

    def receive(self, within_ms=WITHIN_MS):
        """Receive one frame; return its requests."""
        assert self.router.poll(within_ms), "nothing came"
        self.client, frame = self.router.recv_multipart()
        if frame[:1] == batch_frames.REQUESTS:
            requests, refused = batch_frames.read_requests(frame)
            assert not refused
        else:
            requests = [codec.decode_from_client(frame)]
        self.sizes.append(len(requests))
        return requests

    def receive_all(self, count):
        """Receive that many requests."""
        requests = []
        while len(requests) < count:
            requests += self.receive()
        return requests

    def answer(self, requests):
        """Answer each with twice its n, together."""
        for frame in batch_frames.encode([Reply(request.id, 2 * request.args["n"]) for request in requests]):
            self.router.send_multipart([self.client, frame])

    def serve(self):
        """Answer everything, until `stopped`; for a thread."""
        while not self.stopped.is_set():
            if self.router.poll(20):
                self.answer(self.receive())

    @contextlib.contextmanager
    def serving(self):
        """Answer everything in a thread meanwhile."""
        thread = threading.Thread(target=self.serve)
        thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            thread.join()
