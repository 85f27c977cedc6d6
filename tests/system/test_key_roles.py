"""The rights of every role, at every socket, with every operation, by TCP with keys and by the ipc files.

The expectations stand here as separate tables, not as the broker's rules.
"""

import itertools
import os

import msgpack
import pytest
import zmq
from key_home import WITHIN_MS, KeyHome, tick
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.broker.control_services import SERVICES
from hulak.bus.wire.codec import NUL, STAMP

pytestmark = pytest.mark.system

ROLES = {
    "none": (),
    "feed-a": ("feed:tick.A*",),
    "feed-all": ("feed:*",),
    "subscribe-a": ("subscribe:tick.A",),
    "subscribe-prefix": ("subscribe:tick.A*",),
    "subscribe-symbols": ("subscribe:tick.*",),
    "subscribe-ticks": ("subscribe:ticks",),
    "subscribe-all": ("subscribe:*",),
    "submit-x": ("submit:x",),
    "submit-all": ("submit:*",),
    "work-x": ("work:x",),
    "work-display": ("work:display",),
    "work-all": ("work:*",),
    "read": ("read",),
    "control": ("control",),
}
ALL = set(ROLES)
READERS, CONTROL = {"read", "control"}, {"control"}
MEMBERS = {"feed-a", "feed-all", "work-x", "work-display", "work-all", "read", "control"}
FEEDS, SUBMITTERS = {"feed-a", "feed-all"}, {"submit-x", "submit-all"}
DISPLAYS = {"work-display", "work-all"}
SUBSCRIBERS = {name for name in ROLES if name.startswith("subscribe")}
WATCHERS = {"subscribe-a", "subscribe-prefix", "subscribe-symbols", "subscribe-all", "control"} | DISPLAYS
WHOLE = {"subscribe-symbols", "subscribe-ticks", "subscribe-all"} | DISPLAYS

