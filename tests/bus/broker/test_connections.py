"""The connections of real sockets: counted as the kernel has them, bounded, and ended without a free descriptor."""

import contextlib
import os
import resource

import pytest
import structlog
import zmq
from waiting import eventually

from hulak.bus.broker.connections import Connections
from hulak.bus.broker.socket_monitor import ConnectionCloser, PeerConnection
from hulak.bus.core.connection_admission import Bound
from hulak.bus.process.lifecycle import open_files
from hulak.bus.process.socket_poll import SocketPoll

NAMES = ("publisher", "backend")
PLENTY = Bound(1000, 1)


class World:
    """Two sockets of a broker, their connections, and their log lines."""

    def __init__(self, context, bound):
        self.log = []
        self.context = context
        self.poller = SocketPoll()
        self.connections = Connections(context, bound, structlog.wrap_logger(None, processors=[self._keep]))
        self.sockets, self.addresses, self.clock = {}, {}, 0.0
        self.peers = []  # open as long as this is
        for name in NAMES:
            self.bind(name)
        self.connections.register(self.poller)

    def _keep(self, logger, name, event):
        self.log.append(event)
        raise structlog.DropEvent

    def bind(self, name):
        socket = self.sockets[name] = self.context.socket(zmq.ROUTER)
        self.connections.monitor(name, socket)
        self.addresses[name] = f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"

    def connect(self, name, many=1):
        peers = []
        for _ in range(many):
            peer = self.context.socket(zmq.DEALER)
            peer.linger, peer.reconnect_ivl = 0, -1  # an ended peer does not reconnect
            peer.connect(self.addresses[name])
            peers.append(peer)
        self.peers += peers
        return peers

    def counts(self):
        self.connections.poll(self.clock)
        return self.connections.stats(self.clock)["sockets"]

    def stats(self):
        return self.connections.stats(self.clock)


@pytest.fixture
def make(context):
    made = []

    def world(bound=PLENTY):
        made.append(World(context, bound))
        return made[-1]

    yield world
    for made_world in made:
        made_world.connections.close()


def test_connections_are_counted_as_they_come_and_go(make):
    world = make()
    peers = world.connect("publisher", 3) + world.connect("backend", 2)
    eventually(lambda: world.counts() == {"publisher": 3, "backend": 2}, within_s=10)
    peers.pop().close()
    eventually(lambda: world.counts() == {"publisher": 3, "backend": 1}, within_s=10)
    assert world.stats()["refused"] == 0
    assert world.log == []


def test_connections_above_the_bound_are_ended_and_logged_once_and_later_ones_accepted(make):
    world = make(Bound(4, 1))
    kept = world.connect("publisher", 4)
    eventually(lambda: world.counts()["publisher"] == 4, within_s=10)
    world.connect("publisher", 3)
    eventually(lambda: world.counts() and world.stats()["refused"] == 3, within_s=10)
    (line,) = world.log
    assert (line["event"], line["socket"], line["most"]) == ("connections refused", "publisher", 4)
    assert "broker.max_connections" in line["remedy"]
    (worker,) = world.connect("backend")
    worker.send(b"work")
    assert world.sockets["backend"].poll(5000)  # its message comes, whatever becomes of the others
    assert world.counts() == {"publisher": 4, "backend": 1}
    kept.pop().close()
    kept.pop().close()
    eventually(lambda: world.counts()["publisher"] == 2, within_s=10)
    (late,) = world.connect("publisher")
    late.send(b"again")
    eventually(lambda: world.counts()["publisher"] == 3, within_s=10)
    assert len(world.log) == 1


def monitored(world):
    return any(monitor.reader in world.poller for monitor in world.connections.monitors.values())


def test_new_connections_wake_the_loop_only_where_the_bound_is_near(make):
    world = make(Bound(5, 1))
    assert monitored(world)  # until the first poll: others may have come before
    peers = world.connect("publisher", 3)
    eventually(lambda: world.counts()["publisher"] == 3, within_s=10)
    assert not monitored(world)
    assert not world.connections.near
    peers += world.connect("publisher")
    eventually(lambda: world.counts()["publisher"] == 4, within_s=10)
    assert world.connections.near
    assert not world.connections.has_events({})
    peers += world.connect("publisher", 2)
    assert world.connections.has_events(dict(world.poller.poll(5000)))
    for peer in peers:
        peer.close()
    eventually(lambda: world.counts()["publisher"] == 0, within_s=10)
    assert not monitored(world)


def test_a_connection_without_an_event_for_its_end_is_not_counted_forever(make):
    world = make(Bound(2, 0))
    for descriptor in (1_000_001, world.sockets["backend"].fileno()):  # there is none such; it is another one's now
        world.connections.monitors["publisher"].known[descriptor] = PeerConnection(descriptor, 1)
    (peer,) = world.connect("publisher")
    peer.send(b"hello")
    eventually(lambda: world.counts()["publisher"] == 1, within_s=10)
    assert world.sockets["publisher"].poll(5000)
    assert world.stats()["refused"] == 0


def test_a_rebuilt_socket_begins_without_connections(make):
    world = make()
    world.connect("publisher", 2)
    eventually(lambda: world.counts()["publisher"] == 2, within_s=10)
    world.sockets["publisher"].disable_monitor()
    world.sockets["publisher"].close(linger=0)
    world.bind("publisher")
    assert world.counts()["publisher"] == 0
    world.connect("publisher")
    eventually(lambda: world.counts()["publisher"] == 1, within_s=10)


def test_a_connection_can_be_ended_with_no_descriptor_left(make):
    world = make()
    (peer,) = world.connect("publisher")
    peer.send(b"hello")
    eventually(lambda: world.counts()["publisher"] == 1, within_s=10)
    (connection,) = world.connections.monitors["publisher"].known.values()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(open_files()) + 1, limits[1]))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        assert open_files() == []  # it takes one to look
        assert world.connections.end("publisher", connection).startswith("127.0.0.1:")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in taken:
            os.close(descriptor)
    assert world.counts()["publisher"] == 0


def test_a_descriptor_that_was_used_again_is_left_alone():
    ender = ConnectionCloser()
    reader, writer = os.pipe()
    try:
        assert ender.end(PeerConnection(reader, os.fstat(reader).st_ino + 1)) is None
        assert ender.end(PeerConnection(reader, os.fstat(reader).st_ino)) is None  # no socket
        assert ender.end(PeerConnection(1_000_001, 1)) is None
        os.write(writer, b"x")
        assert os.read(reader, 1) == b"x"
    finally:
        ender.close()
        os.close(reader)
        os.close(writer)
