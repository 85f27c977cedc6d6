"""Slow subscribers in the statistics of a real broker, by name."""

import os

import pytest
import zmq
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.wire import codec
from hulak.bus.wire.subscriber_names import UNNAMED, SubscriberNote

pytestmark = pytest.mark.system


class Sockets:
    """Sockets of the process's context, which is not terminated: after a subscriber with unread messages, that may block."""

    def __init__(self):
        self.made = []

    def socket(self, kind):
        self.made.append(zmq.Context.instance().socket(kind))
        return self.made[-1]


@pytest.fixture
def context():
    sockets = Sockets()
    yield sockets
    for socket in sockets.made:
        socket.close(linger=0)


def feed_of(context, local_bus):
    feed = context.socket(zmq.XPUB)
    feed.setsockopt(zmq.XPUB_NODROP, 1)
    feed.connect(local_bus.addresses["collector"])
    assert feed.poll(10_000)
    return feed


def slow(local_bus):
    return local_bus.stats()["subscribers"]["slow"]


@pytest.mark.parametrize(("named", "transport"), [(True, "tcp"), (False, "ipc")])
def test_a_subscriber_that_does_not_read_is_listed_while_blocked_and_after_it_was_cut_off(context, named, transport):
    with LocalBus(**{"broker.subscriber_bytes": 16 << 20}) as local_bus:
        local_bus.start_broker()
        where = local_bus.addresses["publisher"] if transport == "tcp" else f"ipc://{local_bus.home}/run/publisher.ipc"
        never = context.socket(zmq.SUB)
        never.rcvhwm = 1
        never.connect(where)
        if named:
            never.subscribe(SubscriberNote("board", 4711).encode())
        never.subscribe(b"tick.NEVER\0")
        feed = feed_of(context, local_bus)
        eventually(lambda: local_bus.stats()["ticks"]["subscriptions"] == 1, within_s=30)
        assert local_bus.stats()["subscribers"]["named"] == int(named)
        large = codec.feed_frame("NEVER", 0, 1, 1, codec.pack({"symbol": "NEVER", "pad": bytes(60_000)}))
        for _ in range(240):  # 14 MB: more than the kernel's buffers hold, less than a subscriber is cut off for
            feed.send(large)
        (row,) = eventually(lambda: slow(local_bus), within_s=60)
        assert row["blocked_s"] >= 1
        assert row["unread_bytes"] <= 15 << 20
        assert (row["name"], row["pid"]) == (("board", 4711) if named else (UNNAMED, os.getpid()))

        def cut_off():
            for _ in range(100):
                feed.send(large)
            return next((row for row in slow(local_bus) if row.get("cut_off")), None)

        row = eventually(cut_off, within_s=60, every_s=0.1)
        assert (row["name"], row["cut_off"]) == ("board" if named else UNNAMED, 1)
        programs = local_bus.stats()["subscribers"]["programs"]
        assert programs[row["name"]]["cut_off"] == 1


def test_a_subscriber_that_missed_messages_reports_it(context):
    with LocalBus(**{"broker.subscriber_hwm": 1000, "broker.ring_bytes": 0}) as local_bus:
        local_bus.start_broker()
        feed = feed_of(context, local_bus)
        with local_bus.subscriber("tick.MISSED", name="late quotes") as late:
            assert local_bus.stats()["subscribers"] == {"named": 1, "blocked": 0, "slow": [], "programs": {}}
            count = 20_000
            for number in range(count):
                feed.send(codec.feed_frame("MISSED", 0, number, 1, codec.pack({"symbol": "MISSED", "pad": bytes(500)})))
            eventually(lambda: local_bus.stats()["ticks"]["taken"] == count, within_s=30)
            assert [late.poll(20).stamp.sequence for _ in range(count)] == list(range(1, count + 1))
            missed = late.counters()["repaired"]

            def reported():
                late.poll(0)  # a subscriber sends its note while it is read
                return [row for row in slow(local_bus) if row["missed"] == missed]

            (row,) = eventually(reported, within_s=30, every_s=0.1)
        assert missed > 0
        assert (row["name"], row["pid"], row["missed"], row["lost"]) == ("late_quotes", os.getpid(), missed, 0)
        eventually(lambda: local_bus.stats()["subscribers"]["named"] == 0, within_s=30)
