"""The tick service with real sockets and a real journal, its turns by hand: a tick is written before it is published."""

import errno
import itertools
import os
import time

import pytest
import structlog
import zmq
from local_bus import LocalBus
from request_arguments import serve
from waiting import eventually

from hulak.bus.backoff import Backoff
from hulak.bus.broker.bug_guard import BugGuard
from hulak.bus.broker.connections import Connections
from hulak.bus.broker.storage.journal import Journal
from hulak.bus.broker.tick_service import TickService
from hulak.bus.core.broker_state import BrokerState, Limits
from hulak.bus.core.connection_admission import Bound
from hulak.bus.core.effects import Asker, ToClient
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError
from hulak.bus.process import sockets
from hulak.bus.process.lifecycle import make_home
from hulak.bus.process.listening import OPEN
from hulak.bus.process.socket_poll import SocketPoll
from hulak.bus.wire import codec
from hulak.bus.wire.messages import FIRST_MS, Error, Part, Reply, Tick
from hulak.bus.wire.names import TICKS

LOG = structlog.get_logger()
WITHIN_S = 10
FEED = 5  # instance


def tick_frame(symbol, number, bid=1.25):
    return codec.feed_frame(symbol, FEED, number, 1, codec.pack_tick(Tick(symbol, bid, bid + 1, FIRST_MS, "x")))


def key(symbol):
    return codec.tick_topic(symbol) + b"\0"


class TickFixture:
    """The service as in a broker, one feed, and subscribers."""

    def __init__(self, local_bus, context):
        make_home(local_bus.home)
        self.context, self.settings = context, local_bus.settings
        self.journal = Journal(local_bus.home / "journal", self.settings.journal, "boot", time.time_ns)
        state = self.journal.open(0.0).state
        self.rejected, self.connected = [], []
        policy, backoff = Policy(), Backoff(0.5, 60.0, lambda: 0.5)
        self.bus = BrokerState(state.epoch, "1", Limits(), policy, self.rejected.append, 0.0, backoff, self.journal.ordinals)
        self.bus.restore(state)
        self.connections = Connections(context, Bound(100, 10), LOG)
        self.guard = BugGuard(LOG)
        self.service = TickService(
            context, self.settings, local_bus.home, self.journal, self.bus, self.connections, self.reject, self.guard, LOG, OPEN
        )
        self.poller = SocketPoll()
        self.service.register(self.poller)
        self.feed = self.connect(zmq.XPUB, "collector")
        eventually(lambda: self.service.collector.poll(0) or self.feed.poll(10), within_s=WITHIN_S)  # it has subscribed
        self.source = self.bus.intake.open(FEED, 1, 0.0)

    def reject(self, socket, error):
        self.rejected.append(error)

    def connect(self, kind, name, *prefixes):
        socket = self.context.socket(kind)
        for prefix in prefixes:
            socket.subscribe(prefix)
        socket.connect(getattr(self.settings.broker, name))
        self.connected.append(socket)
        return socket

    def take(self, *frames):
        """Let the service receive these frames from the feed."""
        taken = self.bus.topics.ticks + len(frames)
        for frame in frames:
            self.feed.send(frame)
        eventually(lambda: self.service.ticks(1.0) or self.bus.topics.ticks == taken, within_s=WITHIN_S, every_s=0.001)

    def until_subscribed(self, *prefixes):
        """Let the service read subscriptions, until it has all of these."""

        def is_there():
            for subscriber in self.connected:
                subscriber.poll(0)  # libzmq then sends its subscriptions, at first and after a reconnection
            if self.service.publisher.poll(10):
                self.service.subscriptions()
            return all(map(self.bus.topics.subscriptions.covers, prefixes))

        eventually(is_there, within_s=WITHIN_S)

    def subscriber(self, *prefixes):
        """Connect a subscriber, and let the service read its subscriptions."""
        socket = self.connect(zmq.SUB, "publisher", *prefixes)
        self.until_subscribed(*prefixes)
        return socket

    def close(self):
        self.service.close()
        self.connections.close()


@pytest.fixture
def fixture(context):
    with LocalBus() as local_bus:
        made = TickFixture(local_bus, context)
        yield made
        made.close()


def received(socket, count=1):
    publications = []
    for _ in range(count):
        assert socket.poll(WITHIN_S * 1000)
        publications.append(codec.decode_publication(socket.recv()))
    return publications


# The journal goes first