CALENDAR = {"name": "c", "zone": "UTC", "weekdays": [1], "first": "2026-01-01", "last": "2026-12-31"}
TASK = {"task": bytes(16)}
CONTROL_REQUESTS = [  # service, arguments, roles that may
    ("hulak.ping", {}, ALL),
    ("hulak.stats", {}, READERS),
    ("hulak.feed", {"instance": 1, "oldest": 1}, FEEDS),
    ("hulak.feed", {"instance": 1, "oldest": 1, "owns": "signals"}, {"feed-all"}),
    ("hulak.topic.owners", {}, READERS),
    ("hulak.replay", {"topics": ["ticks", "tick.A"]}, WHOLE),
    ("hulak.replay", {"topics": ["ticks", "app.signals.*"]}, {"subscribe-all"}),
    ("hulak.replay", {"topic": "tick.A"}, {"subscribe-a", "subscribe-prefix", "subscribe-symbols", "subscribe-all"} | DISPLAYS),
    ("hulak.replay", {"topic": "tick.A\0"}, {"subscribe-a", "subscribe-prefix", "subscribe-symbols", "subscribe-all"} | DISPLAYS),
    ("hulak.replay", {"topic": "tick.B"}, {"subscribe-symbols", "subscribe-all"} | DISPLAYS),
    ("hulak.replay", {"topic": "tick.A*"}, {"subscribe-prefix", "subscribe-symbols", "subscribe-all"} | DISPLAYS),
    ("hulak.replay", {"topic": "tick."}, {"subscribe-symbols", "subscribe-all"} | DISPLAYS),
    ("hulak.replay", {"topic": "ticks"}, WHOLE),
    ("hulak.replay", {"topic": ""}, WHOLE),
    ("hulak.replay", {"topic": "*"}, WHOLE),
    ("hulak.replay", {"topic": "t*"}, {"subscribe-all"}),
    ("hulak.last", {"topic": "tick.A"}, {"subscribe-a", "subscribe-prefix", "subscribe-symbols", "subscribe-all"} | DISPLAYS),
    ("hulak.last", {"topic": "tick."}, {"subscribe-symbols", "subscribe-all"} | DISPLAYS),
    ("hulak.last", {"topic": ""}, {"subscribe-all"}),
    ("hulak.last", {"topic": "stats"}, READERS | {"subscribe-all"}),
    ("hulak.replay", {"topics": ["tick.A", "tick.B"]}, {"subscribe-symbols", "subscribe-all"} | DISPLAYS),
    ("hulak.position.open", {"name": "p"}, SUBSCRIBERS),
    ("hulak.position.save", {"name": "p", "token": 1, "number": 1, "epoch": 1}, SUBSCRIBERS),
    ("hulak.position.list", {}, SUBSCRIBERS | READERS),
    ("hulak.position.remove", {"names": ["none"]}, SUBSCRIBERS | READERS),
    ("hulak.topic.remove", {"topics": ["tick.NONE"]}, CONTROL),
    ("hulak.beat", {"kind": "k", "name": "n", "pid": 1}, READERS),
    ("hulak.beat", {"kind": "feed", "name": "n", "pid": 1}, FEEDS),
    ("hulak.report", {"kind": "k", "name": "n", "pid": 1, "values": {}, "leaving": True}, READERS),
    ("hulak.report", {"kind": "gateway", "name": "n", "pid": 1, "values": {}, "leaving": True}, READERS),
    ("hulak.report", {"kind": "feed", "name": "n", "pid": 1, "values": {}, "leaving": True}, FEEDS),
    ("hulak.report", {"kind": "display", "name": "n", "pid": 1, "values": {}, "leaving": True}, DISPLAYS),
    ("hulak.report", {"kind": "nepse", "name": "n", "pid": 1, "values": {}, "leaving": True}, {"work-all"}),
    ("hulak.report", {"kind": "worker", "name": "n", "pid": 1, "values": {}, "leaving": True}, {"work-x"} | DISPLAYS),
    ("hulak.retire", {"worker": "nobody"}, CONTROL),
    ("hulak.scale", {"service": "nepse", "workers": "auto"}, CONTROL),
    ("hulak.post", {"service": "x"}, SUBMITTERS),
    ("hulak.post", {"service": "y"}, {"submit-all"}),
    ("hulak.result", TASK, SUBMITTERS | READERS),
    ("hulak.cancel", TASK, SUBMITTERS | CONTROL),
    ("hulak.tasks", {}, READERS),
    ("hulak.tasks", {"service": "x"}, READERS | SUBMITTERS),
    ("hulak.tasks", {"service": "y"}, READERS | {"submit-all"}),
    ("hulak.task.show", TASK, SUBMITTERS | READERS),
    ("hulak.calls", {}, READERS),
    ("hulak.calls", {"service": "x"}, READERS | SUBMITTERS),
    ("hulak.retry", TASK, CONTROL),
    ("hulak.drop", TASK, CONTROL),
    ("hulak.schedule.add", {"service": "x", "at": "10:00", "name": "n"}, SUBMITTERS),
    ("hulak.schedule.add", {"service": "y", "at": "10:00", "name": "n"}, {"submit-all"}),
    ("hulak.schedule.list", {}, SUBMITTERS | READERS),
    ("hulak.schedule.pause", {"name": "none"}, SUBMITTERS | CONTROL),
    ("hulak.schedule.resume", {"name": "none"}, SUBMITTERS | CONTROL),
    ("hulak.schedule.remove", {"name": "none"}, SUBMITTERS | CONTROL),
    ("hulak.schedule.run", {"name": "none"}, SUBMITTERS | CONTROL),
    ("hulak.calendar.set", CALENDAR, CONTROL),
    ("hulak.calendar.list", {}, SUBMITTERS | READERS),
    ("hulak.calendar.remove", {"name": "none"}, CONTROL),
    ("hulak.alert.add", {"symbol": "A", "on": "stale", "after_s": 60, "name": "a"}, WATCHERS),
    ("hulak.alert.list", {}, SUBSCRIBERS | READERS),
    ("hulak.alert.enable", {"name": "none"}, SUBSCRIBERS | CONTROL),
    ("hulak.alert.remove", {"name": "none"}, SUBSCRIBERS | CONTROL),
    ("hulak.layout.list", {}, READERS),
    ("hulak.layout.show", {"name": "none"}, READERS),
    ("hulak.layout.put", {"name": "none", "document": {"version": 1, "view": "table"}}, CONTROL),
    ("hulak.layout.remove", {"name": "none"}, CONTROL),
    ("hulak.config.get", {}, READERS),
    ("hulak.config.set", {"scope": "global"}, CONTROL),
    ("hulak.config.revert", {"version": 0}, CONTROL),
    ("hulak.config.history", {}, READERS),
    ("hulak.config.applied", {}, READERS),
    ("hulak.display.create", {"symbol": "A", "display": "a"}, CONTROL),
    ("hulak.display.update", {"display": "none"}, CONTROL),
    ("hulak.display.remove", {"display": "none"}, CONTROL),
    ("hulak.display.list", {}, READERS | DISPLAYS),
    ("hulak.display.day", {"display": "a", "token": 1, "from": 1}, DISPLAYS),
    ("hulak.key.whoami", {}, ALL),
    ("hulak.key.reload", {}, CONTROL),
    ("mmi.service", {}, ALL),
]
CALLS = [("x", SUBMITTERS), ("y", {"submit-all"})]  # of a service without workers: they expire
SUBSCRIPTIONS = [
    (b"", {"subscribe-all"}),
    (b"t", {"subscribe-all"}),
    (b"tick.", {"subscribe-symbols", "subscribe-all"} | DISPLAYS),
    (b"tick.A\0", {"subscribe-a", "subscribe-prefix", "subscribe-symbols", "subscribe-all"} | DISPLAYS),
    (b"tick.A", {"subscribe-prefix", "subscribe-symbols", "subscribe-all"} | DISPLAYS),
    (b"tick.B\0", {"subscribe-symbols", "subscribe-all"} | DISPLAYS),
    (b"ticks\0", WHOLE),
    (b"ticks", WHOLE),
    (b"heartbeat\0", SUBSCRIBERS | DISPLAYS | READERS),
    (b"stats\0", READERS | {"subscribe-all"}),
    (b"config\0", MEMBERS | {"subscribe-all"}),
    (b"displays\0", READERS | DISPLAYS | {"subscribe-all"}),
    (b"display.a\0", DISPLAYS | {"subscribe-all"}),
    (b"hulak.hello\0", SUBSCRIBERS | MEMBERS),
]
POSTS = [("tick.A", FEEDS), ("tick.B", {"feed-all"}), ("display.", set())]  # the display's states need a token too
WORKS = [("x", {"work-x", "work-all"}), ("y", {"work-all"}), ("display", DISPLAYS)]


