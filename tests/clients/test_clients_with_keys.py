"""Clients that have a key, against sockets with CURVE: their calls and topics, and what they raise when the key is refused."""

import asyncio
import threading

import pytest
import zmq
from curve_peer import CurvePeer
from waiting import eventually

from hulak.bus.errors import BusError, BusTimeout, ConfigError, Forbidden, HandshakeFailed
from hulak.bus.process import key_files
from hulak.bus.process.requests import RequestChannel
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.messages import Error, Reply
from hulak.bus.wire.subscriber_names import SUBSCRIBER
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.calls.client import BusClient
from hulak.clients.displays.client import DisplayClient
from hulak.clients.feed import Feed
from hulak.clients.nepse.client import NepseClient
from hulak.clients.subscriber import Subscriber

WITHIN_S = 10
MS = WITHIN_S * 1000


@pytest.fixture
def peer():
    peer = CurvePeer()
    yield peer
    peer.end()


def answer(peer, make):
    """Answer requests in a thread, until the peer ends or nothing comes any more."""

    def serve():
        router = peer.sockets["frontend"]
        while router.poll(MS):
            identity, frame = router.recv_multipart()
            batch = frame[:1] == batch_frames.REQUESTS
            for request in batch_frames.read_requests(frame)[0] if batch else [codec.decode_from_client(frame)]:
                message = make(request)
                if message is None:
                    return
                router.send_multipart([identity, codec.encode(message)])

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def pong(request):
    return Reply(request.id, "pong")


def publication(topic, sequence, value):
    return topic.encode() + b"\0" + codec.STAMP.pack(1, sequence, 5) + codec.pack(value)


def last(request):
    """Answer one request only."""
    return pong(request) if request.args.get("n") != "last" else None


def test_a_client_with_a_key_calls(peer):
    peer.bind("frontend")
    thread = answer(peer, last)
    with BusClient(peer.settings(), peer.home, key=peer.key()) as client:
        assert client.call("noop", "noop", timeout_s=WITHIN_S) == "pong"
        assert list(client.map("noop", "noop", [{"n": n} for n in range(100)], timeout_s=WITHIN_S)) == ["pong"] * 100
        client.submit("noop", "noop", {"n": "last"})
        client.poll()
        thread.join(WITHIN_S)


def test_an_asyncio_client_with_a_key_calls(peer):
    peer.bind("frontend")
    thread = answer(peer, last)

    async def call():
        async with AsyncBusClient(peer.settings(), peer.home, key=peer.key()) as client:
            assert await client.call("noop", "noop", timeout_s=WITHIN_S) == "pong"
            client.submit("noop", "noop", {"n": "last"}).add_done_callback(lambda done: done.cancelled() or done.exception())
            await asyncio.to_thread(thread.join, WITHIN_S)

    asyncio.run(call())


