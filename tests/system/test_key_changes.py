"""Changes of keys while their programs run: revoked, widened, replaced; and keys that try to take from others."""

import os
from datetime import UTC, datetime, timedelta

import msgpack
import pytest
import zmq
from key_home import FAILED, WITHIN_MS, KeyHome, answer, event_of, feed_of, nothing_came, received, request, subscribed, tick
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.process import key_files
from hulak.bus.process.key_files import AuthorisedKey, BrokerKey
from hulak.bus.wire.codec import STAMP

pytestmark = pytest.mark.system

ROLES = ("feed:*", "subscribe:*", "submit:*", "work:*", "control")
WITHIN_S = 20


@pytest.fixture
def keyed():
    with LocalBus() as bus, KeyHome(bus) as home:
        yield bus, home


def test_a_revoked_subscriber_gets_nothing_more_and_the_others_miss_nothing(keyed):
    bus, home = keyed
    keys = [home.add(f"reader{number}", "subscribe:tick.*") for number in range(4)]
    bus.start_broker()
    feed = feed_of(home)
    readers = [home.connect(zmq.XSUB, "publisher", key) for key in keys]
    for reader in readers:
        subscribed(reader, b"tick.A\0")
    feed.send(tick("tick.A", 1.0))
    for reader in readers:
        assert reader.poll(WITHIN_MS)
        assert STAMP.unpack_from(reader.recv(), 7)[1] == 1
    home.revoke(keys[0])
    for number in range(2, 102):
        feed.send(tick("tick.A", float(number)))
    for reader in readers[1:]:
        assert [STAMP.unpack_from(received(reader), 7)[1] for _ in range(100)] == list(range(2, 102))
    assert nothing_came(readers[0])
    security = bus.stats()["security"]
    assert "reader0" not in security["keys"]
    assert security["authorised"] == 3


