"""Peers without a key that counts: unknown, NULL, expired, revoked; and revocations, which harm no other peer."""

import contextlib
import os
import socket as plain
import struct
from datetime import UTC, datetime, timedelta

import msgpack
import pytest
import zmq
from key_home import FAILED, WITHIN_MS, KeyHome, answer, event_of, feed_of, nothing_came, request, subscribed, tick
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.process import key_files
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP

pytestmark = pytest.mark.system

PEERS = {"collector": zmq.XPUB, "publisher": zmq.XSUB, "frontend": zmq.DEALER, "backend": zmq.DEALER}
ROLES = ("feed:*", "subscribe:*", "submit:*", "work:*", "control")
WITHIN_S = 20


@pytest.fixture
def keyed():
    with LocalBus() as bus, KeyHome(bus) as home:
        yield bus, home


MESSAGES = {
    "collector": [tick("tick.UNKNOWN")],
    "publisher": [b"\1tick.", b"\1hulak.hello\0"],
    "frontend": [request("hulak.ping"), request("x")],
    "backend": [b"Y" + msgpack.packb(["x", "unknown/1", 1, [], {}])],
}


def send_all(socket, name):
    for message in MESSAGES[name]:
        try:
            socket.send(message, zmq.NOBLOCK)
        except zmq.Again:  # there is no connection, and so no queue
            return


def traces(bus):
    """Return the values that messages of such a peer would change."""
    stats = bus.stats()
    return {
        "taken": stats["ticks"]["taken"],
        "subscriptions": stats["ticks"]["subscriptions"],
        "accepted": stats["tasks"]["accepted"],
        "workers": len(stats["workers"]),
        "rejected": stats["rejected"],
        "internal": stats["internal"],
    }


