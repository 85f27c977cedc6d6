"""How a feed is let in by the broker."""

import asyncio
from types import SimpleNamespace

import pytest
import structlog
from structlog.testing import capture_logs

from hulak.bus.process import endpoints, sockets
from hulak.bus.process.settings import Settings
from hulak.bus.wire.messages import Error, Reply
from hulak.clients.feeds import publisher
from hulak.clients.feeds.publisher import TickPublisher

QUIET = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


class Out:
    """A socket whose subscription event arrives between two polls of the same turn."""

    def __init__(self):
        self.polls = 0
        self.events = []

    def connect(self, where):
        pass

    def poll(self, timeout):
        self.polls += 1
        if self.polls == 1:
            self.events.append(b"\1")  # just behind this look, which does not see it
            return 0
        return len(self.events)

    def recv(self, flags):
        return self.events.pop()


class Requests:
    """A channel whose every request is answered at once."""

    def __init__(self, *_):
        self.came = []

    def ask_now(self, service, args, *, about, timeout_s):
        assert (service, sorted(args), timeout_s > 0) == ("hulak.feed", ["instance", "oldest"], True)
        self.came.append((SimpleNamespace(about=about), Reply(bytes(16), {"epoch": 7, "taken": 0, "safe": 0})))

    def answers(self):
        while self.came:
            yield self.came.pop()

    def step(self):
        return []

    def close(self):
        pass


@pytest.fixture(autouse=True)
def channel(monkeypatch):
    monkeypatch.setattr(publisher, "RequestChannel", Requests)


def test_a_broker_that_subscribes_between_two_polls_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(endpoints, "find", lambda *_: sockets.BrokerAddress("ipc:///nowhere"))
    monkeypatch.setattr(sockets, "make", lambda *_, **__: Out())
    post = TickPublisher(Settings(), tmp_path, "a", QUIET)
    asyncio.run(asyncio.wait_for(post.connect(), 5))
    assert (post.subscribed, post.link.opened) == (True, True)
    post.close()


def test_a_feed_that_the_broker_refuses_logs_it_once(tmp_path):
    post = TickPublisher(Settings(), tmp_path, "a", structlog.get_logger())
    busy = Error(bytes(16), "BUSY", "1024 feeds have sent something within the hour, no more are remembered")
    with capture_logs() as logs:
        for _ in range(3):
            post.requests.came.append((None, busy))
            post._read_answers()
    assert [(entry["event"], entry["code"]) for entry in logs] == [("feed refused by the broker", "BUSY")]
    assert not post.link.opened
    post.close()


def test_a_confirmation_of_ticks_that_were_never_sent_is_logged_and_ignored(tmp_path):
    post = TickPublisher(Settings(), tmp_path, "a", structlog.get_logger())
    with capture_logs() as logs:
        request = SimpleNamespace(about=post.link.asked())
        post.requests.came.append((request, Reply(bytes(16), {"epoch": 7, "taken": 5, "safe": 5})))
        post._read_answers()
    assert [entry["event"] for entry in logs] == ["answer refused"]
    assert not post.link.opened
    post.close()