REFUSED = {
    "client": lambda settings, home, key: BusClient(settings, home, key=key).call("hulak.ping", timeout_s=WITHIN_S),
    "nepse": lambda settings, home, key: NepseClient(settings, home, key=key).get_summary(),
    "displays": lambda settings, home, key: DisplayClient(settings, home, key=key).rows(),
    "subscriber": lambda settings, home, key: Subscriber("tick.", settings=settings, home=home, key=key, timeout_s=WITHIN_S),
    "feed": lambda settings, home, key: Feed("model", settings=settings, home=home, key=key).open(),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("code", ["UNKNOWN_KEY", "WRONG_SERVER_KEY", "KEY_NEEDED", "NO_KEYS"])
def test_every_client_returns_why_it_has_no_connection(peer, kind, code):
    peer.bind(keys=code != "NO_KEYS")
    other = {"server": key_files.new_pair().public} if code == "WRONG_SERVER_KEY" else {}
    key = None if code == "KEY_NEEDED" else peer.key(accepted=code != "UNKNOWN_KEY", **other)
    with pytest.raises(HandshakeFailed) as error:
        REFUSED[kind](peer.settings(), peer.home, key)
    assert error.value.code == code


def test_an_asyncio_client_returns_why_it_has_no_connection(peer):
    peer.bind("frontend")

    async def call():
        async with AsyncBusClient(peer.settings(), peer.home, key=peer.key(accepted=False)) as client:
            codes = []
            for _ in range(2):
                with pytest.raises(HandshakeFailed) as error:
                    await client.call("noop", timeout_s=WITHIN_S)
                codes.append(error.value.code)
            return codes

    assert asyncio.run(call()) == ["UNKNOWN_KEY"] * 2


@pytest.mark.parametrize("kind", REFUSED)
def test_a_missing_file_is_named_before_anything_is_sent(peer, kind):
    with pytest.raises(ConfigError, match=r"nowhere\.secret"):
        REFUSED[kind](peer.settings(), peer.home, peer.home / "nowhere.secret")


def test_an_address_without_a_broker_is_no_matter_of_keys(peer):
    with BusClient(peer.settings(), peer.home, key=peer.key()) as client, pytest.raises(BusTimeout, match="no broker answers"):
        client.call("hulak.ping", timeout_s=0.2)


def test_calls_end_when_the_key_is_revoked_and_work_again_when_it_is_accepted(peer):
    peer.bind("frontend")
    path = peer.key()
    with BusClient(peer.settings(), peer.home, key=path) as client:
        waiting = client.submit("noop", timeout_s=WITHIN_S)
        assert peer.sockets["frontend"].poll(MS)
        peer.revoke(path)
        for call in (waiting.result, lambda: client.call("noop", timeout_s=WITHIN_S)):
            with pytest.raises(HandshakeFailed) as error:
                call()
            assert error.value.code == "UNKNOWN_KEY"
        peer.accepted.add(key_files.read_client_key(path).public)
        thread = answer(peer, lambda request: None if request.action == "end" else pong(request))
        assert client.call("noop", timeout_s=WITHIN_S) == "pong"
        client.submit("noop", "end")
        client.poll()
        thread.join(WITHIN_S)


def test_asyncio_calls_end_when_the_key_is_revoked(peer):
    peer.bind("frontend")
    path = peer.key()

    async def call():
        async with AsyncBusClient(peer.settings(), peer.home, key=path) as client:
            waiting = client.submit("noop", timeout_s=WITHIN_S)
            await asyncio.to_thread(peer.sockets["frontend"].poll, MS)
            peer.revoke(path)
            with pytest.raises(HandshakeFailed, match="revoked"):
                await waiting

    asyncio.run(call())


def test_a_channel_returns_that_the_key_was_revoked_and_keeps_its_requests(peer):
    peer.bind("frontend")
    path = peer.key()
    channel = RequestChannel(peer.context, peer.settings(path), peer.home)
    request = channel.ask("hulak.stats", {})
    eventually(lambda: channel.step() or peer.sockets["frontend"].poll(0), within_s=WITHIN_S)
    peer.revoke(path)

    def refused():
        try:
            channel.step()
        except HandshakeFailed as error:
            return error
        return None

    assert eventually(refused, within_s=WITHIN_S).code == "UNKNOWN_KEY"
    peer.accepted.add(key_files.read_client_key(path).public)
    eventually(lambda: channel.step() or peer.sockets["frontend"].poll(0), within_s=WITHIN_S)
    _, frame = peer.sockets["frontend"].recv_multipart()
    assert codec.decode_from_client(frame).id == request.id
    channel.close()


def test_forbidden_is_a_separate_error(peer):
    peer.bind("frontend")
    answers = iter([Error(b"", "FORBIDDEN", "key 'alice' lacks the role control")])

    def refuse(request):
        message = next(answers, None)
        return None if message is None else Error(request.id, message.code, message.text, {"role": "control"})

    thread = answer(peer, refuse)
    with BusClient(peer.settings(), peer.home, key=peer.key()) as client:
        with pytest.raises(Forbidden, match="lacks the role control") as error:
            client.call("hulak.retire", timeout_s=WITHIN_S)
        assert (error.value.code, error.value.details) == ("FORBIDDEN", {"role": "control"})
        client.submit("noop")
        client.poll()
        thread.join(WITHIN_S)


# Subscribers


def subscriber(peer, path, *topics, **how):
    return Subscriber(*topics, settings=peer.settings(), home=peer.home, key=path, timeout_s=WITHIN_S, **how)


def subscriptions(peer, count):
    xpub = peer.sockets["publisher"]
    received = set()
    while len(received) < count:
        assert xpub.poll(MS)
        event = xpub.recv()
        if not event.startswith(b"\1" + SUBSCRIBER):  # its name, which is no subscription to a topic
            received.add(event)
    return received


def test_a_subscriber_with_a_key_subscribes_and_receives(peer):
    peer.bind("publisher")
    with subscriber(peer, peer.key(), "tick.EURUSD") as received:
        assert subscriptions(peer, 3) == {b"\1tick.EURUSD\0", b"\1heartbeat\0", b"\1hulak.hello\0"}
        peer.sockets["publisher"].send(publication("tick.EURUSD", 7, {"bid": 1.5}))
        event = received.poll(WITHIN_S)
        assert (event.topic, event.stamp.sequence, event.body, received.transport) == ("tick.EURUSD", 7, {"bid": 1.5}, "socket")


def test_a_subscriber_with_a_key_that_rested_connects_with_it_again(peer):
    peer.bind("publisher")
    with subscriber(peer, peer.key(), "stats", mode="latest") as received:
        subscriptions(peer, 2)
        received.rest()
        ended = set()
        while len(ended) < 2:  # the connection has ended: all of its subscriptions have
            assert peer.sockets["publisher"].poll(MS)
            event = peer.sockets["publisher"].recv()
            ended |= {event} if not event[1:].startswith(SUBSCRIBER) else set()
        assert ended == {b"\0stats\0", b"\0hulak.hello\0"}
        assert received.poll(0) is None
        subscriptions(peer, 2)
        peer.sockets["publisher"].send(publication("stats", 8, {}))
        assert received.poll(WITHIN_S).stamp.sequence == 8


def waits(received):
    return {
        "poll": lambda: received.poll(WITHIN_S),
        "poll_ticks": lambda: received.poll_ticks(WITHIN_S),
        "for": lambda: next(iter(received)),
        "wait_until_subscribed": lambda: received.wait_until_subscribed(WITHIN_S),
        "async for": lambda: asyncio.run(anext(aiter(received))),
    }


@pytest.mark.parametrize("way", ["poll", "poll_ticks", "for", "wait_until_subscribed", "async for"])
def test_a_refused_subscription_raises_and_the_others_go_on(peer, way):
    peer.bind("publisher")
    with subscriber(peer, peer.key(), "tick.", "tick.EURUSD") as received:
        subscriptions(peer, 4)
        refusal = {"code": "FORBIDDEN", "text": "key 'alice' lacks the role subscribe:tick.*"}
        peer.sockets["publisher"].send(publication("tick.", 0, refusal))
        with pytest.raises(Forbidden, match=r"lacks the role subscribe:tick\.\*") as error:
            waits(received)[way]()
        assert error.value.details == {"prefix": "tick."}
        peer.sockets["publisher"].send(publication("tick.EURUSD", 8, {"bid": 1.5}))
        if way != "poll_ticks":
            assert received.poll(WITHIN_S).stamp.sequence == 8


@pytest.mark.parametrize("mode", ["lossless", "plain"])
def test_a_refused_heartbeat_raises_only_if_it_was_asked_for(peer, mode):
    peer.bind("publisher")
    refusal = publication("heartbeat", 0, {"code": "FORBIDDEN", "text": "no"})
    with subscriber(peer, peer.key(), "stats", mode=mode) as received:
        subscriptions(peer, 3 if mode == "lossless" else 2)
        peer.sockets["publisher"].send(refusal)
        peer.sockets["publisher"].send(publication("stats", 1, {}))
        assert received.poll(WITHIN_S).topic == "stats"
        assert received.counters()["malformed"] == 0
    with subscriber(peer, peer.key("bob"), "heartbeat", mode=mode) as received:
        subscriptions(peer, 1)
        eventually(lambda: peer.sockets["publisher"].send(refusal) or _refused(received), within_s=WITHIN_S)


def _refused(received):
    try:
        received.poll(0.05)
    except Forbidden:
        return True
    return False


@pytest.mark.parametrize("way", ["poll", "poll_ticks", "for", "wait_until_subscribed", "async for"])
def test_a_subscriber_whose_key_is_revoked_raises_instead_of_waiting(peer, way):
    peer.bind("publisher")
    path = peer.key()
    with subscriber(peer, path, "tick.") as received:
        subscriptions(peer, 3)
        peer.revoke(path)
        for _ in range(2):
            with pytest.raises(HandshakeFailed) as error:
                waits(received)[way]()
            assert error.value.code == "UNKNOWN_KEY"
        peer.accepted.add(key_files.read_client_key(path).public)
        received.poll(0)
        subscriptions(peer, 3)


def test_a_subscriber_raises_when_the_broker_came_back_with_another_key(peer):
    peer.bind("publisher")
    with subscriber(peer, peer.key(), "tick.") as received:
        subscriptions(peer, 3)
        peer.unbind()
        peer.pair = key_files.new_pair()
        peer.bind("publisher")
        with pytest.raises(HandshakeFailed) as error:
            received.poll(WITHIN_S)
        assert error.value.code == "WRONG_SERVER_KEY"


def test_clients_that_have_the_brokers_next_key_are_served_over_the_change(peer):
    peer.bind("publisher", "frontend", "collector")
    after = key_files.new_pair()
    path = peer.key(server_next=after.public)
    with BusClient(peer.settings(), peer.home, key=path) as client, subscriber(peer, path, "tick.EURUSD") as received:
        waiting = client.submit("noop", timeout_s=WITHIN_S)
        assert peer.sockets["frontend"].poll(MS)
        subscriptions(peer, 3)
        peer.unbind()
        peer.pair = after
        peer.bind("publisher", "frontend", "collector")
        thread = answer(peer, lambda request: None if request.action == "end" else pong(request))
        assert waiting.result() == "pong"
        client.submit("noop", "end")
        client.poll()
        thread.join(WITHIN_S)
        # libzmq sends the subscriptions when the socket is next used
        eventually(lambda: received.poll(0) or peer.sockets["publisher"].poll(0), within_s=WITHIN_S)
        subscriptions(peer, 3)

        def a_tick_arrives():
            peer.sockets["publisher"].send(publication("tick.EURUSD", 7, {}))
            return received.poll(0.1)

        assert eventually(a_tick_arrives, within_s=WITHIN_S).stamp.sequence == 7


def test_the_ring_is_not_used_with_a_key(peer):
    peer.bind("publisher")
    with pytest.raises(ConfigError, match="has a key"):
        subscriber(peer, peer.key(), "ticks", transport="ring")


def test_other_errors_of_a_broker_stay_what_they_are():
    assert not issubclass(Forbidden, BusTimeout)
    assert issubclass(HandshakeFailed, BusError)
    assert zmq.has("curve")
