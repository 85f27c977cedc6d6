"""A client that leaks connections: the broker has few descriptors, survives, and serves the others."""

import time

import pytest
import zmq
from connection_leak import leak
from local_bus import LocalBus
from verdicts import verdict
from waiting import eventually

from hulak.bus.wire import codec

pytestmark = pytest.mark.system
FILES = 256
LEAKED = 200


def connections(local_bus):
    return local_bus.stats()["connections"]


def post(local_bus, context):
    """Post a tick as a feed that connects now."""
    feed = context.socket(zmq.XPUB)
    feed.connect(local_bus.addresses["collector"])
    assert feed.poll(10_000)
    before = local_bus.stats()["ticks"]["taken"]
    feed.send(codec.feed_frame("EURUSD", 0, 1, time.time_ns(), codec.pack({"symbol": "EURUSD"})))
    eventually(lambda: local_bus.stats()["ticks"]["taken"] > before, within_s=30)


def test_a_broker_with_few_descriptors_survives_a_leak_of_connections_and_serves_the_others(context):
    with LocalBus() as local_bus:
        broker = local_bus.start_broker(files=FILES)
        with local_bus.subscriber("tick.EURUSD") as before:
            with leak(local_bus, LEAKED):
                most = eventually(lambda: (now := connections(local_bus))["refused"] and now, within_s=60)["most"]
                assert most < LEAKED
                eventually(lambda: connections(local_bus)["sockets"]["publisher"] >= most - 20, within_s=60)
                post(local_bus, context)
                assert before.poll(10).topic == "tick.EURUSD"
                local_bus.hulak("worker", "bench", "--module", "hulak.workers.noop", "--name", "late/1")
                with local_bus.client() as client:
                    assert client.call("bench", "noop", {"n": 7, "note": ""}, timeout_s=30) == 7
                level, findings = verdict(local_bus, unserved=True)
                assert level in ("WARNING", "CRITICAL")
                assert [text for text in findings if "connections are in use" not in text] == []
                assert any("were refused in ten minutes (bound by descriptors)" in text for text in findings)
            eventually(lambda: connections(local_bus)["sockets"]["publisher"] <= 2, within_s=60)  # it, and the worker
            with local_bus.subscriber("tick.EURUSD") as again:
                post(local_bus, context)
                assert again.poll(10).topic == before.poll(10).topic == "tick.EURUSD"
        assert broker.poll() is None
        output = broker.log.read_text()
        assert output.count('"connections refused"') == 1
        assert output.count("no ipc sockets") == 1
        assert not (local_bus.home / "run" / "frontend.ipc").exists()


def test_a_broker_starts_during_a_leak(context):
    with LocalBus() as local_bus:
        local_bus.start_broker(files=FILES).kill()
        with leak(local_bus, LEAKED):
            broker = local_bus.start_broker(files=FILES)
            eventually(lambda: connections(local_bus)["refused"], within_s=60)
            post(local_bus, context)
            state = local_bus.stats()
            assert (state["journal"]["state"], state["store"]["state"]) == ("live", "live")
        assert broker.poll() is None