def test_a_tick_is_in_the_journal_before_it_is_published(fixture, monkeypatch):
    fixture.subscriber(b"tick.", TICKS)
    [segment] = fixture.journal.folder.glob("*.hj")
    send, sent = sockets.send_frame, []

    def check_and_send(socket, frame, *flags):
        if socket is fixture.service.publisher:
            sent.append((frame, segment.read_bytes()))
        return send(socket, frame, *flags)

    monkeypatch.setattr(sockets, "send_frame", check_and_send)
    before = fixture.service.published
    fixture.take(tick_frame("EURUSD", 1), tick_frame("USDJPY", 2))
    single = [(frame, data) for frame, data in sent if frame.startswith(b"tick.")]
    assert [frame.partition(b"\0")[0] for frame, _ in single] == [b"tick.EURUSD", b"tick.USDJPY"]
    assert all(frame in data for frame, data in single)
    records = [frame for frame, _ in single]
    for frame, data in sent:
        if frame.startswith(TICKS):  # one message for both, or one each
            together = codec.decode_publication(frame)
            first = together.stamp.sequence
            assert all(record in data for record in records[first - 1 : first - 1 + len(codec.unpack(together.body))])
    assert fixture.service.published - before == sum(len(frame) for frame, _ in sent)
    assert (fixture.source.last, fixture.source.safe) == (2, 2)


def test_ticks_of_a_journal_that_fails_are_published_under_a_larger_epoch_and_are_not_safe(fixture, monkeypatch):
    listener = fixture.subscriber(key("EURUSD"))
    fixture.take(tick_frame("EURUSD", 1))
    [before] = received(listener)

    def full(batch):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(fixture.journal, "write", full)
        fixture.take(tick_frame("EURUSD", 2))
    [after] = received(listener)
    assert after.stamp.epoch == fixture.bus.epoch == fixture.journal.epoch == before.stamp.epoch + 1
    assert (after.stamp.sequence, fixture.source.last, fixture.source.safe) == (2, 2, 1)
    stats = fixture.service.stats()
    assert (stats["state"], stats["held"], stats["lost"]) == ("degraded", 1, 0)
    assert "No space left" in stats["why"]
    fixture.take(tick_frame("EURUSD", 3))
    assert (received(listener)[0].stamp.epoch, fixture.source.safe) == (after.stamp.epoch, 1)

    now = iter(range(2, 1000))
    eventually(lambda: fixture.service.beat(float(next(now))) or not fixture.journal.degraded, within_s=WITHIN_S)
    assert (fixture.source.safe, fixture.service.stats()["held"], fixture.journal.last) == (3, 0, 3)


def test_a_feed_need_not_keep_a_refused_tick_but_none_is_safe_while_the_journal_fails(fixture, monkeypatch):
    bad = codec.feed_frame("EURUSD", FEED, 1, 1, b"\xc1")

    def refused(count):
        return lambda: fixture.service.ticks(1.0) or len(fixture.rejected) == count

    fixture.feed.send(bad)
    eventually(refused(1), within_s=WITHIN_S, every_s=0.001)
    assert (fixture.source.safe, fixture.bus.topics.ticks, fixture.journal.last) == (1, 0, 0)
    fixture.journal.degraded = "the disk is full"
    fixture.feed.send(codec.feed_frame("EURUSD", FEED, 2, 1, b"\xc1"))
    eventually(refused(2), within_s=WITHIN_S, every_s=0.001)
    assert (fixture.source.last, fixture.source.safe) == (2, 1)
    fixture.journal.degraded = ""


# Subscriptions are paired with the last values sent to their subscribers


def test_each_subscriber_gets_the_last_value_of_its_topic_only(fixture):
    fixture.take(tick_frame("EURUSD", 1, 1.5), tick_frame("USDJPY", 2, 2.5), tick_frame("GBPUSD", 3, 3.5))
    symbols = ("EURUSD", "USDJPY", "GBPUSD")
    listeners = [fixture.connect(zmq.SUB, "publisher", key(symbol)) for symbol in symbols]
    fixture.until_subscribed(*map(key, symbols))
    fixture.take(*(tick_frame(symbol, 4 + at, 9.5 + at) for at, symbol in enumerate(symbols)))
    for at, (symbol, listener) in enumerate(zip(symbols, listeners, strict=True)):
        publications = received(listener, 2)
        assert [(publication.topic, publication.stamp.sequence) for publication in publications] == [
            (f"tick.{symbol}", 1),
            (f"tick.{symbol}", 2),
        ]
        assert [codec.unpack(publication.body)["bid"] for publication in publications] == [1.5 + at, 9.5 + at]
        assert not listener.poll(0)


