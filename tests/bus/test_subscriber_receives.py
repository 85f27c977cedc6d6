"""How many messages a subscriber takes in at a time, and how often it looks for one that is not there; the socket is played."""

import pytest
import zmq

from hulak.bus.process import sockets
from hulak.bus.subscriber.frame_receiver import GROWS_AFTER, TURN, TURN_BYTES, FrameReceiver

TRICKLE = 320  # wakes of a consumer that gets one message at a time


class Socket:
    """Has messages waiting, and counts the looks at which there was none."""

    def __init__(self):
        self.waiting, self.vain, self.frame = 0, 0, b"x"

    def receive(self, _flags):
        if not self.waiting:
            self.vain += 1
            raise zmq.Again
        self.waiting -= 1
        return self.frame


class Router:
    """Counts what it is given at a time."""

    def __init__(self):
        self.asks, self.given = [], []

    def take(self, frames):
        self.given.append(len(frames))


@pytest.fixture
def receiver(monkeypatch):
    monkeypatch.setattr(sockets, "receive_frame", Socket.receive)
    made = FrameReceiver.__new__(FrameReceiver)
    made.router, made._socket, made._repairing = Router(), Socket(), False
    made._most, made._full = 1, 0
    return made


def trickle(receiver, wakes):
    for _ in range(wakes):
        receiver._socket.waiting = 1
        assert receiver.receive(), "the one that is there comes at once"


def test_while_one_message_comes_at_a_time_few_polls_find_nothing(receiver):
    trickle(receiver, TRICKLE)
    assert receiver.router.given == [1] * TRICKLE
    assert receiver._socket.vain <= TRICKLE // (GROWS_AFTER + 1)


def test_a_flood_behind_a_trickle_is_soon_taken_in_many_at_a_time(receiver):
    trickle(receiver, TRICKLE)
    receiver._socket.waiting = 100 * TURN
    wakes = 0
    while receiver.router.given[-1] < TURN:
        wakes += 1
        assert receiver.receive()
    assert wakes <= GROWS_AFTER * TURN.bit_length() + 1
    while receiver.receive():
        pass
    assert (sum(receiver.router.given), max(receiver.router.given)) == (TRICKLE + 100 * TURN, TURN)


def test_no_more_bytes_are_taken_in_at_a_time_than_a_processors_cache_has_room_for(receiver):
    receiver._most, receiver._socket.frame = TURN, bytes(TURN_BYTES // 4)
    receiver._socket.waiting = TURN
    assert receiver.receive()
    assert receiver.router.given == [4]


def test_without_a_message_a_receive_costs_one_poll(receiver):
    assert not receiver.receive()
    assert (receiver.router.given, receiver._socket.vain) == ([], 1)
