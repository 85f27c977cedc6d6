"""Ticks by the ring in shared memory, against a real broker: killed, frozen, slow and forked processes, and foreign files."""

import asyncio
import contextlib
import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest
import zmq
from local_bus import LocalBus
from unnumbered_feed import UnnumberedFeed
from waiting import eventually

from hulak.bus.errors import BusTimeout, ConfigError
from hulak.bus.process import futex
from hulak.bus.process.lifecycle import open_files
from hulak.bus.subscriber import ring_bell
from hulak.clients.subscriber import Subscriber

pytestmark = [pytest.mark.system, pytest.mark.skipif(futex.missing() is not None, reason=str(futex.missing()))]

SMALL = {"broker.ring_bytes": 1}  # the smallest ring: 64 KiB
READER = """

from hulak.clients.subscriber import Subscriber

with Subscriber("ticks", transport="ring", timeout_s=20) as subscriber:
    subscriber.wait_until_subscribed(20)
    print("ready", flush=True)
    for event in subscriber:
        print(event.stamp.sequence, flush=True)
"""


@contextlib.contextmanager
def running(**settings):
    """Run a broker with a feed."""
    with LocalBus(**settings) as local_bus:
        local_bus.broker = local_bus.start_broker()
        with UnnumberedFeed(local_bus) as feed:
            yield local_bus, feed


def again(local_bus, feed):
    """Kill the broker, start another one, and wait until the feed is connected again."""
    local_bus.broker.kill()
    local_bus.broker.wait()
    local_bus.broker = local_bus.start_broker()
    before = local_bus.stats()["ticks"]["taken"]
    eventually(lambda: feed.post(1) or local_bus.stats()["ticks"]["taken"] > before, within_s=30)


def taken(local_bus, count):
    """Wait until the broker has numbered this many ticks."""
    eventually(lambda: local_bus.stats()["ticks"]["taken"] >= count, within_s=60)


def numbers(subscriber, count):
    """Read this many events; return their sequences."""
    sequences = []
    while len(sequences) < count:
        event = subscriber.poll(20)
        assert event is not None, f"only {len(sequences)} of {count} came: {sequences[-3:]}, {subscriber.counters()}"
        sequences.append(event.stamp.sequence)
    return sequences


def test_the_events_are_those_of_the_socket_and_the_broker_sends_it_no_ticks():
    symbols = ["EURUSD", "NABIL", "tick.EURUSD", "EURUSDX"]
    topics = [("ticks",), ("tick.EURUSD",), ("tick.",), ("tick.EUR*", "tick.NABIL"), ("ticks", "tick.NABIL")]
    with running() as (local_bus, feed), contextlib.ExitStack() as stack:
        feed.post(3, *symbols)
        taken(local_bus, 12)
        by_socket, by_ring = (
            [stack.enter_context(local_bus.subscriber(*each, transport=how)) for each in topics] for how in ("socket", "ring")
        )
        assert {subscriber.transport for subscriber in by_ring} == {"ring"}
        feed.post(200, *symbols)
        taken(local_bus, 812)
        for sent, other in zip(by_socket, by_ring, strict=True):
            first = sent.poll(10)
            events = [first, *iter(lambda sent=sent: sent.poll(1.0), None)]
            assert len(events) >= 200
            assert [other.poll(10) for _ in events] == events
            assert other.poll(0) is None
            assert set(other.counters().values()) == {0}
        assert local_bus.stats()["ring"]["records"] > 0


def test_the_latest_and_the_plain_mode_get_no_tick_twice_and_none_older():
    with running() as (local_bus, feed):
        feed.post(3)
        taken(local_bus, 3)
        latest, plain = (local_bus.subscriber("tick.EURUSD", mode=mode, transport="ring") for mode in ("latest", "plain"))
        feed.post(50)
        taken(local_bus, 53)
        assert numbers(plain, 51) == list(range(3, 54))
        assert numbers(latest, 1) == [53]
        latest.close()
        plain.close()


def test_other_topics_come_by_the_socket_beside_the_ticks_of_the_ring():
    with (
        running() as (local_bus, feed),
        local_bus.subscriber("tick.EURUSD", "stats", transport="ring") as subscriber,
    ):
        feed.post(5)
        seen = {"tick.EURUSD": [], "stats": []}
        while min(map(len, seen.values())) < 2:
            event = subscriber.poll(20)
            seen[event.topic].append(event.stamp.sequence)
        for sequences in seen.values():
            assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
        assert subscriber.transport == "ring"


def test_a_broker_that_is_killed_again_and_again_costs_no_tick_and_repeats_none():
    with running() as (local_bus, feed), contextlib.ExitStack() as stack:
        subscribers = [stack.enter_context(local_bus.subscriber(topic, transport="ring")) for topic in ("ticks", "tick.EURUSD")]
        for _ in range(2):
            feed.post(20)
            taken(local_bus, 20)
            again(local_bus, feed)
        last = local_bus.stats()["ticks"]["taken"]
        for subscriber in subscribers:
            assert numbers(subscriber, last) == list(range(1, last + 1))
            assert (subscriber.transport, subscriber.gaps) == ("ring", [])