@pytest.fixture(scope="module")
def keyed():
    with LocalBus() as bus, KeyHome(bus) as home:
        keys = {name: home.add(name, *roles) for name, roles in ROLES.items()}
        bus.start_broker()
        feed = home.local(zmq.XPUB, "collector")
        assert feed.poll(WITHIN_MS)
        for symbol in ("A", "B"):
            feed.send(tick(f"tick.{symbol}"))
        eventually(lambda: bus.stats()["ticks"]["taken"] == 2, within_s=60)
        yield bus, home, keys


def answers(socket, requests):
    """Send requests, all at once; return the code of each answer, empty for a REPLY, in the order of the requests."""
    ids = [os.urandom(16) for _ in requests]
    for request_id, (service, args, options) in zip(ids, requests, strict=True):
        socket.send(b"Q" + msgpack.packb([request_id, service, "", args, options]))
    codes = {}
    while len(codes) < len(ids):
        assert socket.poll(WITHIN_MS), "no answer"
        frame = socket.recv()
        kind, fields = frame[:1], msgpack.unpackb(frame[1:], strict_map_key=False)
        if kind == b"E":
            codes[fields[0]] = fields[1]
        elif kind == b"R":
            codes[fields[0]] = ""
    return [codes[request_id] for request_id in ids]


def test_the_table_names_every_control_service():
    assert {service for service, *_ in CONTROL_REQUESTS} == {*SERVICES, "mmi.service"}


@pytest.mark.parametrize("role", [*ROLES, "owner"])
def test_requests_are_answered_or_forbidden_by_the_role(keyed, role):
    _, home, keys = keyed
    socket = home.local(zmq.DEALER, "frontend") if role == "owner" else home.connect(zmq.DEALER, "frontend", keys[role])
    own = 1 + [*ROLES, "owner"].index(role)  # an instance of a feed belongs to the key that opened it
    requests = [
        (service, {**args, "instance": own} if service == "hulak.feed" else args, {}) for service, args, _ in CONTROL_REQUESTS
    ]
    requests += [(service, {}, {"timeout_ms": 20}) for service, _ in CALLS]
    may = [allowed for *_, allowed in CONTROL_REQUESTS] + [allowed for _, allowed in CALLS]
    codes = answers(socket, requests)
    named = [f"{service} {args}" for service, args, _ in requests]
    got = {name: code == "FORBIDDEN" for name, code in zip(named, codes, strict=True)}
    assert got == {name: role != "owner" and role not in allowed for name, allowed in zip(named, may, strict=True)}
    socket.close()