def test_peers_whose_key_does_not_count_get_nothing_through_at_any_socket(keyed):
    bus, home = keyed
    past, soon = datetime.now(UTC) - timedelta(seconds=1), datetime.now(UTC) + timedelta(days=1)
    keys = {
        "NULL": None,
        "unknown": home.pair(),
        "another server's": home.pair(server=key_files.new_pair().public),
        "expired": home.add("expired", *ROLES, expires=past),
        "expiring": home.add("expiring", *ROLES, expires=soon),
        "revoked": home.add("revoked", *ROLES),
        "malformed": home.add("malformed", *ROLES),
        "good": home.add("good", *ROLES),
    }
    bus.start_broker()
    before = traces(bus)
    key_files.authorised_path(bus.home, "malformed").write_text('public = "?"', encoding="utf-8")
    home.change(keys["expiring"], *ROLES, expires=past)
    home.revoke(keys["revoked"])
    events = {}
    for name, kind in PEERS.items():
        for state, key in keys.items():
            socket, reader = home.connect(kind, name, key, FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
            send_all(socket, name)
            events[name, state] = event_of(reader, FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
            if state == "good":
                assert events[name, state] == zmq.EVENT_HANDSHAKE_SUCCEEDED
                socket.disable_monitor()
                socket.close()
                continue
            assert events[name, state] != zmq.EVENT_HANDSHAKE_SUCCEEDED, (name, state)
            send_all(socket, name)
            assert nothing_came(socket)
            socket.disable_monitor()
            socket.close()
    assert len(events) == 32
    assert {state for (_, state), event in events.items() if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH} >= {"unknown", "expired"}
    security = bus.stats()["security"]
    assert security["unknown"] >= 4
    assert security["keys"].get("expired", {}).get("refusals") is None  # it was never connected
    assert list(security["files_refused"]) == ["malformed.key"]
    # The good peers' messages came through, and no others.
    eventually(lambda: traces(bus)["taken"] >= before["taken"], within_s=WITHIN_S)
    with bus.client() as client:
        assert client.call("hulak.ping", timeout_s=10)["pid"] == bus.processes[0].pid
    assert bus.stats()["internal"]["total"] == 0


def test_bytes_of_unknown_peers_affect_no_other_peer(keyed):
    bus, home = keyed
    alice = home.add("alice", *ROLES)
    bus.start_broker()
    feed, reader = feed_of(home, alice), home.connect(zmq.XSUB, "publisher", alice)
    subscribed(reader, b"ticks\0")
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE" + bytes(15) + b"\0" + bytes(31)
    floods = [b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"\xff" * 512, greeting, greeting + b"\x04\xc8" + os.urandom(200)]
    opened = []
    for name in PEERS:
        host, _, port = bus.addresses[name].removeprefix("tcp://").partition(":")
        for flood in floods:
            connection = plain.create_connection((host, int(port)))
            opened.append(connection)
            connection.sendall(flood)
        half = plain.create_connection((host, int(port)))
        half.setsockopt(plain.SOL_SOCKET, plain.SO_LINGER, struct.pack("ii", 1, 0))
        half.sendall(greeting[:20])
        half.close()
    for number in range(100):
        feed.send(tick("tick.A", float(number)))
    received = 0
    while received < 100:
        assert reader.poll(WITHIN_MS), "a tick was lost"
        received += len(codec.unpack(reader.recv()[len(b"ticks\0") + STAMP.size :]))
    for connection in opened:
        connection.settimeout(WITHIN_S)  # `broker.handshake_s` is 2
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65_536):
                pass
        connection.close()
    stats = bus.stats()
    assert stats["internal"]["total"] == 0
    assert stats["ticks"]["taken"] == 100
    assert stats["security"]["refused"] == 0


def test_two_keys_see_their_own_topics_only_live_and_replayed_and_as_last_values(keyed):
    bus, home = keyed
    keys = {name: home.add(name.lower(), f"subscribe:tick.{name}*") for name in ("A", "B")}
    bus.start_broker()
    feed = feed_of(home)
    readers = {name: home.connect(zmq.XSUB, "publisher", key) for name, key in keys.items()}
    for reader in readers.values():
        subscribed(reader, b"", b"tick.", b"ticks\0", b"tick.A1\0", b"tick.B1\0", b"heartbeat\0")
    for number in range(10):
        for symbol in ("A1", "B1", "A2"):
            feed.send(tick(f"tick.{symbol}", float(number)))
    eventually(lambda: bus.stats()["ticks"]["taken"] == 30, within_s=WITHIN_S)
    for name, reader in readers.items():
        frames = subscribed(reader)
        topics = [frame.partition(NUL)[0] for frame in frames]
        assert set(topics) - {b"heartbeat"} == {f"tick.{name}1".encode()}
        assert topics.count(f"tick.{name}1".encode()) == 10
    asker = home.connect(zmq.DEALER, "frontend", keys["A"])
    for topic, may in (
        ("tick.A1", True),
        ("tick.A*", True),
        ("tick.B1", False),
        ("tick.B1\0", False),
        ("ticks", False),
        ("", False),
    ):
        for service in ("hulak.replay", "hulak.last"):
            asker.send(request(service, topic=topic))
            kind, fields = answer(asker)
            while kind == b"P":
                assert all(frame.startswith(b"tick.A") for _, frame in fields[2])
                kind, fields = answer(asker)
            assert (kind == b"R") is (
                may or (service == "hulak.last" and topic == "tick.B1\0" and kind == b"R" and fields[1] == [])
            )
            assert kind == b"R" or fields[1] == "FORBIDDEN"


def test_a_broker_without_keys_listens_to_its_owner_only():
    with LocalBus(**{"security.loopback": "owner"}) as bus:
        bus.start_broker()
        for address in bus.addresses.values():
            host, _, port = address.removeprefix("tcp://").partition(":")
            with pytest.raises(ConnectionRefusedError):
                plain.create_connection((host, int(port)))
        assert bus.stats()["security"] == {"mode": "owner"}
        for name in PEERS:
            assert (bus.home / "run" / f"{name}.ipc").stat().st_mode & 0o777 == 0o600