def test_messages_after_an_ended_subscription_go_to_all(fixture):
    stays, leaves = fixture.subscriber(key("EURUSD")), fixture.subscriber(key("EURUSD"), key("USDJPY"))
    leaves.unsubscribe(key("EURUSD"))
    leaves.unsubscribe(key("USDJPY"))

    def has_left():
        if fixture.service.publisher.poll(10):
            fixture.service.subscriptions()
        return not fixture.bus.topics.subscriptions.covers(key("USDJPY"))

    eventually(has_left, within_s=WITHIN_S)
    fixture.take(tick_frame("EURUSD", 1))
    assert received(stays)[0].topic == "tick.EURUSD"


def test_a_subscription_that_is_too_long_is_refused_and_the_next_one_gets_its_own(fixture):
    fixture.take(tick_frame("EURUSD", 1))
    listener = fixture.connect(zmq.SUB, "publisher", b"x" * (sockets.MAX_SUBSCRIPTION + 1), key("EURUSD"))
    eventually(lambda: fixture.until_subscribed(key("EURUSD")) or fixture.rejected, within_s=WITHIN_S)  # in any order
    assert [error.code for error in fixture.rejected] == ["TOO_LARGE"]
    assert received(listener)[0].topic == "tick.EURUSD"


def test_bytes_that_are_no_subscription_are_refused_and_all_resubscribe_if_others_followed_them(fixture):
    fixture.take(tick_frame("EURUSD", 1))
    listener = fixture.subscriber(key("EURUSD"))
    received(listener)
    unknown, publisher = fixture.connect(zmq.XSUB, "publisher"), fixture.service.publisher
    numbers = itertools.count()

    def is_refused():
        unknown.send(b"no subscription")
        unknown.send(b"\1" + key(f"X{next(numbers)}"))  # if it comes later than those bytes, they have shifted nothing
        if fixture.service.publisher.poll(10):
            fixture.service.subscriptions()
        return fixture.service.publisher is not publisher

    eventually(is_refused, within_s=WITHIN_S)
    assert {error.code for error in fixture.rejected} == {"BAD_FRAME"}
    assert fixture.service.publisher in fixture.poller
    assert publisher not in fixture.poller
    unknown.close(linger=0)
    fixture.connected.remove(unknown)
    fixture.until_subscribed(key("EURUSD"))
    assert received(listener)[0].topic == "tick.EURUSD"


# Replays


def replayed(fixture, request, now=1.0, **args):
    """Request a replay; returns the effects."""
    return serve("hulak.replay", Asker(b"c", request), now, args, ticks=fixture.service)


def test_a_replay_returns_parts_and_then_its_summary_as_effects(fixture):
    fixture.take(*(tick_frame("EURUSD", number) for number in range(1, 6)))
    assert replayed(fixture, b"i" * 16, topic="ticks", **{"from": 2}) == []
    effects = []
    while fixture.service.replays:
        effects += fixture.service.step_replays(1.0)
    assert {effect.identity for effect in effects} == {b"c"}
    *parts, end = [effect.message for effect in effects]
    assert [(type(part), part.number) for part in parts] == [(Part, at + 1) for at in range(len(parts))]
    assert [number for part in parts for number, _ in part.value] == [2, 3, 4, 5]
    assert end == Reply(b"i" * 16, {"count": 4, "next": None, "missing": []})


def test_a_replay_that_is_requested_again_replaces_the_one_before(fixture):
    fixture.take(tick_frame("EURUSD", 1))
    replayed(fixture, b"i" * 16, topic="ticks")
    [effect] = replayed(fixture, b"j" * 16, topic="ticks")
    assert isinstance(effect, ToClient)
    assert (effect.message.id, effect.message.code) == (b"i" * 16, "REPLACED")
    with pytest.raises(ProtocolError) as caught:
        replayed(fixture, b"k" * 16, topic="tick.NOBODY")
    assert caught.value.code == "UNKNOWN_TOPIC"


def test_a_replay_that_meets_a_bug_is_answered_and_logged_and_the_others_continue(fixture, monkeypatch):
    fixture.take(tick_frame("EURUSD", 1))
    replayed(fixture, b"i" * 16, topic="ticks")
    with monkeypatch.context() as patch:
        patch.setattr(fixture.service.replays, "source", None)
        [effect] = fixture.service.step_replays(1.0)
    assert isinstance(effect.message, Error)
    assert (effect.message.id, effect.message.code, fixture.guard.total) == (b"i" * 16, "INTERNAL", 1)
    assert not fixture.service.replays
