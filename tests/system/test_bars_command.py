"""`hulak bars` against a real broker: bars computed from the journal's ticks, and the published ones."""

import json
import subprocess
import time

import pytest
from local_bus import LocalBus
from unnumbered_feed import UnnumberedFeed

from hulak.bus.wire import codec
from hulak.bus.wire.messages import Tick

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
PUBLISHED = {"symbol": "USDJPY", "interval": "1m", "bid": None, "ask": None, "ticks": 1, "final": True, "revision": 0}


@pytest.fixture(scope="module")
def local_bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        yield local_bus


def bars(local_bus, *words):
    process = local_bus.hulak("bars", *words, out=subprocess.PIPE, err=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def sent(feed, topic, body):
    feed.socket.send(codec.encode_publication(topic.encode(), codec.decode_publication(FRAME).stamp, body))


FRAME = codec.feed_frame("X", 0, 1, 1, b"\x80")


def test_bars_are_computed_from_ticks_or_read_from_their_topic(local_bus):
    start = time.time_ns() // 1_000_000 // 60_000 * 60_000 - 120_000
    with UnnumberedFeed(local_bus) as feed:
        for at, bid in ((0, 1.5), (59_999, 1.25), (60_000, 2.0), (121_000, 3.0)):
            sent(feed, "tick.EURUSD", codec.pack_tick(Tick("EURUSD", bid, None, start + at, "x")))
        for at, mid, revision in ((0, 1.0, 0), (60_000, 2.0, 0), (0, 4.0, 1)):
            times = {"start": start + at, "end": start + at + 60_000}
            body = PUBLISHED | times | {"mid": [mid] * 4, "revision": revision}
            sent(feed, "bar.1m.USDJPY", codec.pack(body))
        sent(feed, "bar.1m.USDJPY", codec.pack({"symbol": "USDJPY", "start": "today"}))
        sent(feed, "tick.USDJPY", codec.pack_tick(Tick("USDJPY", 1.0, 2.0, start, "x")))
    code, out, _ = bars(local_bus, "EUR/USD", "--json")
    answer = json.loads(out)
    assert (code, answer["origin"], answer["symbol"]) == (0, "ticks", "EURUSD")
    rows = [(row["start"] - start, row["bid"], row["mid"], row["ticks"], row["final"]) for row in answer["bars"]]
    assert rows == [
        (0, [1.5, 1.5, 1.25, 1.25], None, 2, True),
        (60_000, [2.0] * 4, None, 1, True),
        (120_000, [3.0] * 4, None, 1, False),
    ]
    code, out, err = bars(local_bus, "USDJPY", "--json")
    answer = json.loads(out)
    assert (code, answer["origin"]) == (0, "topic")
    assert "1 message of bar.1m.USDJPY is no bar" in err
    assert [(row["start"] - start, row["mid"][0], row["revision"]) for row in answer["bars"]] == [(0, 4.0, 1), (60_000, 2.0, 0)]
    code, out, _ = bars(local_bus, "USDJPY", "--last", "1")
    assert code == 0
    assert out.splitlines()[0] == "start\topen\thigh\tlow\tclose\tticks\tfinal\trevision"
    assert out.splitlines()[1:] == [
        f"{time.strftime('%Y-%m-%dT%H:%M:00Z', time.gmtime(start / 1000 + 60))}\t2.0000\t2.0000\t2.0000\t2.0000\t1\tyes\t0"
    ]


def test_a_symbol_without_ticks_is_an_error(local_bus):
    code, out, err = bars(local_bus, "NOSUCH")
    assert (code, out) == (1, "")
    assert "there is no tick of 'NOSUCH'" in err
    code, out, err = bars(local_bus, "EURUSD", "--csv", "--json")
    assert code == 2
    assert "--csv excludes --json" in err
