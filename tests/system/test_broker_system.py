"""The broker as a real process: bytes of unknown peers, its kill and restart, its orderly end."""

import os
import random
import signal
import socket
import subprocess
import time

import psutil
import pytest
import structlog
import zmq
from local_bus import LocalBus, NeverStops
from waiting import eventually

from hulak.bus.broker import tick_service
from hulak.bus.broker.loop import Broker
from hulak.bus.errors import PartEnded
from hulak.bus.process.lifecycle import make_home
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.messages import FIRST_MS, Request, Tick

pytestmark = pytest.mark.system
MEGABYTE = b"\x93" * (1 << 20)


@pytest.fixture
def local_bus():
    with LocalBus() as local_bus:
        yield local_bus


def random_messages(seed):
    """Return random frames, wrong counts of frames, near misses and a frame of one megabyte."""
    draw = random.Random(seed)
    good = codec.encode(Request(bytes(16), "nepse", "market-status"))
    tick = codec.feed_frame("EURUSD", 0, 1, 1, codec.pack_tick(Tick("EURUSD", 1.0, 1.1, FIRST_MS, "x")))
    yield [MEGABYTE]
    yield [b""]
    yield [b"", b""]
    yield [b""] * 20
    yield [good, good]
    yield [b"", good, b""]
    yield [b"tick.EURUSD\0"]
    yield [tick[:-1]]
    yield [tick + b"\x01"]
    yield [b"stats" + tick[11:]]
    for _ in range(200):
        cut = draw.randrange(len(good))
        yield [good[:cut] + draw.randbytes(draw.randrange(1, 20)) + good[cut + 1 :]]
        yield [draw.randbytes(draw.randrange(1, 200)) for _ in range(draw.randrange(1, 5))]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("collector", zmq.PUB), ("publisher", zmq.XSUB), ("frontend", zmq.DEALER), ("backend", zmq.DEALER)],
)
def test_bytes_of_an_unknown_peer_are_counted_and_affect_no_other(local_bus, context, name, kind):
    broker = local_bus.start_broker()
    subscriber = local_bus.subscriber("tick.GBPUSD")
    unknown = context.socket(kind)
    unknown.sndhwm = 100_000
    unknown.connect(local_bus.addresses[name])
    feed = context.socket(zmq.PUB)
    feed.connect(local_bus.addresses["collector"])

    def refused():
        return local_bus.stats()["rejected"].get(name, {})

    def knocks():
        unknown.send(b"?" + b"x" * 40)  # until the connection is established: a PUB drops everything sent before
        return refused()

    eventually(knocks, within_s=30)
    before = sum(refused().values())
    for message in random_messages(seed=7):
        unknown.send_multipart(message)

    def two_hundred():
        if name == "publisher":  # rebound when it meets such bytes, which may lose later ones: some more
            for _ in range(20):
                knocks()
        return sum(refused().values()) >= before + 200

    eventually(two_hundred, within_s=60)
    if name != "backend":
        eventually(lambda: "TOO_LARGE" in refused() or "BAD_FRAME" in refused() or "BAD_KIND" in refused(), within_s=30)

    def a_tick_arrives():
        feed.send(codec.feed_frame("GBPUSD", 0, 1, 1, codec.pack_tick(Tick("GBPUSD", 1.25, 1.26, FIRST_MS, "x"))))
        return subscriber.poll(0.1)

    event = eventually(a_tick_arrives, within_s=30)
    assert event.body["bid"] == 1.25
    assert broker.poll() is None
    subscriber.close()


def test_bytes_that_are_no_zmtp_are_rejected_and_the_broker_continues(local_bus):
    broker = local_bus.start_broker()
    for address in local_bus.addresses.values():
        host, port = address.removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + os.urandom(500))
    assert local_bus.stats()["broker"]["pid"] == broker.pid


