"""Waiting for sockets and descriptors: nothing that can be read is missed, whatever was done with the sockets before."""

import os
import random
import socket
import time

import pytest
import zmq

from hulak.bus.process.socket_poll import SocketPoll

LIMIT_MS = 5000


class World:
    """Pairs of sockets, and one pipe, in one poll."""

    def __init__(self, pairs):
        self.context = zmq.Context()
        self.poll = SocketPoll()
        self.near, self.far = [], []
        for number in range(pairs):
            near, far = self.context.socket(zmq.PAIR), self.context.socket(zmq.PAIR)
            near.bind(f"inproc://{number}")
            far.connect(f"inproc://{number}")
            self.near.append(near)
            self.far.append(far)
            self.poll.register(near)
        self.reader, self.writer = os.pipe()
        self.poll.register(self.reader)
        self.near_end, self.far_end = socket.socketpair()
        self.poll.register(self.near_end)

    def close(self):
        self.context.destroy(linger=0)
        os.close(self.reader)
        os.close(self.writer)
        self.near_end.close()
        self.far_end.close()


@pytest.fixture
def world():
    made = World(3)
    yield made
    made.close()


def test_it_finds_the_socket_and_the_descriptor_that_can_be_read(world):
    world.far[1].send(b"a")
    assert world.poll.poll(LIMIT_MS) == [(world.near[1], zmq.POLLIN)]
    os.write(world.writer, b"x")
    assert dict(world.poll.poll(LIMIT_MS)) == {world.near[1]: zmq.POLLIN, world.reader: zmq.POLLIN}
    world.far_end.send(b"x")
    assert world.near_end.fileno() in dict(world.poll.poll(LIMIT_MS))


def test_without_news_it_waits_for_its_time_and_returns_nothing(world):
    began = time.monotonic()
    assert world.poll.poll(20) == []
    assert time.monotonic() - began >= 0.02
    assert world.poll.poll(0) == []


def test_a_message_whose_sign_was_taken_by_a_send_is_found(world):
    world.poll.poll(0)
    world.far[0].send(b"a")
    world.near[0].send(b"b")
    world.near[0].getsockopt(zmq.EVENTS)  # takes in the news: the descriptor is quiet from here on
    assert world.poll.poll(LIMIT_MS, (world.near[0],)) == [(world.near[0], zmq.POLLIN)]


def test_messages_that_were_left_in_a_socket_are_found_again(world):
    for _ in range(3):
        world.far[2].send(b"a")
    for _ in range(3):
        assert world.poll.poll(LIMIT_MS, world.near) == [(world.near[2], zmq.POLLIN)]
        world.near[2].recv()
    assert world.poll.poll(0, world.near) == []


def test_a_socket_that_was_removed_is_not_found_and_can_be_added_again(world):
    world.poll.unregister(world.near[0])
    world.poll.unregister(world.reader)
    assert world.near[0] not in world.poll
    assert world.reader not in world.poll
    world.far[0].send(b"a")
    os.write(world.writer, b"x")
    assert world.poll.poll(0) == []
    world.poll.register(world.near[0])
    world.poll.register(world.near[0])  # a second time changes nothing
    assert world.near[0] in world.poll
    assert world.poll.poll(LIMIT_MS) == [(world.near[0], zmq.POLLIN)]


@pytest.mark.parametrize("seed", range(5))
def test_in_a_random_walk_no_message_is_missed_where_the_used_sockets_are_named(world, seed):
    draw, sent, received, used = random.Random(seed), 0, 0, list(world.near)
    for _ in range(300):
        for _ in range(draw.randrange(3)):
            draw.choice(world.far).send(b"a")
            sent += 1
        if sent == received:
            continue
        ready = world.poll.poll(LIMIT_MS, used)
        assert ready, "a message waits, and was not found"
        used = []
        for near, _ in ready:
            used.append(near)
            for _ in range(draw.randrange(1, 3)):
                if near.poll(0):
                    near.recv()
                    received += 1
        if draw.random() < 0.5:
            answering = draw.choice(world.near)
            answering.send(b"b")
            used.append(answering)
    while received < sent:
        for near, _ in world.poll.poll(LIMIT_MS):
            near.recv()
            received += 1