def test_with_a_broker_without_a_ring_it_goes_on_by_the_socket_and_with_the_next_one_by_the_ring_again():
    with running() as (local_bus, feed), local_bus.subscriber("ticks") as subscriber:
        ways = [subscriber.transport]
        sequences = []
        for size in (0, 1 << 20):
            with local_bus.having({"HULAK_BROKER__RING_BYTES": str(size)}):
                feed.post(5)
                again(local_bus, feed)
            last = local_bus.stats()["ticks"]["taken"]
            sequences += numbers(subscriber, last - len(sequences))
            wanted = "ring" if size else "socket"
            eventually(lambda wanted=wanted: subscriber.transport == wanted or subscriber._fill(0), within_s=30)
            ways.append(subscriber.transport)
        assert ways == ["ring", "socket", "ring"]
        assert sequences + numbers_now(subscriber) == list(range(1, last + 1))
        assert subscriber.gaps == []


def numbers_now(subscriber):
    """Read what is there."""
    return [event.stamp.sequence for event in iter(lambda: subscriber.poll(0), None)]


def test_a_killed_and_a_frozen_reader_cost_the_broker_and_the_others_nothing():
    lapped_by = {"broker.ring_bytes": 1 << 18}  # 3,000 ticks have about 330 kB there
    with running(**lapped_by) as (local_bus, feed), local_bus.subscriber("ticks", transport="ring") as other:
        readers = [local_bus.start("-c", READER, out=(local_bus.home / f"reader{at}").open("wb")) for at in range(4)]
        outputs = [local_bus.home / f"reader{at}" for at in range(4)]
        eventually(lambda: all(path.read_text() for path in outputs), within_s=60)
        frozen, killed, *well = readers
        os.kill(frozen.pid, signal.SIGSTOP)
        killed.kill()
        for _ in range(10):
            feed.post(300)
            numbers(other, 300)
        taken(local_bus, 3000)
        everything = ["ready", *map(str, range(1, 3001))]
        for path in outputs[2:]:
            eventually(lambda path=path: path.read_text().split() == everything, within_s=60)
        os.kill(frozen.pid, signal.SIGCONT)
        eventually(lambda: outputs[0].read_text().split() == everything, within_s=60)
        assert (other.counters()["gaps"], [reader.poll() for reader in well]) == (0, [None, None])
        assert local_bus.stats()["ticks"]["cut_off"] == 0


@pytest.mark.parametrize("topic", ["ticks", "tick.EURUSD"])
def test_what_was_written_over_and_what_is_too_large_for_the_ring_is_repaired(topic):
    with running(**SMALL) as (local_bus, feed), local_bus.subscriber(topic, transport="ring") as subscriber:
        feed.post(3000)
        feed.post_padded(20_000)
        taken(local_bus, 3001)
        assert numbers(subscriber, 3001) == list(range(1, 3002))
        feed.post_padded(20_000)
        assert numbers(subscriber, 1) == [3002], "the heartbeat in the ring shows it"
        counters = subscriber.counters()
        assert counters["gaps"] >= 2
        assert (counters["lost"], counters["malformed"], subscriber.gaps, subscriber.transport) == (0, 0, [], "ring")
        assert local_bus.stats()["ring"]["too_large"] >= 2


def test_two_readers_of_a_process_may_wait_and_poll_at_the_same_time():
    with running() as (local_bus, feed), contextlib.ExitStack() as stack:
        waits, polls, also = (stack.enter_context(local_bus.subscriber("ticks", transport="ring")) for _ in range(3))
        poller, whose = zmq.Poller(), {}
        for subscriber in (polls, also):
            for socket in subscriber.sockets():
                poller.register(socket, zmq.POLLIN)
                whose[socket] = subscriber
        sequences = {polls: [], also: []}
        for posted in range(1, 101):
            feed.post(1)
            assert numbers(waits, 1) == [posted]
            while min(map(len, sequences.values())) < posted:
                ready = poller.poll(10_000)
                assert ready
                for socket, _ in ready:
                    sequences[whose[socket]] += numbers_now(whose[socket])
        assert list(sequences.values()) == [list(range(1, 101))] * 2
        ring = int(ring_of(local_bus).name[6:22], 16)
        threads = [thread for thread in threading.enumerate() if thread.name == f"hulak-ring-{ring:016x}"]
        assert (len(threads), len(ring_bell._RINGERS[ring].bells)) == (1, 2), "one thread for both"
        assert len(polls.sockets()) == 2
        stack.close()
        threads[0].join(10)
        assert ring not in ring_bell._RINGERS


