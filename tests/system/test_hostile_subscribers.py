"""Subscribers with a key that send the publisher more than it is for: they end, and cost other subscribers nothing."""

import msgpack
import pytest
import zmq
from key_home import KeyHome, event_of, feed_of, received, subscribed, tick
from local_bus import LocalBus

from hulak.bus.broker.key_guard import MOST_REFUSED
from hulak.bus.core.security.callers import MOST_EVENTS, MOST_NOTES
from hulak.bus.process.listening import MOST_EVENT
from hulak.bus.wire.codec import STAMP
from hulak.bus.wire.names import HELLO
from hulak.bus.wire.subscriber_names import SUBSCRIBER

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def keyed():
    with LocalBus() as bus, KeyHome(bus) as home:
        reader = home.add("reader", "subscribe:tick.*")
        bus.start_broker()
        yield bus, home, reader


def pairs(prefix):
    return [sign + prefix for _ in range(MOST_EVENTS + 10) for sign in (b"\1", b"\0")]


HOSTILE = {  # name -> messages to the publisher, and whether the key has to pause
    "long": ([b"\1" + bytes(1025)], True),
    "too-long-for-a-frame": ([b"\1" + bytes(MOST_EVENT)], False),  # libzmq ends the connection
    "strange": ([b"\5abc"], True),
    "notes": ([b"\1" + SUBSCRIBER + b"%d" % number for number in range(MOST_NOTES + 1)], True),
    "notes-taken-back": (pairs(SUBSCRIBER + b"a"), True),
    "refused": ([b"\1tick.%d" % number for number in range(MOST_REFUSED + 1)], False),
    "refused-and-taken-back": (pairs(b"tick.A"), True),
}


def hello_of(frame):
    assert frame.startswith(HELLO)
    return msgpack.unpackb(frame[len(HELLO) + STAMP.size :])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_subscriber_ends_and_its_neighbour_misses_nothing(keyed, name):
    bus, home, key = keyed
    messages, pauses = HOSTILE[name]
    mallory = home.add(f"mallory-{name}")
    home.reload()
    feed = feed_of(home)
    neighbour = home.connect(zmq.XSUB, "publisher", key)
    feed.send(tick("tick.B"))
    last = subscribed(neighbour, b"tick.B\0")
    number = STAMP.unpack_from(last[-1], 7)[1] if last else STAMP.unpack_from(received(neighbour), 7)[1]
    hostile, monitor = home.connect(zmq.XSUB, "publisher", mallory, zmq.EVENT_DISCONNECTED, sndhwm=0)
    for message in messages:
        hostile.send(message)
    event_of(monitor, zmq.EVENT_DISCONNECTED)
    hostile.close()
    security = bus.stats()["security"]
    assert ("malformed" in security["keys"].get(mallory.name, {}).get("refusals", {})) == pauses
    for price in range(100):
        feed.send(tick("tick.B", float(price)))
    assert [STAMP.unpack_from(received(neighbour), 7)[1] for _ in range(100)] == list(range(number + 1, number + 101))


def test_all_connections_of_a_key_that_has_to_pause_end(keyed):
    bus, home, _ = keyed
    mallory = home.add("mallory", "subscribe:*")
    home.reload()
    other, monitor = home.connect(zmq.XSUB, "publisher", mallory, zmq.EVENT_DISCONNECTED)
    subscribed(other, b"tick.A\0")
    hostile = home.connect(zmq.XSUB, "publisher", mallory)
    hostile.send(b"\1" + bytes(2000))
    event_of(monitor, zmq.EVENT_DISCONNECTED)
    assert bus.stats()["security"]["keys"]["mallory"]["refusals"] == {"malformed": 1}


def test_a_hello_to_a_peer_with_a_key_never_names_the_ring(keyed):
    _, home, key = keyed
    owner = home.local(zmq.XSUB, "publisher")
    owner.send(b"\1" + HELLO)
    assert "ring" in hello_of(received(owner))
    peer = home.connect(zmq.XSUB, "publisher", key)
    peer.send(b"\1" + HELLO)
    assert "ring" not in hello_of(received(peer))
    peer.send(b"\1tick.C\0")
    assert "ring" not in hello_of(received(peer))  # in the place of a last value: it has none
    peer.send(b"\0tick.C\0")
    assert "ring" not in hello_of(received(peer))