@pytest.mark.parametrize("role", [*ROLES, "owner"])
def test_subscriptions_are_set_or_refused_by_the_role(keyed, role):
    _, home, keys = keyed
    # XSUB gets everything that is sent to it; SUB would drop what it is not subscribed to.
    socket = home.local(zmq.XSUB, "publisher") if role == "owner" else home.connect(zmq.XSUB, "publisher", keys[role])
    for prefix in (*(prefix for prefix, _ in SUBSCRIPTIONS), b"tick.FENCE."):
        socket.send(b"\1" + prefix)
    refused = {}
    while True:
        assert socket.poll(WITHIN_MS), "no answer to a subscription"
        topic, _, rest = socket.recv().partition(NUL)
        body = msgpack.unpackb(rest[STAMP.size :], strict_map_key=False)
        if STAMP.unpack_from(rest)[1] == 0 and isinstance(body, dict) and body.get("code") == "FORBIDDEN":
            refused[topic] = body["text"]
        if topic == b"tick.FENCE.":
            break
    refused.pop(b"tick.FENCE.", None)
    expected = {prefix.removesuffix(NUL) for prefix, allowed in SUBSCRIPTIONS if role != "owner" and role not in allowed}
    permitted_too = {prefix.removesuffix(NUL) for prefix, allowed in SUBSCRIPTIONS if role in allowed} & {b"tick.A"}
    assert set(refused) == expected | (permitted_too & set(refused))  # tick.A is asked for with and without its NUL
    assert all(f"key {role!r} may not subscribe to" in text for text in refused.values())
    socket.close()


def test_ticks_are_accepted_or_forbidden_by_the_role(keyed):
    bus, home, keys = keyed
    before = bus.stats()
    sent, expected = 0, set()
    for (number, (role, key)), (topic, allowed) in itertools.product(enumerate(keys.items()), POSTS):
        feed = home.connect(zmq.XPUB, "collector", key)
        assert feed.poll(WITHIN_MS), "the collector did not subscribe"
        name = f"{topic}{number}"
        feed.send(tick(name))
        sent += 1
        if role in allowed:
            expected.add(name)

    def all_judged():
        now = bus.stats()
        judged = now["ticks"]["taken"] + now["rejected"]["total"] - before["ticks"]["taken"] - before["rejected"]["total"]
        return judged >= sent

    eventually(all_judged, within_s=60)
    with bus.client() as client:
        frames = client.call("hulak.last", "", {"topic": "tick."}, timeout_s=20)
    topics = {frame.partition(NUL)[0].decode() for frame in frames} - {"tick.A", "tick.B"}
    assert topics == expected
    rejected = bus.stats()["rejected"]["collector"]
    assert rejected["FORBIDDEN"] == sent - len(expected) - len(DISPLAYS)
    assert rejected["NOT_YOURS"] == len(DISPLAYS)  # these may, but there is no such display


@pytest.mark.parametrize("role", [*ROLES, "owner"])
def test_workers_register_or_are_forbidden_by_the_role(keyed, role):
    _, home, keys = keyed
    for service, allowed in WORKS:
        socket = home.local(zmq.DEALER, "backend") if role == "owner" else home.connect(zmq.DEALER, "backend", keys[role])
        socket.send(b"Y" + msgpack.packb([service, f"{role}/{service}", 0, [], {}]))
        assert socket.poll(WITHIN_MS), "READY was not answered"
        frame = socket.recv()
        if role == "owner" or role in allowed:
            assert frame[:1] == b"H", frame
            socket.send(b"G" + msgpack.packb(["done"]))
        else:
            assert frame[:1] == b"E"
            assert msgpack.unpackb(frame[1:])[1] == "FORBIDDEN"
        socket.close()


def test_every_refusal_is_in_the_statistics_and_logged_once_for_each_key_and_reason(keyed):
    bus, *_ = keyed
    security = bus.stats()["security"]
    assert security["mode"] == "keys"
    assert security["authorised"] == len(ROLES)
    counted = sum(sum(key["refusals"].values()) for key in security["keys"].values())
    assert counted == security["refused"] > 0
    assert security["keys"]["none"]["refusals"]["subscribe"] >= len(SUBSCRIPTIONS)
    lines = [line for line in bus.processes[0].log.read_text().splitlines() if '"event": "refused"' in line]
    reasons = {(name, reason) for name, key in security["keys"].items() for reason in key["refusals"]}
    assert len(lines) == len(reasons)
