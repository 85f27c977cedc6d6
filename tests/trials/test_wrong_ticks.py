"""Hostile ticks to displays, and topics beyond their bound: no wrong tick turns a day, every process that has it agrees, and
topics can go."""

import json
import random
import shutil
import subprocess
import time

import pytest
import zmq
from display_market import start_workers
from local_bus import LocalBus
from verdicts import assert_well
from waiting import eventually

from hulak.bus.wire import codec
from hulak.bus.wire.messages import Tick
from hulak.clients.displays.client import DisplayClient
from hulak.clients.history import History, last_events
from hulak.workers.display.quantities.state import DisplayConfig, DisplayState, Init
from hulak.workers.display.quantities.tick_filter import believed_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
SEED = 20261129
DAY = 86_400_000
TICKS = 3000
MOST_TOPICS = 12  # of which the broker, and the two displays, have six
SHOWN = {"all": {"only_source": "any"}, "one": {"only_source": "kraken"}, "first": {}}


def hostile(draw, now_ms):
    """Make ticks: some ahead, some behind, some of another source, without a price or a receipt."""
    for _ in range(TICKS):
        odd = draw.choice([0] * 6 + [-1, -DAY, -4000 * DAY, 11 * 60_000, 365 * DAY, 50 * 365 * DAY])
        bid = draw.choice([1.1, 1.11, 1.12, 0.0, -1.0])
        received_ns = draw.choice([now_ms * 10**6] * 5 + [0])
        yield Tick("EURUSD", bid, bid + 0.0001, now_ms + odd, draw.choice(["kraken", "binance"]), (), received_ns)


def send(local_bus, ticks, taken):
    """Post ticks like an unnumbered feed, and wait until the broker has received them."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.linger = socket.sndhwm = 0
        socket.connect(local_bus.addresses["collector"])
        assert socket.poll(20_000)
        before = local_bus.stats()["ticks"]["taken"]
        for number, tick in enumerate(ticks, 1):
            socket.send(codec.feed_frame(tick.symbol, 0, number, time.time_ns(), codec.pack_tick(tick)))
        eventually(lambda: local_bus.stats()["ticks"]["taken"] == before + taken, within_s=30)


def wanted(local_bus, init):
    """Fold what the journal has."""
    state = DisplayState("EURUSD", Init.from_values("EURUSD", init), DisplayConfig())
    with local_bus.client() as client:
        for event in History(client, "tick.EURUSD\0"):
            tick = codec.decode_tick(event.packed)
            until_ms = believed_until(tick.received_ns, event.stamp.time_ns)
            state.fold(tick.bid, tick.ask, tick.timestamp, tick.timestamp, until_ms, tick.source)
    return codec.unpack(codec.pack(state.snapshot()))


def shows(displays, folded):
    states = {name: displays.state(name) for name in folded}
    return all(
        state is not None and not state["catching_up"] and {key: state[key] for key in folded[name]} == folded[name]
        for name, state in states.items()
    )


def run(local_bus, *words, code=0):
    process = local_bus.hulak(*words, out=subprocess.PIPE)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code, (words, process.log.read_text())
    return out.decode()


def test_wrong_ticks_turn_no_day_and_topics_that_are_full_can_go():
    draw = random.Random(SEED)
    with (
        LocalBus(**{"broker.max_topics": MOST_TOPICS}) as local_bus,
        DisplayClient(local_bus.settings, local_bus.home) as displays,
    ):
        broker = local_bus.start_broker()
        workers = start_workers(local_bus, "d0")
        for name, source in (("all", "any"), ("one", "kraken"), ("first", None)):
            displays.create_worker_for_symbol("EURUSD", name, source=source, history=True)
        now_ms = time.time_ns() // 10**6 // DAY * DAY + DAY // 2  # so that midnight is far, whenever this runs
        send(local_bus, hostile(draw, now_ms), TICKS)
        folded = {name: wanted(local_bus, init) for name, init in SHOWN.items()}
        assert all(folded["one"]["left_out"].values()), folded["one"]["left_out"]
        assert folded["all"]["left_out"]["source"] == 0
        assert folded["first"]["left_out"]["source"] > TICKS / 10, "the other venue's ticks"
        assert {state["timestamp"] // DAY for state in folded.values()} == {now_ms // DAY}
        eventually(lambda: shows(displays, folded), within_s=30)
        for keep in (True, False):  # taken over from what was written down, and built up from the journal
            name = f"d{1 + keep}"
            workers.popitem()[1].kill()
            if not keep:
                shutil.rmtree(local_bus.home / "displays", ignore_errors=True)
            workers |= start_workers(local_bus, name)
            eventually(lambda name=name: {row["worker"] for row in displays.rows()} == {name}, within_s=60)
            eventually(lambda: shows(displays, folded), within_s=30)
        assert_well(local_bus)

        free = MOST_TOPICS - local_bus.stats()["ticks"]["topics"]
        send(local_bus, [Tick(f"T{number}", 1.0, 1.1, now_ms, "x") for number in range(20)], free)
        file = local_bus.home / "late.csv"
        file.write_text(f"timestamp,bid,ask\n{now_ms},1.0,1.1\n")
        feed = ("feed", "--file", file, "--speed", "max", "--json", "--symbol")
        document = json.loads(run(local_bus, *feed, "LATE", code=1))
        assert (document["posted"], document["confirmed"], document["refused"]) == (1, 0, 1)
        assert document["refusals"] == {"LATE": "TOO_MANY_TOPICS"}
        assert local_bus.stats()["rejected"]["collector"] == {"TOO_MANY_TOPICS": 21 - free}
        removed = json.loads(run(local_bus, "topics", "rm", "tick.T*", "--yes", "--json"))["removed"]
        assert removed == [f"tick.T{number}" for number in range(free)]
        run(local_bus, "topics", "rm", "tick.T*", "--yes", code=1)

        broker.kill()
        broker.wait()
        local_bus.start_broker()
        assert [row["topic"] for row in json.loads(run(local_bus, "topic", "--json"))] == ["tick.EURUSD"]
        eventually(lambda: shows(displays, folded), within_s=30)
        with local_bus.subscriber("tick.T0") as subscriber:  # earlier ticks are not its concern
            assert json.loads(run(local_bus, *feed, "T0"))["confirmed"] == 1
            assert subscriber.poll(20).stamp.sequence == 2
            assert (subscriber.counters()["lost"], subscriber.gaps) == (0, [])
        with local_bus.client() as client:
            (event,) = last_events(client, "tick.T0")
            assert event.stamp.sequence == 2
            assert len(list(History(client, "tick.T0\0"))) == 2