@pytest.mark.parametrize("unknown_first", [True, False])
@pytest.mark.parametrize("a_turn_s", [tick_service.SUBSCRIBING_S, 0.0], ids=["in one turn", "one a turn"])
def test_subscriptions_that_share_a_batch_with_an_unknown_peers_bytes_still_get_every_message(
    local_bus, context, monkeypatch, unknown_first, a_turn_s
):
    """libzmq pairs events with subscribers by their place in a queue, which bytes that are no event shift."""
    monkeypatch.setattr(tick_service, "SUBSCRIBING_S", a_turn_s)
    make_home(local_bus.home)
    broker = Broker(local_bus.settings, local_bus.home, NeverStops(), structlog.get_logger())
    address = local_bus.addresses["publisher"]
    listeners = {}

    def connect(symbol):
        listener = context.socket(zmq.SUB)
        listener.subscribe(codec.tick_topic(symbol) + b"\0")
        monitor = listener.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        listener.connect(address)
        assert monitor.poll(5000)
        listeners[symbol] = listener

    def knock():
        unknown = context.socket(zmq.XSUB)
        monitor = unknown.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        unknown.connect(address)
        assert monitor.poll(5000)
        unknown.send(b"no subscription")

    # The broker's loop does not run meanwhile, so that all of it is in one batch.
    for turn in [knock, lambda: connect("EURUSD")] if unknown_first else [lambda: connect("EURUSD"), knock]:
        turn()
    connect("USDJPY")
    connect("GBPUSD")
    missing = set(listeners)

    def each_has_got_its_own():
        broker._turn(time.monotonic() + 0.02)
        for symbol in listeners:
            body = codec.pack_tick(Tick(symbol, 1.25, 1.26, FIRST_MS, "x"))
            for message in broker.bus.turn([codec.feed_frame(symbol, 0, 1, 1, body)], 0.0, 1).messages:
                broker.ticks.publish(message)
        for symbol, listener in listeners.items():
            while listener.poll(10):
                assert codec.decode_publication(listener.recv()).topic == f"tick.{symbol}"
                missing.discard(symbol)
        return not missing

    try:
        eventually(each_has_got_its_own, within_s=30)
        assert broker.bus.rejects.counts["publisher"]["BAD_FRAME"] == 1
    finally:
        broker.ticks.close()
        broker.context.destroy(linger=0)


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
@pytest.mark.parametrize("topic", ["tick.NEVER", "ticks"])
def test_a_subscriber_that_never_reads_costs_bounded_memory_and_continues_when_it_reads_again(context, transport, topic):
    with LocalBus(**{"broker.subscriber_bytes": 16 << 20}) as local_bus:
        broker = psutil.Process(local_bus.start_broker().pid)
        where = local_bus.addresses["publisher"] if transport == "tcp" else f"ipc://{local_bus.home}/run/publisher.ipc"
        never = context.socket(zmq.SUB)
        never.rcvhwm = 1
        never.subscribe(topic.encode() + b"\0")
        never.connect(where)
        feed = context.socket(zmq.XPUB)
        feed.setsockopt(zmq.XPUB_NODROP, 1)
        feed.connect(local_bus.addresses["collector"])
        assert feed.poll(10_000)
        eventually(lambda: local_bus.stats()["ticks"]["subscriptions"] == 1, within_s=30)
        before, most = broker.memory_info().rss, 0
        large = codec.feed_frame("NEVER", 0, 1, 1, codec.pack({"symbol": "NEVER", "pad": bytes(60_000)}))
        posted = 0

        def cut_off():
            nonlocal posted, most
            for _ in range(100):
                feed.send(large)
            posted += 100
            most = max(most, broker.memory_info().rss)
            return local_bus.stats()["ticks"]["cut_off"]

        def reads_again():
            feed.send(codec.feed_frame("NEVER", 0, 1, 1, codec.pack({"symbol": "NEVER", "end": 1})))
            return never.poll(100) and b"\xa3end\x01" in never.recv()

        with local_bus.subscriber("tick.NEVER", transport="socket") as other:
            eventually(cut_off, within_s=60, every_s=0.1)
            assert most - before < 100 << 20, f"{posted} ticks of 60 kB"
            eventually(lambda: broker.memory_info().rss - before < 60 << 20, within_s=60)  # the memory is returned
            eventually(lambda: local_bus.stats()["ticks"]["taken"] == posted, within_s=60)
            assert [other.poll(20).stamp.sequence for _ in range(posted)] == list(range(1, posted + 1))
            assert other.counters()["lost"] == 0  # gaps only where this process was too slow itself, and was cut off for it
        eventually(reads_again, within_s=60)


