"""How a feed is let in by the broker."""

import asyncio

import structlog
import zmq
from structlog.testing import capture_logs

from bus.process import sockets
from bus.process.settings import Settings
from bus.wire import codec
from bus.wire.messages import Error, Reply
from clients.feeds.publisher import TickPublisher

QUIET = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


class Out:
    """A socket whose subscription event arrives between two looks of the same turn."""

    def __init__(self):
        self.looks = 0
        self.events = []

    def connect(self, where):
        pass

    def poll(self, timeout):
        self.looks += 1
        if self.looks == 1:
            self.events.append(b"\1")  # just behind this look, which does not see it
            return 0
        return len(self.events)

    def recv(self, flags):
        return self.events.pop()


class Asks:
    """A socket whose every request is answered at once."""

    def __init__(self):
        self.answers = []

    def connect(self, where):
        pass

    def send(self, frame, flags):
        request = codec.decode_from_client(frame)
        self.answers.append(codec.encode(Reply(request.id, {"epoch": 7, "taken": 0, "safe": 0})))

    def poll(self, timeout):
        return len(self.answers)

    def recv_multipart(self):
        return [self.answers.pop()]


def test_a_broker_that_subscribes_between_two_looks_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(sockets, "endpoint", lambda *_: "ipc:///nowhere")
    monkeypatch.setattr(sockets, "make", lambda context, kind, **_: Out() if kind == zmq.XPUB else Asks())
    post = TickPublisher(Settings(), tmp_path, "a", QUIET)
    asyncio.run(asyncio.wait_for(post.connect(), 5))
    assert (post.subscribed, post.link.opened) == (True, True)
    post.close()


def test_a_feed_that_the_broker_refuses_says_so_once(tmp_path):
    post = TickPublisher(Settings(), tmp_path, "a", structlog.get_logger())
    post.asks = Asks()
    busy = codec.encode(Error(bytes(16), "BUSY", "1024 feeds have sent something within the hour, no more are remembered"))
    with capture_logs() as logs:
        for _ in range(3):
            post.asks.answers.append(busy)
            post._read_answers()
    assert [(entry["event"], entry["code"]) for entry in logs] == [("feed refused by the broker", "BUSY")]
    assert not post.link.opened
    post.close()
