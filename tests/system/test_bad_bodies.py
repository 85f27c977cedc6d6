"""Old journals have bodies that no broker accepts today: every reader continues after them. And none is accepted now."""

import json
import subprocess

import msgpack
import pytest
import zmq
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import FIRST_MS, Tick
from hulak.clients.gateway import journal_reads
from hulak.clients.history import History

pytestmark = pytest.mark.system
CARELESS = (  # a broker that takes any tick, as they did once
    "import hulak.bus.core.ticks.intake as i; i.check_body = lambda *_: None; i.Intake._well_formed = lambda self, all: all;"
    "from hulak.bus.__main__ import main; main()"
)


def tick(symbol, price):
    return codec.pack_tick(Tick(symbol, price, price + 1, FIRST_MS, "venue!"))


LATIN = tick("DAX", 2.0).replace(b"venue!", b"B\xf6rse!")
ODD_KEY = b"\x82" + tick("ODD", 3.0)[1:].split(b"\xa3bid")[0] + b"\x91\x05\x07"
BODIES = [("AAA", tick("AAA", 1.0)), ("DAX", LATIN), ("ODD", ODD_KEY), ("AAA", tick("AAA", 4.0))]


def post(local_bus, *bodies):
    context = zmq.Context()
    feed = context.socket(zmq.XPUB)
    feed.connect(local_bus.addresses["collector"])
    assert feed.poll(10_000)
    before = local_bus.stats()
    for symbol, body in bodies:
        feed.send(codec.feed_frame(symbol, 0, 1, 1, body))

    def arrived():
        now = local_bus.stats()
        taken = now["ticks"]["taken"] - before["ticks"]["taken"]
        return taken + now["rejected"]["total"] - before["rejected"]["total"] == len(bodies) and taken

    taken = eventually(arrived, within_s=30)
    context.destroy(linger=0)
    return taken


@pytest.fixture(scope="module")
def old():
    """A present broker whose journal has bad bodies; and the messages of subscribers when they came."""
    with LocalBus() as local_bus:
        careless = local_bus.start("-c", CARELESS)
        eventually(lambda: local_bus.stats()["broker"]["pid"] == careless.pid, within_s=60)
        with (
            local_bus.subscriber("tick.") as by_topic,
            local_bus.subscriber("ticks") as in_order,
            local_bus.subscriber("ticks") as typed,
        ):
            typed.poll_ticks(0)
            assert post(local_bus, *BODIES) == 4
            local_bus.seen = [
                [by_topic.poll(10), *(by_topic.poll(10) for _ in range(3))],
                [in_order.poll(10) for _ in range(4)],
                [],
            ]
            while len(local_bus.seen[2]) < 2:
                local_bus.seen[2] += typed.poll_ticks(10)
            local_bus.counted = [subscriber.counters()["malformed"] for subscriber in (by_topic, in_order, typed)]
        careless.kill()
        careless.wait()
        local_bus.start_broker()
        yield local_bus


def test_subscribers_continue_and_malformed_text_is_marked(old):
    for events in old.seen[:2]:
        assert [event.body.get("bid") for event in events] == [1.0, 2.0, None, 4.0]
        assert [event.body["symbol"] for event in events] == ["AAA", "DAX", "ODD", "AAA"]
        assert events[1].body["source"] == "B\ufffdrse!"
        assert events[2].body["[5]"] == 7
    assert [tick.bid for tick in old.seen[2]] == [1.0, 4.0]
    assert old.counted == [0, 0, 2]


def test_a_subscriber_that_joins_later_gets_them_in_the_snapshot(old):
    with old.subscriber("tick.") as subscriber:
        bodies = {event.topic: event.body for event in (subscriber.poll(10) for _ in range(3))}
    assert bodies["tick.AAA"]["bid"] == 4.0
    assert bodies["tick.DAX"]["source"] == "B\ufffdrse!"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("last", "--json"), 3),
        (("last",), 3),
        (("replay", "ticks", "--json"), 4),
        (("replay", "ticks"), 4),
        (("replay", "tick.DAX", "--json"), 1),
        (("journal", "export"), 4),
        (("journal", "export", "--format", "csv"), 5),
        (("sub", "tick.*", "--count", "3", "--json"), 3),
        (("sub", "tick.*", "--count", "3"), 3),
    ],
    ids=str,
)
def test_every_command_continues_after_a_bad_body(old, words, lines):
    process = old.hulak(*words, out=subprocess.PIPE)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, process.log.read_text()
    printed = out.decode().splitlines()
    assert len(printed) == lines
    if "--json" in words:
        assert all(json.loads(line)["topic"].startswith("tick.") for line in printed)


def test_history_and_the_gateways_journal_reads_continue_too(old):
    with old.client() as client:
        assert [event.body.get("bid") for event in History(client, "ticks")] == [1.0, 2.0, None, 4.0]
        assert [row.symbol for row in journal_reads.last_ticks(client)] == ["AAA"]
        assert [row.bid for row in journal_reads.ticks_of(client, "AAA", 0)] == [1.0, 4.0]
        with pytest.raises(BusError, match="no tick of DAX is known"):
            journal_reads.facts(client, "DAX", 0)


def test_the_present_broker_refuses_them_and_accepts_their_neighbours(old):
    with old.subscriber("ticks") as subscriber:
        assert post(old, *BODIES, ("EURUSD", tick("GBPUSD", 5.0))) == 2
        assert [subscriber.poll(10).body["bid"] for _ in range(2)] == [1.0, 4.0]
    assert old.stats()["rejected"]["collector"]["BAD_BODY"] == 3
    assert msgpack.unpackb(tick("AAA", 1.0))["source"] == "venue!"
