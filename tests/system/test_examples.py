"""The subscribers of clients/examples/, in C, JavaScript and plain Python: against the golden frames and a real broker.

The needs of a language are installed here, if its compiler or interpreter is present; else its tests are skipped, with a reason.
"""

import ast
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import psutil
import pytest
import zmq
from c_program import EXAMPLES, attempt, compiled_c
from local_bus import ROOT, LocalBus
from waiting import eventually

from hulak.bus.process import key_files
from hulak.bus.wire import codec
from hulak.bus.wire.messages import FIRST_MS, Error, Part, Reply, Tick
from hulak.bus.wire.roles import parse_roles
from hulak.clients.cli import key_store

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]  # seconds; the first run installs
GOLDEN = json.loads((ROOT / "tests" / "vectors" / "frames.json").read_text())
FRAMES = {entry["name"]: bytes.fromhex(entry["frame"]) for entry in GOLDEN["dialogs"] + GOLDEN["publications"]}
TOPIC = "tick.EURUSD"
FLOOD = 20_000  # ticks: more than both queues of 1,000 and the kernel's buffers of an ipc connection hold
NPM = ("install", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
NODE_PACKAGES = ("zeromq@6.8.0", "@msgpack/msgpack@3.1.3")


# The needs of each language


def installed_js(folder, kept):
    """Install the npm packages once for all runs: into a folder beside, which is then renamed, so that two runs may meet."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("there is no node with npm")
    modules = kept / "+".join(NODE_PACKAGES).replace("/", "-") / "node_modules"
    if not modules.exists():
        fresh = Path(tempfile.mkdtemp(dir=kept))
        (fresh / "package.json").write_text("{}")
        # without their scripts: zeromq comes ready made for the usual machines, and to build it takes minutes
        why = attempt(npm, *NPM, "--ignore-scripts", *NODE_PACKAGES, cwd=fresh)
        why = why or attempt(node, "-e", "require('zeromq'), require('@msgpack/msgpack')", cwd=fresh)
        if not why:
            with contextlib.suppress(OSError):  # another run was quicker
                fresh.rename(modules.parent)
        shutil.rmtree(fresh, ignore_errors=True)
        if why:
            pytest.skip(f"{' and '.join(NODE_PACKAGES)} could not be installed: {why}")
    (folder / "node_modules").symlink_to(modules)  # node looks for packages beside the file only
    for path in EXAMPLES.glob("*.mjs"):
        shutil.copy(path, folder)
    return [node, str(folder / "subscriber.mjs")]


@pytest.fixture(scope="module", params=["c", "mjs", "py"])
def program(request, tmp_path_factory):
    """Return the command that starts an example."""
    folder = tmp_path_factory.mktemp("example")
    match request.param:
        case "c":
            return compiled_c("subscriber", folder)
        case "mjs":
            cache = getattr(request.config, "cache", None)  # pytest can be run without one
            return installed_js(folder, cache.mkdir("examples") if cache else tmp_path_factory.getbasetemp())
        case _:
            return [sys.executable, "-sE", str(EXAMPLES / "subscriber.py")]


# An example that runs


class Example:
    """A started example, and its output."""

    def __init__(self, local_bus, program, *words):
        self.out, self.err = local_bus.home / "example.out", local_bus.home / "example.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            variables = {**os.environ, **local_bus.variables}
            words = [*program, *map(str, words)]
            self.process = subprocess.Popen(words, cwd=local_bus.home, env=variables, stdout=out, stderr=err)
        self.process.log = self.err
        local_bus.processes.append(self.process)

    def ticks(self):
        """Return what it printed: [(sequence, bid, ask)]."""
        lines = self.out.read_text().splitlines(keepends=True)
        fields = [line.split() for line in lines if line.endswith("\n")]
        return [(int(sequence), float(bid), float(ask)) for sequence, bid, ask in fields]

    def gaps(self):
        """Return the gaps that it printed: [(first, last)]; any other line fails."""
        reports = [line.split() for line in self.err.read_text().splitlines()]
        assert all(words[0] == "gap" and words[2:] == ["repaired"] for words in reports), reports
        return [tuple(map(int, words[1].split(".."))) for words in reports]

    def stop(self):
        """Freeze it."""
        self.process.send_signal(signal.SIGSTOP)
        eventually(lambda: psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED, within_s=30)

    def go_on(self):
        """Thaw it."""
        self.process.send_signal(signal.SIGCONT)

    def has_ended_well(self):
        """Return whether it has ended, and make sure that it ended well."""
        code = self.process.poll()
        assert code in (None, 0), self.err.read_text()
        return code == 0


@pytest.fixture
def local_bus():
    with LocalBus(**{"broker.subscriber_hwm": 1000}) as local_bus:
        yield local_bus


# Golden frames, sent by this test as they stand


def numbered(sequence, body=FRAMES["tick"][36:]):
    """Return the golden tick under another sequence, or with another body."""
    return FRAMES["tick"][:20] + sequence.to_bytes(8, "big") + FRAMES["tick"][28:36] + body


class Box:
    """A publisher and a frontend in this process, which send exactly the bytes that a test wants."""

    def __init__(self, context, home):
        self.publisher, self.frontend = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
        self.addresses = [f"ipc://{home}/publisher.ipc", f"ipc://{home}/frontend.ipc"]
        for socket, address in zip((self.publisher, self.frontend), self.addresses, strict=True):
            socket.linger = 0
            socket.rcvtimeo = 20_000
            socket.bind(address)

    def request(self):
        """Receive a request."""
        self.peer, frame = self.frontend.recv_multipart()
        request = codec.decode_from_client(frame)
        assert (request.service, request.action, request.options) == ("hulak.replay", "", {})
        assert request.args["topic"] == TOPIC
        return request, request.args["from"], request.args["to"]

    def answer(self, *answers):
        """Answer with messages, or frames as they are."""
        for reply in answers:
            self.frontend.send_multipart([self.peer, reply if isinstance(reply, bytes) else codec.encode(reply)])


def test_an_example_reads_the_golden_frames_and_requests_the_missing_ones_between_them(local_bus, context, program):
    box = Box(context, local_bus.home)
    example = Example(local_bus, program, *box.addresses, TOPIC, 9)
    assert {box.publisher.recv(), box.publisher.recv()} == {b"\x01tick.EURUSD\0", b"\x01heartbeat\0"}

    heartbeat = b"heartbeat\0" + FRAMES["tick"][12:20] + bytes(16)
    box.publisher.send(heartbeat + codec.pack({"ticks": 9, "topics": {TOPIC: 1}}))  # before the first tick: nothing is missed
    box.publisher.send(FRAMES["tick"])
    eventually(example.ticks, within_s=60)
    box.publisher.send(FRAMES["tick"])  # again, as after a reconnection
    box.publisher.send(numbered(4))
    request, first, last = box.request()
    assert (first, last) == (2, 3)
    others = [FRAMES[name] for name in ("part", "reply", "error", "error-without-id")]  # of other requests: ignored
    box.answer(*others, FRAMES["error"].replace(bytes(range(16, 32)), request.id))  # BUSY
    again, first, last = box.request()  # in a second, under another id
    assert again.id != request.id
    assert (first, last) == (2, 3)
    box.answer(Part(request.id, 1, [[7, numbered(2)]]))  # too late, to the first request
    box.answer(Part(again.id, 1, [[7, numbered(2)]]), Reply(again.id, {"count": 1, "next": 3, "missing": []}))
    request, *asked = box.request()
    assert asked == [3, 3]
    box.answer(Part(request.id, 1, [[9, numbered(3)]]), Reply(request.id, {"count": 1, "next": None, "missing": []}))
    eventually(lambda: len(example.ticks()) == 4, within_s=60)
    assert example.gaps() == [(2, 3)]

    # 5 to 7 were lost, and nothing followed
    box.publisher.send(heartbeat + codec.pack({"ticks": 70_000, "topics": {"tick.AUDUSD": 9, TOPIC: 7, "stats": 70_000}}))
    request, first, last = box.request()
    assert (first, last) == (5, 7)
    box.answer(Error(request.id, "TOO_OLD", "number 5 is no longer kept, the oldest is 6", {"oldest": 6}))
    request, first, last = box.request()
    assert (first, last) == (6, 7)
    odd = [1, -1, 200, -200, 1 << 40, -(1 << 40), 1 << 63, 1.5, None, True, "é" * 40, "x" * 300, b"", bytes(300), list(range(20))]
    body = codec.pack({"odd": odd, "deep": {"bid": 9, "a": [[{}]]}, "wide": {str(i): i for i in range(20)}, "bid": 2, "ask": -3})
    extended = b"\x84\xa1x\xc7\x05\x01\xa3bid\xcb\xa1y\xd6\x02\xa3bid"  # extensions, which only look as if they had a bid
    single = extended + b"\xa3bid\xca\x3f\xa0\x00\x00\xa3ask\xd1\xff\x00"  # 1.25 of 32 bits, and -256
    box.answer(Part(request.id, 1, [[11, numbered(6, body)], [12, numbered(7, single)]]))
    box.answer(Reply(request.id, {"count": 2, "next": None, "missing": []}))
    eventually(lambda: len(example.ticks()) == 6, within_s=60)

    epoch = GOLDEN["publications"][1]["epoch"]
    older, newer = (FRAMES["tick"][:12] + (epoch + step).to_bytes(8, "big") for step in (-1, 1))
    box.publisher.send(numbered(8))
    box.publisher.send(older + numbered(9)[20:])  # of a broker that is no more
    for sequence in (7, 8):  # the broker lost these after they had been seen, and gives their numbers to others
        box.publisher.send(newer + numbered(sequence)[20:])
    request, *asked = box.request()  # whether the number before is used again too: it is not
    assert asked == [6, 6]
    box.answer(Part(request.id, 1, [[11, numbered(6)]]), Reply(request.id, {"count": 1, "next": None, "missing": []}))
    eventually(example.has_ended_well, within_s=60)
    golden = [GOLDEN["publications"][1]["value"][side] for side in ("bid", "ask")]
    odd_ones = [(6, 2.0, -3.0), (7, 1.25, -256.0)]
    assert example.ticks() == [*[(n, *golden) for n in (1, 2, 3, 4)], *odd_ones, *[(n, *golden) for n in (8, 7, 8)]]
    reports = ["gap 2..3 repaired", "gap 5..7 repaired but for 1", f"epoch {epoch + 1} uses 7..8 again"]
    assert example.err.read_text().splitlines() == reports


# A real broker


class Feed:
    """Posts ticks to the broker: the golden one as the numbered feed of PROTOCOL.md section 3.4, all others without a number."""

    def __init__(self, context, local_bus, collector=None):
        self.local_bus = local_bus
        self.socket = context.socket(zmq.XPUB)
        self.socket.sndhwm = 0
        self.socket.rcvtimeo = 20_000
        self.socket.connect(collector or local_bus.addresses["collector"])
        assert self.socket.recv() == b"\x01"  # the broker's subscription to everything: from now on it gets what is posted

    def post_golden(self):
        """Post the golden tick as the first message of instance 7."""
        with self.local_bus.client() as client:
            assert client.call("hulak.feed", args={"instance": 7, "oldest": 1}, timeout_s=10)["taken"] == 0
        self.socket.send(FRAMES["tick-from-feed"])
        self.wait_until_last_is(1)

    def post(self, first, last):
        """Post ticks, and wait until the broker has numbered them so."""
        for sequence in range(first, last + 1):
            self.socket.send(
                codec.feed_frame("EURUSD", 0, 1, 1, codec.pack_tick(Tick("EURUSD", *quote(sequence), FIRST_MS, "test")))
            )
        self.wait_until_last_is(last)

    def wait_until_last_is(self, sequence):
        """Wait until the broker has published the topic's message of this number."""

        def newest():
            with self.local_bus.client() as client:
                last = client.call("hulak.last", args={"topic": TOPIC}, timeout_s=10)
            return last and codec.decode_publication(last[0]).stamp.sequence

        eventually(lambda: newest() == sequence, within_s=30)


def quote(sequence):
    """Return the bid and the ask of the tick of this number; the first one is the golden one."""
    golden = GOLDEN["publications"][0]["value"]
    return (
        (golden["bid"], golden["ask"])
        if sequence == 1
        else (round(1 + sequence / 100_000, 5), round(1.5 + sequence / 100_000, 5))
    )


def all_up_to(count):
    """Return what an example has to print in the end."""
    return [(sequence, *quote(sequence)) for sequence in range(1, count + 1)]


def test_an_example_that_was_frozen_for_longer_than_the_queues_hold_prints_every_tick(local_bus, context, program):
    local_bus.start_broker()
    feed = Feed(context, local_bus)
    feed.post_golden()
    where = [f"ipc://{local_bus.home}/run/{name}.ipc" for name in ("publisher", "frontend")]
    example = Example(local_bus, program, *where, TOPIC, FLOOD, 1000)
    assert eventually(example.ticks, within_s=60) == all_up_to(1)
    example.stop()
    feed.post(2, FLOOD - 1)
    example.go_on()
    feed.post(FLOOD, FLOOD)
    eventually(example.has_ended_well, within_s=60)
    assert example.ticks() == all_up_to(FLOOD)
    gaps = example.gaps()
    assert gaps
    assert local_bus.stats()["journal"]["replays_served"] >= len(gaps)  # the broker's own count: requests that it has served


def test_an_example_that_was_disconnected_while_the_broker_was_killed_prints_every_tick(local_bus, context, program):
    broker = local_bus.start_broker()
    feed = Feed(context, local_bus)
    feed.post_golden()
    example = Example(local_bus, program, local_bus.addresses["publisher"], local_bus.addresses["frontend"], TOPIC, 60)
    eventually(example.ticks, within_s=60)
    feed.post(2, 10)
    eventually(lambda: len(example.ticks()) == 10, within_s=60)
    example.stop()
    broker.kill()
    broker.wait()
    local_bus.start_broker()
    Feed(context, local_bus).post(11, 60)
    example.go_on()
    eventually(example.has_ended_well, within_s=60)
    assert example.ticks() == all_up_to(60)
    assert example.gaps() in ([(11, 59)], [(11, 60)])  # shown by the last value, or by an earlier heartbeat


@pytest.mark.parametrize("during_rotation", [False, True])
def test_an_example_with_a_key_prints_ticks_that_come_and_ticks_that_are_replayed(program, context, during_rotation):
    with LocalBus(**{"security.loopback": "owner"}) as local_bus:
        key_store.ensure_broker_key(local_bus.home)
        _, path = key_store.make(local_bus.home, "alice", parse_roles([f"subscribe:{TOPIC}"]), "", None, None)
        if during_rotation:  # the broker's key has been replaced already
            key = key_files.read_client_key(path)
            changed = msgspec.structs.replace(key, server=key_files.new_pair().public, server_next=key.server)
            key_files.write_client_key(path, changed, replace=True)
        local_bus.start_broker()
        feed = Feed(context, local_bus, f"ipc://{local_bus.home}/run/collector.ipc")
        feed.post_golden()
        with local_bus.having({"HULAK_KEY": str(path)}):
            example = Example(local_bus, program, local_bus.addresses["publisher"], local_bus.addresses["frontend"], TOPIC, 60)
        assert eventually(example.ticks, within_s=60) == all_up_to(1)
        example.stop()
        feed.post(2, 59)
        example.go_on()
        feed.post(60, 60)
        eventually(example.has_ended_well, within_s=30)
        assert example.ticks() == all_up_to(60)


# The promises to their reader


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.is_file() and path.suffix != ".md"))
def test_an_example_is_read_in_a_few_minutes(name):
    assert len((EXAMPLES / name).read_text().splitlines()) < 100


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_in_plain_python_imports_nothing_from_this_package(name):
    tree = ast.parse((EXAMPLES / name).read_text())
    taken = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    taken |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert taken - sys.stdlib_module_names <= {"msgpack", "zmq", "hulak_key"}