def test_a_revocation_ends_all_that_its_key_does(keyed):
    bus, home = keyed
    alice, bob = home.add("alice", *ROLES), home.add("bob", *ROLES)
    bus.start_broker()
    feed = feed_of(home, alice)
    feed.send(tick("tick.A"))
    eventually(lambda: bus.stats()["ticks"]["taken"] == 1, within_s=WITHIN_S)
    workers = {key.name: home.connect(zmq.DEALER, "backend", key) for key in (alice, bob)}
    for name, worker in workers.items():
        worker.send(b"Y" + msgpack.packb(["x", f"{name}/1", 1 if name == "alice" else 0, [], {}]))
        assert answer(worker)[0] == b"H"
    caller = home.connect(zmq.DEALER, "frontend", bob)
    caller.send(request("x"))
    kind, _ = answer(workers["alice"])
    while kind == b"H":
        kind, _ = answer(workers["alice"])
    assert kind == b"T"
    silent = home.connect(zmq.DEALER, "frontend", alice, zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    event_of(silent[1], zmq.EVENT_HANDSHAKE_SUCCEEDED)  # the broker has seen no message of it
    home.revoke(alice)
    assert [worker["name"] for worker in bus.stats()["workers"]] == ["bob/1"]
    workers["bob"].send(b"Y" + msgpack.packb(["x", "bob/1", 1, [], {}]))
    kind, fields = answer(workers["bob"])
    while kind == b"H":
        kind, fields = answer(workers["bob"])
    assert kind == b"T"  # the task of the lost worker
    workers["bob"].send(b"R" + msgpack.packb([fields[0], fields[1], True, 7]))
    assert answer(caller) == (b"R", [fields[0], 7])
    silent[0].send(request("hulak.ping"))
    event_of(silent[1], zmq.EVENT_DISCONNECTED)
    assert nothing_came(silent[0])
    feed.send(tick("tick.A"), zmq.NOBLOCK)
    feed_of(home, bob).send(tick("tick.B"))
    eventually(lambda: bus.stats()["ticks"]["taken"] == 2, within_s=WITHIN_S)
    with bus.client() as client:
        assert STAMP.unpack_from(client.call("hulak.last", "", {"topic": "tick.A"}, timeout_s=10)[0], 7)[1] == 1


def test_further_roles_count_at_once_and_a_refused_subscription_can_be_made_again(keyed):
    bus, home = keyed
    alice = home.add("alice", "submit:x")
    bus.start_broker()
    client, monitor = home.connect(zmq.DEALER, "frontend", alice, zmq.EVENT_DISCONNECTED)
    client.send(request("hulak.stats"))
    assert answer(client)[1][1] == "FORBIDDEN"
    reader = home.connect(zmq.SUB, "publisher", alice)
    reader.subscribe(b"tick.")
    assert msgpack.unpackb(received(reader)[6 + STAMP.size :])["code"] == "FORBIDDEN"
    home.change(alice, "submit:x", "read", "subscribe:*")
    home.reload()
    client.send(request("hulak.stats"))
    assert answer(client)[0] == b"R"
    assert not monitor.poll(0)
    assert received(reader)[6 + STAMP.size :] == b"\x90"  # libzmq has connected and subscribed again: an empty snapshot
    home.change(alice, "submit:x")
    home.reload()
    event_of(monitor, zmq.EVENT_DISCONNECTED)
    client.send(request("hulak.stats"))
    assert answer(client)[1][1] == "FORBIDDEN"


def test_a_key_can_take_nothing_from_another_key(keyed):
    bus, home = keyed
    alice, mallory = home.add("alice", *ROLES[:-1]), home.add("mallory", "feed:*", "submit:y", "work:*", "read")
    bus.start_broker()
    ours, theirs = home.connect(zmq.DEALER, "frontend", alice), home.connect(zmq.DEALER, "frontend", mallory)
    ours.send(request("hulak.feed", instance=7, oldest=1))
    assert answer(ours)[0] == b"R"
    theirs.send(request("hulak.feed", instance=7, oldest=1000))
    assert answer(theirs)[1][1] == "FORBIDDEN"
    feed, forger = feed_of(home, alice), feed_of(home, mallory)
    forger.send(tick("tick.A", 9.0, instance=7, number=1))
    eventually(lambda: bus.stats()["rejected"].get("collector", {}).get("FORBIDDEN") == 1, within_s=WITHIN_S)
    feed.send(tick("tick.A", 1.0, instance=7, number=1))
    eventually(lambda: bus.stats()["ticks"]["taken"] == 1, within_s=WITHIN_S)
    # A task: its result, its end, and its name.
    task = os.urandom(16)
    ours.send(request("hulak.post", task, service="x"))
    assert answer(ours)[0] == b"R"
    for service in ("hulak.cancel", "hulak.retry", "hulak.drop"):
        theirs.send(request(service, task=task))
        assert answer(theirs)[1][1] == "FORBIDDEN"
    theirs.send(request("y", task))
    assert answer(theirs)[1][1] == "FORBIDDEN"
    theirs.send(request("hulak.result", task=task))
    assert answer(theirs)[0] == b"R"  # by its role read
    home.change(mallory, "feed:*", "submit:y", "work:*")
    home.reload()
    theirs.send(request("hulak.result", task=task))
    assert answer(theirs)[1][1] == "FORBIDDEN"
    # A worker's name.
    worker, thief = home.connect(zmq.DEALER, "backend", alice), home.connect(zmq.DEALER, "backend", mallory)
    worker.send(b"Y" + msgpack.packb(["z", "w/1", 1, [], {}]))
    assert answer(worker)[0] == b"H"
    thief.send(b"Y" + msgpack.packb(["z", "w/1", 1, [], {}]))
    kind, fields = answer(thief)
    assert (kind, fields[1]) == (b"E", "FORBIDDEN")
    assert "may not take the name of the worker 'w/1'" in fields[2]


def test_a_forbidden_tick_of_a_numbered_feed_is_reported_to_it_and_not_sent_again(keyed):
    bus, home = keyed
    alice = home.add("alice", "feed:tick.A*")
    bus.start_broker()
    client, feed = home.connect(zmq.DEALER, "frontend", alice), feed_of(home, alice)
    client.send(request("hulak.feed", instance=3, oldest=1))
    assert answer(client)[0] == b"R"
    for number, topic in enumerate(("tick.A1", "tick.B1", "tick.A2"), 1):
        feed.send(tick(topic, instance=3, number=number))

    def state():
        client.send(request("hulak.feed", instance=3, oldest=1))
        return answer(client)[1][1]

    feed_state = eventually(lambda: (now := state())["safe"] == 3 and now, within_s=WITHIN_S)
    assert (feed_state["refused"], feed_state["refusals"]) == (1, {"tick.B1": "FORBIDDEN"})
    assert bus.stats()["ticks"]["taken"] == 2


def test_bytes_that_are_no_subscription_end_the_connection_and_pause_the_key(keyed):
    bus, home = keyed
    alice, mallory = home.add("alice", "subscribe:*"), home.add("mallory", "subscribe:*")
    bus.start_broker()
    reader = home.connect(zmq.XSUB, "publisher", alice)
    subscribed(reader, b"tick.A\0")
    bad, monitor = home.connect(zmq.XSUB, "publisher", mallory, zmq.EVENT_DISCONNECTED | FAILED)
    bad.send(b"\x07strange")
    event_of(monitor, zmq.EVENT_DISCONNECTED)
    assert bus.stats()["security"]["keys"]["mallory"]["refusals"] == {"malformed": 1}
    feed_of(home).send(tick("tick.A"))
    while not received(reader).startswith(b"tick.A"):
        pass


def test_a_subscriber_that_is_refused_again_and_again_is_disconnected_and_the_counts_stay_right(keyed):
    bus, home = keyed
    mallory = home.add("mallory", "subscribe:tick.X")
    bus.start_broker()
    reader = home.local(zmq.XSUB, "publisher")
    subscribed(reader, b"tick.A\0")
    before = bus.stats()["ticks"]["subscriptions"]
    bad, monitor = home.connect(zmq.XSUB, "publisher", mallory, zmq.EVENT_DISCONNECTED)
    for number in range(102):
        bad.send(b"\1tick.A\0" if number == 0 else b"\1tick.%d\0" % number)
    event_of(monitor, zmq.EVENT_DISCONNECTED)
    feed = feed_of(home)
    for price in (1.0, 2.0):
        feed.send(tick("tick.A", price))
        while not received(reader).startswith(b"tick.A"):
            pass
    eventually(lambda: bus.stats()["ticks"]["subscriptions"] == before, within_s=WITHIN_S)


def test_the_brokers_key_is_replaced_at_its_time_and_peers_with_the_next_one_are_back(keyed):
    bus, home = keyed
    following = key_files.new_pair()
    alice = home.add("alice", "read", "subscribe:*")
    bus.start_broker()
    until = datetime.now(UTC) + timedelta(hours=1)
    key_files.write_broker_key(bus.home, BrokerKey(following.public, following.secret, until), following=True)
    home.reload()
    client, monitor = home.connect(zmq.DEALER, "frontend", alice, zmq.EVENT_DISCONNECTED)
    client.send(request("hulak.key.whoami"))
    reply = answer(client)[1][1]
    assert (reply["server"], reply["server_next"]) == (home.server, following.public)
    assert datetime.fromisoformat(reply["until"]) <= until
    readers = [home.connect(zmq.XSUB, "publisher", alice), home.local(zmq.XSUB, "publisher")]
    readers[0].curve_serverkey = following.public.encode()  # the second connection: made when the broker has this key
    readers[0].connect(bus.addresses["publisher"].replace("tcp://", "tcp://127.0.0.1:0;"))
    for reader in readers:
        subscribed(reader, b"tick.A\0")
    key_files.next_broker_path(bus.home).unlink()
    key_files.write_broker_key(bus.home, BrokerKey(following.public, following.secret, datetime.now(UTC)), following=True)
    home.reload()
    event_of(monitor, zmq.EVENT_DISCONNECTED)
    eventually(lambda: bus.stats()["security"]["public"] == following.public, within_s=WITHIN_S)
    assert key_files.read_broker_key(bus.home).public == following.public
    assert key_files.read_next_broker_key(bus.home) is None
    feed = feed_of(home)
    feed.send(tick("tick.A"))
    for reader in readers:
        while not received(reader).startswith(b"tick.A\0"):
            pass
    old = home.connect(zmq.DEALER, "frontend", alice, FAILED | zmq.EVENT_DISCONNECTED)
    event_of(old[1], FAILED | zmq.EVENT_DISCONNECTED)


def test_a_file_that_is_written_in_place_loses_the_key_for_a_moment_only(keyed):
    bus, home = keyed
    alice = home.add("alice", "read")
    bus.start_broker()
    client, monitor = home.connect(zmq.DEALER, "frontend", alice, zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED)
    client.send(request("hulak.stats"))
    assert answer(client)[0] == b"R"
    path = key_files.authorised_path(bus.home, "alice")
    text = path.read_text(encoding="utf-8")
    path.write_text("", encoding="utf-8")
    assert list(home.reload()["files_refused"]) == ["alice.key"]
    event_of(monitor, zmq.EVENT_DISCONNECTED)
    path.write_text(text, encoding="utf-8")
    home.reload()
    client.send(request("hulak.stats"))  # libzmq has connected again: the broker did not say no, but later
    assert answer(client)[0] == b"R"


def test_two_files_with_one_public_key_end_its_connections(keyed):
    bus, home = keyed
    alice = home.add("alice", "read")
    bus.start_broker()
    client, monitor = home.connect(zmq.DEALER, "frontend", alice, zmq.EVENT_DISCONNECTED)
    client.send(request("hulak.stats"))
    assert answer(client)[0] == b"R"
    key_files.write_authorised_key(bus.home, AuthorisedKey(name="copy", public=alice.public))
    event_of(monitor, zmq.EVENT_DISCONNECTED)  # within a second, without a reload
    assert sorted(bus.stats()["security"]["files_refused"]) == ["alice.key", "copy.key"]


def test_clients_and_workers_of_majordomo_need_the_same_roles(keyed):
    bus, home = keyed
    alice = home.add("alice", "work:echo", "submit:echo")
    bus.start_broker()
    worker, caller = home.connect(zmq.DEALER, "backend", alice), home.connect(zmq.DEALER, "frontend", alice)
    worker.send_multipart([b"", b"MDPW02", b"\1", b"other"])
    assert worker.poll(WITHIN_MS)
    assert worker.recv_multipart() == [b"", b"MDPW02", b"\6"]
    worker.send_multipart([b"", b"MDPW02", b"\1", b"echo"])
    caller.send_multipart([b"", b"MDPC02", b"\1", b"other", b"hello"])
    assert caller.poll(WITHIN_MS)
    assert caller.recv_multipart()[2:6] == [b"\3", b"other", b"ERROR", b"FORBIDDEN"]
    caller.send_multipart([b"", b"MDPC02", b"\1", b"hulak.stats", b""])
    assert caller.poll(WITHIN_MS)
    caller.recv_multipart()
    caller.send_multipart([b"", b"MDPC02", b"\1", b"echo", b"hello"])
    while True:
        assert worker.poll(WITHIN_MS)
        frames = worker.recv_multipart()
        if frames[2] == b"\2":
            break
    worker.send_multipart([b"", b"MDPW02", b"\4", frames[3], b"", b"back"])
    assert caller.poll(WITHIN_MS)
    assert caller.recv_multipart() == [b"", b"MDPC02", b"\3", b"echo", b"back"]