def test_a_broker_whose_stores_thread_has_ended_ends_itself(local_bus, monkeypatch):
    make_home(local_bus.home)
    broker = Broker(local_bus.settings, local_bus.home, NeverStops(), structlog.get_logger())
    monkeypatch.setattr(broker.database, "_commit", None)  # a bug
    broker.database.put(lambda _: None, lambda *_: None)
    with pytest.raises(PartEnded, match="the store's thread ended: TypeError"):
        broker.run()
    assert broker.tasks.stats()["state"] == "failed"


def test_sigterm_ends_the_broker_after_its_time_to_drain_even_while_a_task_runs(local_bus, context, long):
    broker = local_bus.start_broker()
    worker = context.socket(zmq.DEALER)
    worker.connect(local_bus.addresses["backend"])
    worker.send(bytes.fromhex("5995a5") + b"slowe\xa1w\x01\x90\x80")  # READY "slowe" "w" 1 [] {}
    client = context.socket(zmq.DEALER)
    client.connect(local_bus.addresses["frontend"])
    client.send(codec.encode(Request(bytes(16), "slowe", "x")))
    eventually(lambda: local_bus.stats()["tasks"]["running"] == 1, within_s=30)
    began = time.monotonic()
    broker.send_signal(signal.SIGTERM)
    assert broker.wait(30) == 0
    assert time.monotonic() - began < (2.0 if long else 10.0)  # drain_s is 1.5; the task never ends
    assert "Traceback" not in broker.log.read_text()


def test_requests_in_one_frame_are_served_in_their_order(local_bus, context):
    local_bus.start_broker()
    client = context.socket(zmq.DEALER)
    client.connect(local_bus.addresses["frontend"])
    services = ("slowe", "hulak.stats", "slowe", "hulak.stats", "slowe")
    requests = [Request(bytes([number]) * 16, service, "") for number, service in enumerate(services)]
    [frame] = batch_frames.bundle([codec.encode(request) for request in requests])
    assert frame[:2] == b"q\x95"
    client.send(frame)
    replies = []
    for _ in range(2):
        assert client.poll(30_000)
        replies.append(codec.decode_to_client(client.recv()))
    assert [reply.id for reply in replies] == [requests[1].id, requests[3].id]
    assert [reply.value["tasks"]["queued"] for reply in replies] == [1, 2]
    assert local_bus.stats()["tasks"]["queued"] == 3


def test_a_second_broker_on_the_same_home_or_address_is_refused_with_a_reason(local_bus):
    first = local_bus.start_broker()
    second = local_bus.start("-m", "hulak.bus")
    assert second.wait(20) == 1
    assert f"as process {first.pid}" in second.log.read_text()
    with LocalBus(**{f"broker.{name}": value for name, value in local_bus.addresses.items()}) as other:
        third = other.start("-m", "hulak.bus")
        assert third.wait(20) == 78
        assert "is another broker running?" in third.log.read_text()


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:5551", "tcp://192.0.2.7:5551", "tcp://*:5551"])
def test_an_address_beyond_the_loopback_is_refused_at_the_start_with_the_reason(local_bus, address):
    refused = local_bus.start("-m", "hulak.bus", HULAK_BROKER__PUBLISHER=address)
    assert refused.wait(20) == 78
    output = refused.log.read_text()
    assert "broker.publisher" in output
    assert address in output
    assert "beyond this machine" in output or "by its number" in output


def test_a_call_survives_the_broker_that_accepted_it(local_bus):
    """The client repeats it by its id, the worker names the tasks it holds, the new broker matches them."""
    broker = local_bus.start_broker()
    worker = local_bus.start("-m", "sleepy_worker", PYTHONPATH="tests/support")
    caller = local_bus.start("-m", "sleepy_worker", "call", "1.5", PYTHONPATH="tests/support", out=subprocess.PIPE)
    eventually(lambda: local_bus.stats()["tasks"]["running"] == 1, within_s=60)
    broker.kill()
    broker.wait()
    local_bus.start_broker()
    answer, _ = caller.communicate(timeout=30)
    assert b"slept 1.5" in answer
    stats = local_bus.stats()
    assert stats["tasks"]["done"] == 1
    assert worker.poll() is None
