"""Subscriptions that begin in the journal and go on live, against a real broker."""

import asyncio
import contextlib
import json
import socket
import threading

import pytest
from local_bus import LocalBus
from unnumbered_feed import UnnumberedFeed
from waiting import eventually
from websockets.asyncio.client import connect

from hulak.bus.errors import BusError
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP
from hulak.clients.feed import Feed

pytestmark = pytest.mark.system
SYMBOLS = [f"S{at}" for at in range(10)]
TOPICS = [f"tick.{symbol}" for symbol in SYMBOLS]


@pytest.fixture
def local_bus():
    with LocalBus() as local_bus:
        local_bus.broker = local_bus.start_broker()
        yield local_bus


@pytest.fixture
def feed(local_bus):
    with UnnumberedFeed(local_bus) as feed:
        yield feed


def take(subscriber, count):
    events = []
    while len(events) < count:
        event = subscriber.poll(10)
        assert event is not None, f"only {len(events)} of {count} came"
        events.append(event)
    return events


def posted(local_bus, feed, count, *symbols):
    before = local_bus.stats()["ticks"]["taken"]
    feed.post(count, *symbols)
    eventually(lambda: local_bus.stats()["ticks"]["taken"] == before + count * max(1, len(symbols)), within_s=30)


STARTS = [({"since": -3600}, 1), ({"since": "oldest"}, 1), ({"from_sequence": 7}, 7), ({"last": 4}, -3), ({"since": "now"}, 0)]


@pytest.mark.parametrize("transport", ["ring", "socket"])
def test_ticks_begin_in_the_journal_then_a_mark_then_live(local_bus, feed, transport):
    posted(local_bus, feed, 10, "EURUSD", "USDJPY")
    for run, (start, first) in enumerate(STARTS):
        newest = 20 + 2 * run
        first = first if first > 0 else newest + first + (not first)
        with local_bus.subscriber("ticks", transport=transport, **start) as subscriber:
            events = take(subscriber, newest - first + 2)
            assert [event.stamp.sequence for event in events[:-1]] == list(range(first, newest + 1))
            assert (events[-1].topic, subscriber.live) == ("live", True)
            posted(local_bus, feed, 2)
            assert [event.stamp.sequence for event in take(subscriber, 2)] == [newest + 1, newest + 2]
            assert subscriber.counters() == dict.fromkeys(("gaps", "repaired", "lost", "duplicates", "malformed"), 0)


@pytest.mark.parametrize("transport", ["ring", "socket"])
def test_symbols_and_prefixes_likewise(local_bus, feed, transport):
    posted(local_bus, feed, 10, "EURUSD", "USDJPY")
    newest = 10
    for topics in (("tick.EURUSD",), ("tick.EUR*",), ("tick.EURUSD", "tick.EURGBP")):
        in_all = 2 if topics == ("tick.EURUSD",) else 1  # a sequence of the topic, or a number in the order of all
        for start, first in (({"since": -3600}, 1), ({"from_sequence": 2}, in_all + (in_all == 1)), ({"last": 2}, newest - 1)):
            with local_bus.subscriber(*topics, transport=transport, **start) as subscriber:
                events = take(subscriber, newest - first + 2)
                assert [(event.topic, event.stamp.sequence) for event in events[:-1]] == [
                    ("tick.EURUSD", number) for number in range(first, newest + 1)
                ]
                assert events[-1].topic == "live"
        posted(local_bus, feed, 1, "EURUSD", "USDJPY")
        newest += 1


def read(local_bus, count, topic="ticks", **how):
    """Read `count` ticks under a name, and close."""
    with local_bus.subscriber(topic, name="strategy-1", **{"since": "oldest", **how}) as subscriber:
        events = [event for event in take(subscriber, count) if event.topic != "live"]
        while len(events) < count:
            events += [event for event in take(subscriber, 1) if event.topic != "live"]
        return [event.stamp.sequence for event in events]


