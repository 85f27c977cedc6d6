"""The peers of a ROUTER: messages reach the connection that they are meant for, and no other one with its identity."""

import subprocess
import sys

import pytest
import zmq
from waiting import eventually

from hulak.bus.broker.router_peers import RouterPeers, name_of
from hulak.bus.broker.socket_monitor import connection_of
from hulak.bus.process import sockets

WITHIN_MS = 10_000


@pytest.fixture
def router():
    context = zmq.Context()
    socket = sockets.make(context, zmq.ROUTER, router_mandatory=1)
    socket.bind("tcp://127.0.0.1:*")
    yield socket
    context.destroy(linger=0)


def peer_of(router, identity=b""):
    socket = sockets.make(router.context, zmq.DEALER, **({"routing_id": identity} if identity else {}))
    socket.connect(router.last_endpoint.decode())
    return socket


def arrived(router):
    assert router.poll(WITHIN_MS), "nothing came"
    return sockets.receive(router)


def until_gone(peers, name, router):
    """Wait until a connection is gone, and its ROUTER knows it, which keeps the identity until then."""
    eventually(lambda: is_gone(peers, name), within_s=10)
    eventually(lambda: not has_peer(router, b"desk"), within_s=10)


def has_peer(router, identity):
    router.poll(1)
    try:
        sockets.send(router, [identity, b"?"])
    except zmq.ZMQError:
        return False
    return True


def is_gone(peers, name):
    try:
        peers.reach([name, b"x"])
    except zmq.ZMQError as error:
        return error.errno == zmq.EHOSTUNREACH
    return False


def test_connections_of_one_identity_have_different_names_with_keys(router):
    peers, names = RouterPeers(), [name_of("alice#1"), name_of("mallory#2")]
    for name in names:
        dealer = peer_of(router, b"desk")
        dealer.send(b"hello")
        (identity, _), frame = arrived(router)
        peers.add(name, connection_of(frame), identity)
        assert peers.reach([name, b"", b"x"]) == [b"desk", b"", b"x"]
        if name == names[0]:
            dealer.close()
            until_gone(peers, names[0], router)
    assert is_gone(peers, names[0])
    sockets.send(router, peers.reach([names[1], b"answer"]))
    assert dealer.poll(WITHIN_MS)
    assert dealer.recv() == b"answer"
    assert len(peers) == 2
    peers.prune()
    assert len(peers) == 1
    peers.drop(names[1])
    assert is_gone(peers, names[1])


def test_the_owners_peers_keep_their_names_when_they_connect_again_with_their_identity(router):
    peers, names = RouterPeers(), []
    for _ in range(2):
        dealer = peer_of(router, b"desk")
        dealer.send(b"hello")
        (identity, _), frame = arrived(router)
        names.append(peers.owner("frontend", identity, frame))
        assert peers.reach([names[-1], b"x"]) == [b"desk", b"x"]
        dealer.close()
        until_gone(peers, names[-1], router)
    assert names[0] == names[1]
    assert peers.owner("backend", b"desk", frame) != names[0]
    assert len(peers.owner("frontend", b"i" * 255, frame)) == 16


def test_a_connection_that_has_ended_is_not_recorded(router):
    peers = RouterPeers()
    peers.add(b"name", None, b"desk")
    assert is_gone(peers, b"name")
    assert len(peers) == 0


def test_the_identities_that_libzmq_makes_are_different_in_every_process():
    script = (
        "import os, zmq\n"
        "from hulak.bus.process import sockets\n"
        "sockets.randomize_identities(int.from_bytes(os.urandom(4)))\n"
        "context = zmq.Context()\n"
        "router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)\n"
        "router.bind('inproc://a')\n"
        "dealer.connect('inproc://a')\n"
        "dealer.send(b'')\n"
        "print(router.recv_multipart()[0].hex())\n"
    )
    made = {subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout for _ in range(3)}
    assert len(made) == 3
