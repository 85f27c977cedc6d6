"""Detection of clients that do not read: a real ROUTER, one client that reads and one that does not."""

import pytest
import zmq
from waiting import eventually

from hulak.bus.broker.slow_clients import MOST_UNREAD, ClientConnections, UnreadAnswers
from hulak.bus.broker.socket_monitor import connection_of
from hulak.bus.process import sockets

LARGE = bytes(1 << 16)
WITHIN_S = 60


@pytest.fixture(params=["tcp://127.0.0.1:*", "ipc"])
def met(request, context, tmp_path):
    """A router, a client, and the client's message: its address and the frame."""
    router = sockets.make(context, zmq.ROUTER, router_mandatory=1, sndhwm=10_000)
    router.bind(f"ipc://{tmp_path}/s" if request.param == "ipc" else request.param)
    client = sockets.make(context, zmq.DEALER, rcvhwm=1)
    client.connect(router.last_endpoint)
    client.send(b"x")
    assert router.poll(WITHIN_S * 1000)
    (identity, _), frame = sockets.receive(router)
    return router, client, identity, frame


def send_until(router, identity, stuck):
    """Send until the condition holds; returns the number of bytes sent."""
    count = 0

    def full():
        nonlocal count
        if not stuck():
            sockets.send(router, [identity, LARGE])
            count += len(LARGE)
        return stuck()

    quiet = 0

    def stays():
        nonlocal quiet
        quiet = quiet + 1 if full() else 0
        return quiet >= 100  # libzmq still moves bytes out of the kernel's buffer, which makes room again

    eventually(stays, within_s=WITHIN_S, every_s=0.0005)
    return count


def test_a_client_that_does_not_read_is_detected_and_also_when_it_reads_again(met):
    router, client, identity, frame = met
    readers = ClientConnections()
    assert readers.reads(identity), "nothing is known of it"
    readers.note(identity, connection_of(frame))
    assert readers.reads(identity)
    assert send_until(router, identity, lambda: not readers.reads(identity)) < 64 << 20
    eventually(lambda: client.poll(10) and client.recv() and readers.reads(identity), within_s=WITHIN_S)


def test_answers_to_a_client_are_counted_from_when_it_stops_reading(met):
    router, client, identity, frame = met
    unread, readers = UnreadAnswers(), ClientConnections()
    readers.note(identity, connection_of(frame))
    assert all(unread.takes_one_more(identity, frame) for _ in range(3 * MOST_UNREAD)), "it reads"
    send_until(router, identity, lambda: not readers.reads(identity))
    taken = [unread.takes_one_more(identity, frame) for _ in range(MOST_UNREAD + 5)]
    assert taken == [True] * MOST_UNREAD + [False] * 5
    eventually(lambda: client.poll(10) and client.recv() and unread.takes_one_more(identity, frame), within_s=WITHIN_S)
