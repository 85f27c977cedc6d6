"""The descriptor of a ring is readable while there may be records and not otherwise, and lets rings of former brokers go."""

import os
import select
import struct
import threading

import pytest
import structlog
from waiting import eventually

from hulak.bus.broker.tick_ring import TickRing
from hulak.bus.subscriber import ring_bell
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.ring_bell import Bell
from hulak.bus.subscriber.ring_transport import RingTransport
from hulak.bus.subscriber.sinks import EventSink
from hulak.bus.wire.codec import STAMP, pack
from hulak.bus.wire.ring_format import HEADER_BYTES

BEAT = b"heartbeat\0" + bytes(STAMP.size)


class NoSocket:
    """Stands for the publisher's socket."""

    def subscribe(self, key):
        pass

    unsubscribe = subscribe


@pytest.fixture
def make_ring(tmp_path):
    rings = []

    def make():
        (tmp_path / "run").mkdir(exist_ok=True)
        rings.append(TickRing.make(1 << 16, 1, tmp_path, structlog.get_logger()))
        return rings[-1]

    yield make
    for ring in rings:
        ring.close()


@pytest.fixture
def transport():
    router = FrameRouter([b"ticks\0"], EventSink(), lossless=True, hold=10)
    made = RingTransport(NoSocket(), router, None)
    yield made
    made.close()


def hello(ring):
    return b"hulak.hello\0" + STAMP.pack(1, 1, 1) + pack({"protocol": 1, "ring": ring.place()})


def is_readable(descriptor):
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def test_a_bell_that_is_armed_while_it_is_struck_is_not_left_readable(monkeypatch):
    bell, write = Bell(), os.eventfd_write
    bell.arm()
    reader = threading.Thread(target=bell.arm)

    def slow_write(descriptor, value):
        reader.start()
        reader.join(0.1)
        write(descriptor, value)

    monkeypatch.setattr(os, "eventfd_write", slow_write)
    bell.strike()
    reader.join()
    assert bell.armed
    assert not is_readable(bell.fd), "no reader would make it unreadable"


def test_after_restarts_of_the_broker_only_the_last_ring_has_a_thread(transport, make_ring):
    ring = make_ring()
    transport.frames(lambda: [hello(ring)])
    descriptor = transport.descriptor()
    old = []
    for _ in range(3):
        old.append(transport._ring)
        ring = make_ring()
        transport.frames(lambda ring=ring: [hello(ring)])
    eventually(lambda: not any(ring_id in ring_bell._RINGERS for ring_id in old), within_s=5)
    assert transport._ring in ring_bell._RINGERS
    transport.frames(list)
    assert not is_readable(descriptor)
    ring.write(BEAT)
    eventually(lambda: is_readable(descriptor), within_s=5)  # records of the last ring strike the bell


def test_the_bell_of_a_ring_that_was_left_is_not_readable(transport, make_ring):
    ring = make_ring()
    transport.frames(lambda: [hello(ring)])
    descriptor = transport.descriptor()
    ring.write(BEAT)
    eventually(lambda: is_readable(descriptor), within_s=5)
    struct.pack_into("<I", ring._own.memory, HEADER_BYTES, 7)  # no record has this length
    transport.frames(list)
    assert not transport.used
    transport.frames(list)
    assert not is_readable(descriptor)


def test_frames_that_waited_for_a_ring_that_is_left_are_not_lost(make_ring):
    ring, other = make_ring(), b"display.x\0" + bytes(STAMP.size) + pack(None)
    transport = RingTransport(NoSocket(), FrameRouter([b"ticks\0", b"display."], EventSink(), lossless=True, hold=10), None)
    transport.frames(lambda: [hello(ring)])

    def receive():
        ring.write(BEAT)
        return [other]

    assert transport.frames(receive) == [], "the frame came before the record"
    struct.pack_into("<I", ring._own.memory, HEADER_BYTES, 7)
    assert transport.frames(list) == [other]
    assert not transport.used