def test_an_asyncio_reader_gets_every_tick_by_the_ring():
    async def read(local_bus, feed):
        sequences = []
        with local_bus.subscriber("tick.EURUSD", transport="ring") as subscriber:
            posting = asyncio.ensure_future(asyncio.to_thread(feed.post, 2000))
            async for event in subscriber:
                sequences.append(event.stamp.sequence)
                if len(sequences) == 2000:
                    break
            await posting
            assert subscriber.transport == "ring"
        return sequences

    with running() as (local_bus, feed):
        assert asyncio.run(asyncio.wait_for(read(local_bus, feed), 30)) == list(range(1, 2001))


def test_a_fork_of_a_reader_leaves_it_reading_and_may_read_itself():
    with running() as (local_bus, feed), local_bus.subscriber("ticks", transport="ring") as subscriber:
        assert subscriber.sockets()  # with the thread, which the child does not have
        feed.post(10)
        taken(local_bus, 10)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                own = Subscriber("ticks", settings=local_bus.settings, home=local_bus.home, timeout_s=20, transport="ring")
                own.wait_until_subscribed(20)
                assert own.sockets()
                (local_bus.home / "child").write_text("ready")
                code = 0 if numbers(own, 5) == list(range(11, 16)) else 2
            finally:
                os._exit(code)
        eventually((local_bus.home / "child").exists, within_s=60)
        feed.post(5)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        feed.post(5)
        assert numbers(subscriber, 20) == list(range(1, 21))
        assert set(subscriber.counters().values()) == {0}


def ring_of(local_bus):
    return Path(local_bus.stats()["ring"]["path"])


def put(path, content):
    """Replace a ring by a file with a lock, which no broker of another test takes for a ring that was left over."""
    other = path.with_suffix(".new")
    file = other.open("wb")
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(content)
    file.flush()
    other.replace(path)
    return file


def take_away(path):
    path.unlink()
    return contextlib.nullcontext()


def put_another(path):
    content = path.read_bytes()
    return put(path, content[:24] + bytes(8) + content[32:])


def put_a_text(path):
    return put(path, b"no ring")


@pytest.mark.parametrize(
    ("change", "why"), [(take_away, "No such file"), (put_another, "has the id 0000000000000000"), (put_a_text, "is none")]
)
def test_without_the_brokers_file_the_ticks_come_by_the_socket_and_ring_is_an_error(change, why):
    with running(**SMALL) as (local_bus, feed), change(path := ring_of(local_bus)):
        with local_bus.subscriber("ticks") as subscriber:
            feed.post(5)
            assert (numbers(subscriber, 5), subscriber.transport) == ([1, 2, 3, 4, 5], "socket")
        files = len(open_files())
        with pytest.raises(ConfigError, match=f"transport is 'ring', and there is none: .*{why}"):
            local_bus.subscriber("ticks", transport="ring")
        eventually(lambda: len(open_files()) <= files, within_s=30)  # libzmq closes sockets in another thread
        path.unlink(missing_ok=True)


def test_a_broker_whose_ring_is_off_is_named_as_the_reason():
    with running(**{"broker.ring_bytes": 0}) as (local_bus, feed):
        with local_bus.subscriber("ticks") as subscriber:
            feed.post(5)
            assert (numbers(subscriber, 5), subscriber.transport) == ([1, 2, 3, 4, 5], "socket")
        with pytest.raises(ConfigError, match=r"broker\.ring_bytes is 0"):
            local_bus.subscriber("ticks", transport="ring")
        assert local_bus.stats()["ring"] == {}


@pytest.mark.parametrize(
    ("topics", "why"),
    [(("",), "the subscription to '' covers"), (("tick*", "ticks"), "'tick' covers"), (("stats",), "no topic of ticks")],
)
def test_topics_for_which_there_can_be_no_ring_are_named_at_once(topics, why):
    with LocalBus() as local_bus:
        where = {"settings": local_bus.settings, "home": local_bus.home}
        with pytest.raises(ConfigError, match=why):
            Subscriber(*topics, **where, transport="ring")
        with pytest.raises(ConfigError, match="'rings'"):
            Subscriber("ticks", **where, transport="rings")
        with pytest.raises(BusTimeout):
            Subscriber("ticks", **where, transport="ring", timeout_s=0.1)


def test_the_file_ends_with_the_broker_and_that_of_a_killed_one_with_the_next_start():
    with running(**SMALL) as (local_bus, feed):
        first = ring_of(local_bus)
        again(local_bus, feed)
        second = ring_of(local_bus)
        assert (first == second, first.exists(), second.exists()) == (False, False, True)
        local_bus.broker.terminate()
        local_bus.broker.wait(20)
        assert not second.exists()


@pytest.mark.parametrize(
    ("topics", "way"),
    [(("ticks",), "ring"), (("tick.", "stats"), "ring"), (("tick.EURUSD",), "socket"), (("tick.EUR*",), "socket")],
)
def test_a_subscriber_takes_the_ring_by_itself_for_all_ticks_only(topics, way):
    with running() as (local_bus, _), local_bus.subscriber(*topics) as subscriber:
        assert subscriber.transport == way