def test_a_named_subscriber_goes_on_where_it_was_closed_also_after_a_restart_of_the_broker(local_bus, feed):
    posted(local_bus, feed, 10, "EURUSD", "USDJPY")
    assert read(local_bus, 7) == list(range(1, 8))
    local_bus.broker.kill()
    local_bus.broker.wait()
    local_bus.start_broker()
    assert read(local_bus, 13) == list(range(8, 21))
    with local_bus.subscriber("ticks", name="strategy-1", last=3) as subscriber:
        assert take(subscriber, 1)[0].topic == "live"
        posted(local_bus, feed, 1, "EURUSD", "USDJPY")
        assert [event.stamp.sequence for event in take(subscriber, 2)] == [21, 22]
    with local_bus.client() as client:
        [row] = client.call("hulak.position.list")
        assert (row["name"], row["number"]) == ("strategy-1", 22)
        assert client.call("hulak.position.remove", args={"names": ["strategy-1", "x"]}) == ["strategy-1"]
    assert read(local_bus, 2) == [1, 2]


def test_what_an_exception_interrupted_comes_again_and_what_was_saved_does_not(local_bus, feed):
    posted(local_bus, feed, 10)

    def program():
        with local_bus.subscriber("ticks", name="s", since="oldest") as subscriber:
            take(subscriber, 4)
            subscriber.save()
            take(subscriber, 3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        program()
    with local_bus.subscriber("ticks", name="s", since="oldest") as subscriber:
        assert take(subscriber, 1)[0].stamp.sequence == 5


def test_a_position_belongs_to_the_subscriber_that_opened_it_last(local_bus, feed):
    posted(local_bus, feed, 3)
    first = local_bus.subscriber("ticks", name="s", since="oldest", save_s=0)
    take(first, 1)
    with (
        local_bus.subscriber("ticks", name="s", since="oldest"),
        pytest.raises(BusError, match="another subscriber since") as error,
    ):
        first.save()
    assert error.value.code == "NOT_YOURS"
    first.close()


def test_by_symbol_a_position_is_that_of_a_heartbeat_so_that_none_is_lost(local_bus, feed):
    posted(local_bus, feed, 5, "EURUSD", "USDJPY")
    with local_bus.subscriber("tick.EUR*", name="s", since="oldest", save_s=0) as subscriber:
        assert [event.topic for event in take(subscriber, 6)][-1] == "live"
        posted(local_bus, feed, 2, "EURUSD", "USDJPY")
        assert [event.stamp.sequence for event in take(subscriber, 2)] == [6, 7]

        def saved():
            assert subscriber.poll(0.05) is None
            with local_bus.client() as client:
                return client.call("hulak.position.list")[0]["number"] == 14

        eventually(saved, within_s=30)
    with local_bus.subscriber("tick.EUR*", name="s", since="oldest") as subscriber:
        assert take(subscriber, 1)[0].topic == "live"
        posted(local_bus, feed, 1)
        assert take(subscriber, 1)[0].stamp.sequence == 8


@pytest.fixture
def busy(local_bus):
    """A feed that has posted 20,000 ticks and posts 1,000 a second, until the test ends."""
    stop = threading.Event()

    def post():
        with Feed("busy", settings=local_bus.settings, home=local_bus.home, timeout_s=60) as feed:
            for at in range(20_000):
                feed.post(SYMBOLS[at % len(SYMBOLS)], float(at), float(at))
            while not stop.wait(0.01):
                for symbol in SYMBOLS:
                    feed.post(symbol, 1.0, 1.0)

    thread = threading.Thread(target=post)
    thread.start()
    eventually(lambda: local_bus.stats()["ticks"]["taken"] > 20_000, within_s=60)
    yield
    stop.set()
    thread.join(60)


def numbers(output):
    """Return the numbers in the complete lines of `hulak sub --json`, without the mark."""
    rows = [json.loads(line) for line in output.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [row["sequence"] for row in rows if row["topic"] != "live"]


def test_under_load_a_killed_subscriber_goes_on_by_its_name_and_misses_nothing(local_bus, busy, tmp_path):
    seen = []
    for run, wanted in enumerate((3_000, 15_000, 21_000, 22_000)):
        output = tmp_path / f"{run}.jsonl"
        with output.open("wb") as out:
            reader = local_bus.hulak("sub", "ticks", "--since", "oldest", "--name", "s", "--json", out=out)

            def reached(output=output, wanted=wanted):
                at = numbers(output)
                return bool(at) and at[-1] >= wanted

            eventually(reached, within_s=60)
            if run == 1:
                local_bus.broker.kill()
                local_bus.broker.wait()
                local_bus.broker = local_bus.start_broker()
                last = numbers(output)[-1]
                eventually(lambda output=output, last=last: numbers(output)[-1] > last, within_s=60)
            reader.kill()
            reader.wait()
        got = numbers(output)
        assert got == list(range(got[0], got[-1] + 1))  # each once, in order
        assert got[0] <= max(seen, default=0) + 1  # none between two runs; a run may end before the one before it
        seen += got
    assert set(seen) == set(range(1, max(seen) + 1))


def test_an_async_for_begins_in_the_journal_and_goes_on_live(local_bus, busy):
    async def read():
        seen = []
        async with contextlib.aclosing(aiter(local_bus.subscriber(*TOPICS, since="oldest"))) as events:
            async for event in events:
                seen.append((event.topic, event.stamp.sequence))
                if len(seen) > 21_000 and ("live" in {topic for topic, _ in seen[-5000:]}):
                    return seen
        return seen

    seen = asyncio.run(asyncio.wait_for(read(), 60))
    for topic in TOPICS:
        of_topic = [number for name, number in seen if name == topic]
        assert of_topic == list(range(1, len(of_topic) + 1))


def is_open(port):
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


async def streamed(port, count, once_live=lambda: None, **message):
    """Return the rows of a stream over `/ws`, and whether each message was live, once there are `count` rows."""
    rows, live = [], []
    async with connect(f"ws://127.0.0.1:{port}/ws") as client:
        await client.send(json.dumps({"type": "ticks.read", "id": 1, **message}))
        async with asyncio.timeout(30):
            while len(rows) < count or not live[-1]:
                got = json.loads(await client.recv())
                if got.get("id") != 1:
                    continue
                if got["type"] == "error":
                    return got["code"], got["text"]
                rows += got["rows"]
                if got["live"] and True not in live:
                    once_live()
                live.append(got["live"])
        await client.send(json.dumps({"type": "ticks.stop", "id": 1}))
        await client.send(json.dumps({"type": "ticks.read", "id": 1, "topic": "ticks"}))  # the id is free again
        await client.send(json.dumps({"type": "ping", "id": 2}))
        while json.loads(await client.recv())["type"] != "pong":
            pass
    return rows, live


def test_over_ws_a_client_gets_the_past_and_then_every_live_tick(local_bus, feed):
    posted(local_bus, feed, 300, "EURUSD", "USDJPY")
    gateway, port = local_bus.hulak("gateway"), local_bus.settings.gateway.port
    eventually(lambda: gateway.poll() is not None or is_open(port), within_s=30)
    rows, live = asyncio.run(streamed(port, 600, topic="ticks", since="oldest"))
    assert [row["sequence"] for row in rows] == list(range(1, 601))
    assert (live[0], live[-1]) == (False, True)
    assert {key: rows[0][key] for key in ("topic", "symbol", "bid", "ask")} == {
        "topic": "ticks",
        "symbol": "EURUSD",
        "bid": 1.0,
        "ask": 1.5,
    }

    rows, _ = asyncio.run(streamed(port, 103, lambda: feed.post(3), topic="tick.EUR*", last=100))
    assert [row["sequence"] for row in rows] == list(range(201, 304))
    others = {"trade.NABIL": {"security": "NABIL", "price": 5.0}, "market.nepse": {"market": "nepse", "topic": "x"}}
    for topic, body in others.items():
        feed.socket.send(topic.encode() + NUL + STAMP.pack(0, 1, 1) + codec.pack(body))
    eventually(lambda: local_bus.stats()["ticks"]["taken"] == 605, within_s=30)
    rows, _ = asyncio.run(streamed(port, 4, topic="", last=2))  # each as one of `ticks`, and of its topic
    at = [(of, body) for topic, body in others.items() for of in ("ticks", topic)]
    assert rows == [{**row, **body, "topic": topic} for row, (topic, body) in zip(rows, at, strict=True)]
    for wrong, text in (
        ({"topic": "stats"}, "only ticks, trades and markets have a history"),
        ({"topic": "ticks", "since": "soon"}, "'soon' is not a time"),
        ({"topic": "ticks", "since": -1, "last": 3}, "both given"),
        ({"topic": "tick EUR"}, "tick EUR"),
    ):
        code, why = asyncio.run(streamed(port, 1, **wrong))
        assert code == "BAD_ARGUMENT"
        assert text in why
