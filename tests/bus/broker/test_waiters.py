"""Requests that wait: bounded, once each, until an event, their time limit, or the end of their client."""

import math
import socket

import pytest

from hulak.bus.broker.socket_monitor import PeerConnection
from hulak.bus.broker.waiters import Waiters
from hulak.bus.core.effects import Asker
from hulak.bus.errors import ProtocolError


def asker(number, connection=None):
    return Asker(b"c", bytes([number]) * 16, connection)


def test_all_requests_that_wait_for_the_same_event_are_answered_and_wait_no_more():
    waiters = Waiters(10, "rain")
    for number, key in enumerate("aab"):
        waiters.add(key, asker(number), 5.0)
    assert (list(waiters), len(waiters)) == (["a", "b"], 3)
    assert waiters.pop("a") == [asker(0), asker(1)]
    assert (waiters.pop("a"), waiters.pop("c"), len(waiters)) == ([], [], 1)


def test_a_repeated_request_waits_once_and_until_the_later_time():
    waiters = Waiters(1, "rain")
    waiters.add("a", asker(0), 5.0)
    waiters.add("a", asker(0), 6.0)
    assert (len(waiters), waiters.next_over()) == (1, 6.0)


def test_requests_above_the_bound_are_refused_and_those_that_wait_stay():
    waiters = Waiters(2, "rain")
    for number in range(2):
        waiters.add("a", asker(number), 5.0)
    with pytest.raises(ProtocolError, match="2 requests wait for rain, no more are taken") as caught:
        waiters.add("b", asker(2), 5.0)
    assert (caught.value.code, list(waiters), len(waiters)) == ("BUSY", ["a"], 2)


def test_a_request_that_has_waited_long_enough_expires_in_time_and_once():
    waiters = Waiters(10, "rain")
    assert waiters.next_over() == math.inf
    for number, until in enumerate((5.0, 4.0, 6.0)):
        waiters.add(number % 2, asker(number), until)
    assert (waiters.next_over(), waiters.pop_over(3.9)) == (4.0, [])
    assert waiters.pop_over(5.0) == [(0, asker(0)), (1, asker(1))]
    assert (waiters.next_over(), len(waiters), list(waiters)) == (6.0, 1, [0])


def test_a_client_whose_connection_has_ended_is_removed_though_its_number_is_used_again():
    waiters = Waiters(10, "rain")
    here, there = socket.socketpair()
    inode = PeerConnection.of(here.fileno()).inode
    for number, known in enumerate((PeerConnection(here.fileno(), inode), PeerConnection(here.fileno(), inode + 1), None)):
        waiters.add("a", asker(number, known), 5.0)
    assert waiters.pop_over(0.0) == []
    assert len(waiters) == 2, "the second came by another connection that had the same number"
    here.close()
    assert waiters.pop_over(5.0) == [("a", asker(2))]
    assert len(waiters) == 0
    there.close()
