"""Identities, feeds, names and facts that one key tries to take from another, or from the broker."""

import itertools
import os
from datetime import UTC, datetime, timedelta

import msgpack
import pytest
import zmq
from key_home import WITHIN_MS, KeyHome, answer, event_of, feed_of, request, tick
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.process import key_files
from hulak.bus.wire import batch_frames
from hulak.bus.wire.subscriber_names import SUBSCRIBER

pytestmark = pytest.mark.system

WITHIN_S = 20
TRY_MS = 300
SHARE_OF_FEEDS = 128  # of 1,024 instances that the broker remembers
DESK = {"routing_id": b"desk"}
ALIVE = b"H" + msgpack.packb([[]])


@pytest.fixture(scope="module")
def keyed():
    with LocalBus() as bus, KeyHome(bus) as home:
        alice = home.add("alice", "submit:*", "work:*", "feed:*")
        mallory = home.add("mallory", "submit:y", "work:y", "feed:tick.M*", "subscribe:*")
        bus.start_broker()
        yield bus, home, alice, mallory


def in_order(socket):
    """Return the kind and the fields of the next message that is no heartbeat."""
    kind, fields = answer(socket)
    while kind == b"H":
        kind, fields = answer(socket)
    return kind, fields


def with_identity(home, name, key, hello):
    """Connect with an identity whose former connection has just been closed: libzmq ignores all that come before it knows so."""
    for _ in range(WITHIN_MS // TRY_MS):
        socket = home.connect(zmq.DEALER, name, key, **DESK)
        socket.send(hello)
        if socket.poll(TRY_MS):
            return socket
        socket.close()
    raise AssertionError("its identity stays in use")


def worker_of(home, key, service, name, **options):
    worker = home.connect(zmq.DEALER, "backend", key, **options)
    worker.send(b"Y" + msgpack.packb([service, name, 1, [], {}]))
    assert answer(worker)[0] == b"H"
    return worker


@pytest.mark.parametrize("by", ["key", "owner"])
def test_a_clients_answers_do_not_go_to_another_key_with_its_identity(keyed, by):
    bus, home, alice, mallory = keyed
    worker = worker_of(home, alice, f"secret-{by}", f"secret/{by}")
    connect = home.local if by == "owner" else home.connect
    client = connect(zmq.DEALER, "frontend", **({} if by == "owner" else {"key": alice}), **DESK)
    client.send(request(f"secret-{by}"))
    kind, (task, attempt, *_) = in_order(worker)
    assert kind == b"T"
    ignored = home.connect(zmq.DEALER, "frontend", mallory, **DESK)  # while the identity is in use
    ignored.send(request("hulak.ping"))
    worker.send(ALIVE)
    assert not ignored.poll(TRY_MS)
    ignored.close()
    client.close()
    thief = with_identity(home, "frontend", mallory, request("hulak.ping"))
    assert answer(thief)[0] == b"R"
    before = bus.stats()["tasks"]["unanswered"]
    worker.send(b"R" + msgpack.packb([task, attempt, True, "confidential"]))
    eventually(lambda: bus.stats()["tasks"]["unanswered"] == before + 1, within_s=WITHIN_S)
    thief.send(request("hulak.key.whoami"))
    assert answer(thief)[1][1]["name"] == "mallory"
    assert not thief.poll(0)
    thief.close()
    worker.close()


def test_a_workers_tasks_do_not_go_to_another_key_with_its_identity(keyed):
    _, home, alice, mallory = keyed
    first = worker_of(home, alice, "vault", "vault/1", **DESK)
    first.close()
    thief = with_identity(home, "backend", mallory, b"Y" + msgpack.packb(["y", "y/1", 1, [], {}]))
    assert answer(thief)[0] == b"H"
    client = home.connect(zmq.DEALER, "frontend", alice)
    client.send(request("vault"))
    second = worker_of(home, alice, "vault", "vault/2")
    kind, (task, attempt, *_) = in_order(second)  # the broker has found the first one gone, or never gave it the task
    assert kind == b"T"
    second.send(b"R" + msgpack.packb([task, attempt, True, 7]))
    assert answer(client)[1][1] == 7
    while thief.poll(0):
        assert thief.recv()[:1] == b"H"
    for socket in (thief, second, client):
        socket.close()


def test_a_client_with_an_identity_gets_its_answers_again_when_it_has_connected_again(keyed):
    _, home, alice, _ = keyed
    for _ in range(3):
        client = with_identity(home, "frontend", alice, request("hulak.ping"))
        assert answer(client)[0] == b"R"
        client.send(request("hulak.key.whoami"))
        assert answer(client)[1][1]["name"] == "alice"
        client.close()


def test_a_key_that_opens_feeds_without_end_does_not_keep_other_keys_from_it(keyed):
    bus, home, alice, mallory = keyed
    thief, client = home.connect(zmq.DEALER, "frontend", mallory), home.connect(zmq.DEALER, "frontend", alice)
    feed = feed_of(home, mallory)
    before, codes = bus.stats()["ticks"]["taken"], []
    for first in range(10_000, 10_000 + 9 * SHARE_OF_FEEDS, SHARE_OF_FEEDS):
        instances = range(first, first + SHARE_OF_FEEDS)
        for instance in instances:
            thief.send(request("hulak.feed", instance=instance, oldest=1))
        codes += [fields[1] if kind == b"E" else "" for kind, fields in [answer(thief) for _ in instances]]
        for instance in instances:
            feed.send(tick("tick.M", instance=instance, number=1))
        taken = codes.count("") + before
        eventually(lambda taken=taken: bus.stats()["ticks"]["taken"] == taken, within_s=WITHIN_S)
    assert codes == [""] * SHARE_OF_FEEDS + ["BUSY"] * (8 * SHARE_OF_FEEDS)
    client.send(request("hulak.feed", instance=1, oldest=1))
    assert answer(client)[0] == b"R"
    for socket in (thief, client, feed):
        socket.close()


def test_a_key_does_not_report_as_a_process_of_another_key(keyed):
    bus, home, alice, mallory = keyed
    thief, client = home.connect(zmq.DEALER, "frontend", mallory), home.connect(zmq.DEALER, "frontend", alice)

    def reported(socket, kind, name, **more):
        socket.send(request("hulak.report", kind=kind, name=name, pid=7, values={}, **more))
        kind, fields = answer(socket)
        return "" if kind == b"R" else fields[1]

    assert reported(client, "feed", "kraken") == ""
    assert reported(thief, "feed", "kraken") == "FORBIDDEN"
    assert reported(thief, "feed", "kraken", leaving=True) == "FORBIDDEN"
    assert reported(thief, "gateway", "gateway") == "FORBIDDEN"
    codes = [reported(thief, "feed", f"m{number}") for number in range(100)]
    assert [code for code, _ in itertools.groupby(codes)] in (["", "BUSY"], ["", "BUSY", ""])  # a slow test may find silent ones
    assert reported(client, "feed", "coinbase") == ""
    assert {"kraken", "coinbase"} <= {row["name"] for row in bus.stats()["processes"]}
    thief.close()
    client.close()


def test_a_key_that_may_not_read_learns_neither_the_brokers_home_nor_which_services_there_are(keyed):
    _, home, alice, mallory = keyed
    worker = worker_of(home, alice, "hidden", "hidden/1")
    client, thief = home.connect(zmq.DEALER, "frontend", alice), home.connect(zmq.DEALER, "frontend", mallory)
    for socket, code in ((client, b"200"), (thief, b"404")):
        socket.send(request("hulak.ping"))
        assert answer(socket)[1][1].keys() == {"epoch", "version", "protocol", "uptime_s"}
        socket.send_multipart([b"", b"MDPC02", b"\1", b"mmi.service", b"hidden"])
        assert socket.poll(WITHIN_MS)
        assert socket.recv_multipart()[-1] == code
    for socket in (worker, client, thief):
        socket.close()


def test_each_request_in_one_message_is_judged_by_itself(keyed):
    _, home, _, mallory = keyed
    socket = home.connect(zmq.DEALER, "frontend", mallory)
    asked = [
        ("y", {}),
        ("x", {}),
        ("hulak.post", {"service": "x"}),
        ("hulak.stats", {}),
        ("hulak.ping", {}),
        ("x", {}),
        ("y", {}),
    ]
    ids = [os.urandom(16) for _ in asked]
    frames = [
        b"Q" + msgpack.packb([id_, service, "", args, {"timeout_ms": 50} if "." not in service else {}])
        for id_, (service, args) in zip(ids, asked, strict=True)
    ]
    [message] = batch_frames.bundle(frames)
    socket.send(message)
    codes = {}
    while len(codes) < len(asked):
        assert socket.poll(WITHIN_MS)
        frame = socket.recv()
        replies = batch_frames.read_replies(frame)[0] if frame[:1] == batch_frames.ANSWERS else []
        codes |= {reply.id: "" for reply in replies}
        if not replies:
            fields = msgpack.unpackb(frame[1:])
            codes[fields[0]] = fields[1] if frame[:1] == b"E" else ""
    assert [codes[id_] for id_ in ids] == ["EXPIRED", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "", "FORBIDDEN", "EXPIRED"]
    socket.close()


@pytest.mark.parametrize("end", ["revoked", "expires"])
def test_a_connection_with_nothing_but_a_note_ends_with_its_key(keyed, end):
    bus, home, *_ = keyed
    key = home.add(f"noted-{end}", "subscribe:tick.*")
    home.reload()
    reader, monitor = home.connect(zmq.XSUB, "publisher", key, zmq.EVENT_DISCONNECTED)
    reader.send(b"\1" + SUBSCRIBER + msgpack.packb({"name": "n", "pid": 1}))
    eventually(lambda: bus.stats()["security"]["keys"].get(key.name, {}).get("connections"), within_s=WITHIN_S)
    if end == "revoked":
        home.revoke(key)
    else:
        home.change(key, "subscribe:tick.*", expires=datetime.now(UTC) + timedelta(seconds=0.2))
    event_of(monitor, zmq.EVENT_DISCONNECTED)
    reader.close()


def test_the_identities_that_a_broker_makes_are_different_after_each_start():
    """No peer should be able to foresee them: with libzmq's own start they would be the same each time."""
    names = set()
    for _ in range(2):
        with LocalBus() as bus, KeyHome(bus) as home:
            key_files.broker_path(bus.home).unlink()  # without keys the names of these workers show the identities
            bus.start_broker()
            worker = home.local(zmq.DEALER, "backend")
            worker.send_multipart([b"", b"MDPW02", b"\1", b"echo"])
            eventually(lambda bus=bus: bus.stats()["workers"], within_s=WITHIN_S)
            names |= {row["name"] for row in bus.stats()["workers"]}
    assert len(names) == 2
    assert all(name.startswith("mdp-0500") for name in names)  # the dialect, and the zero byte of an identity that libzmq made
