"""Keys of a broker under test, and plain ZeroMQ peers that use them, or do not."""

import contextlib
import os

import msgpack
import zmq
import zmq.utils.monitor

from hulak.bus.process import key_files
from hulak.bus.process.key_files import AuthorisedKey, BrokerKey, ClientKey
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP
from hulak.bus.wire.messages import FIRST_MS
from hulak.bus.wire.roles import parse_roles

WITHIN_MS = 20_000
FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)  # fmt: skip


class KeyHome:
    """The keys in a broker's home.

    Args:
        bus: the `LocalBus` whose broker is not started yet.
    """

    def __init__(self, bus):
        self.bus = bus
        pair = key_files.new_pair()
        self.server = pair.public
        key_files.write_broker_key(bus.home, BrokerKey(pair.public, pair.secret))
        self.context = zmq.Context()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)

    def pair(self, name="", server=""):
        """Make a key that is not authorised."""
        made = key_files.new_pair()
        return ClientKey(name=name or "unknown", public=made.public, secret=made.secret, server=server or self.server)

    def add(self, name, *roles, expires=None):
        """Authorise a new key; the broker sees it with the next `reload`, or within a second."""
        key = self.pair(name)
        made = AuthorisedKey(name=name, public=key.public, roles=parse_roles(roles), expires=expires)
        key_files.write_authorised_key(self.bus.home, made)
        return key

    def change(self, key, *roles, expires=None):
        """Change the roles of an authorised key."""
        made = AuthorisedKey(name=key.name, public=key.public, roles=parse_roles(roles), expires=expires)
        key_files.write_authorised_key(self.bus.home, made, replace=True)

    def revoke(self, *keys):
        """Revoke keys; the broker has done so when this returns."""
        for key in keys:
            key_files.remove_authorised_key(self.bus.home, key.name)
        self.reload()

    def reload(self):
        """Let the broker read the keys again."""
        with self.bus.client() as client:
            return client.call("hulak.key.reload", timeout_s=20)

    def file_of(self, key):
        """Write the file of a client's key; return its path."""
        return key_files.write_client_key(self.bus.home / f"{key.name}.secret", key, replace=True)

    def connect(self, kind, name, key, events=0, **options):
        """Connect a plain socket to one of the broker's TCP addresses.

        Args:
            kind: of the socket.
            name: of the broker's socket.
            key: a `ClientKey`; None: without CURVE.
            events: to monitor; then the reader of them is returned too.
            options: of the socket.
        """
        socket = self.context.socket(kind)
        socket.linger = 0
        for option, value in options.items():
            socket.setsockopt(getattr(zmq, option.upper()), value)
        if key is not None:
            socket.curve_publickey, socket.curve_secretkey = key.public.encode(), key.secret.encode()
            socket.curve_serverkey = key.server.encode()
        reader = socket.get_monitor_socket(events) if events else None
        socket.connect(self.bus.addresses[name])
        return (socket, reader) if events else socket

    def local(self, kind, name, **options):
        """Connect a plain socket to one of the broker's files, as its owner."""
        socket = self.context.socket(kind)
        socket.linger = 0
        for option, value in options.items():
            socket.setsockopt(getattr(zmq, option.upper()), value)
        socket.connect(f"ipc://{self.bus.home}/run/{name}.ipc")
        return socket


def event_of(reader, wanted):
    """Wait for one of these events of a monitored socket; return it."""
    while True:
        assert reader.poll(WITHIN_MS), f"no event of {wanted}"
        event = zmq.utils.monitor.recv_monitor_message(reader)["event"]
        if event & wanted:
            return event


def nothing_came(*sockets):
    """Return whether no message waits in any of these sockets."""
    for socket in sockets:
        with contextlib.suppress(zmq.Again):
            socket.recv(zmq.NOBLOCK)
            return False
    return True


def tick(topic, price=1.0, instance=0, number=0):
    body = {"symbol": topic.removeprefix("tick."), "bid": price, "ask": 2.0, "timestamp": FIRST_MS, "source": "s"}
    return topic.encode() + NUL + STAMP.pack(instance, number, 0) + codec.pack(body)


def request(service, /, request_id=None, **args):
    return b"Q" + msgpack.packb(
        [request_id or os.urandom(16), service, "", args, {"timeout_ms": 20_000} if "." not in service else {}]
    )


def answer(socket):
    assert socket.poll(WITHIN_MS), "no answer"
    frame = socket.recv()
    return frame[:1], msgpack.unpackb(frame[1:], strict_map_key=False)


def feed_of(home, key=None):
    feed = home.local(zmq.XPUB, "collector") if key is None else home.connect(zmq.XPUB, "collector", key)
    assert feed.poll(WITHIN_MS), "the collector did not subscribe"
    feed.recv()
    return feed


def subscribed(socket, *prefixes):
    """Subscribe, and wait until all subscriptions are in place."""
    for prefix in (*prefixes, b"tick.FENCE."):
        socket.send(b"\1" + prefix)
    frames = []
    while not frames or not frames[-1].startswith(b"tick.FENCE."):
        assert socket.poll(WITHIN_MS), "not subscribed"
        frames.append(socket.recv())
    return frames[:-1]


def received(socket):
    assert socket.poll(WITHIN_MS), "nothing came"
    return socket.recv()
