"""A file written by `hulak journal export` is posted unchanged by `hulak feed --file`."""

import subprocess
import sys

import pytest
import zmq
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import ConfigError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import FIRST_MS, Tick
from hulak.clients.history import History
from hulak.clients.tables.schema import schema_of

pytestmark = pytest.mark.system
WITHIN_S = 20
TICKS = [
    Tick("EURUSD", 1.10428, 1.1043200000000002, FIRST_MS, "test"),
    Tick("SHIBUSDT", 1.2e-9, 5e-324, FIRST_MS + 7, "test", ("crossed",), 631_152_000_007_123_456),
    Tick("CL.MAY20", -37.63, None, FIRST_MS + 9, 'a, "b"; c', ("late", "one-sided"), 1),
    Tick("kraken.M_26_M", 0.0, 1e300, FIRST_MS + 9, "बजार"),
    Tick("kraken.M_26_M", None, None, FIRST_MS + 9, "x", ("empty", "halted")),
]


def run(local_bus, *words):
    process = local_bus.hulak(*words, out=subprocess.PIPE)
    output, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, process.log.read_text()
    return output.decode()


@pytest.fixture(scope="module")
def post():
    """A broker that has had `TICKS`, and one tick that is no quote; and a trade. `export.json` has all of them."""
    with LocalBus() as local_bus, zmq.Context() as context, context.socket(zmq.XPUB) as feed:
        local_bus.start_broker()
        feed.connect(local_bus.addresses["collector"])
        assert feed.poll(WITHIN_S * 1000)
        feed.send(codec.feed_frame("NABIL", 0, 1, 1, codec.pack({"symbol": "NABIL", "ltp": 512.5})))
        for tick in TICKS:
            feed.send(codec.feed_frame(tick.symbol, 0, 1, 1, codec.pack_tick(tick)))
        feed.send(codec.encode_publication(b"trade.NABIL", codec.Stamp(0, 1, 1), codec.pack({"security": "NABIL"})))
        eventually(lambda: local_bus.stats()["ticks"]["taken"] == len(TICKS) + 2, within_s=WITHIN_S)
        for form in ("json", "csv"):
            run(local_bus, "journal", "export", "--format", form, "--output", local_bus.home / f"export.{form}")
        yield local_bus


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_export_is_posted_unchanged(post, form):
    output = run(post, "feed", "--file", post.home / f"export.{form}", "--prefix", form, "--speed", "max")
    assert f"{len(TICKS)} ticks posted" in output
    assert ", 1 refused" in output, "the one that is no quote"
    assert ("; 1 no ticks" in output) == (form == "json"), "the trade, which CSV leaves out"
    assert ("trade.NABIL" in (post.home / f"export.{form}").read_text()) == (form == "json")
    with post.client() as client:
        again = [event.body for event in History(client, f"tick.{form}.*")]
    for tick, body in zip(TICKS, again, strict=True):
        if not tick.received_ns:
            del body["received_ns"]  # a feed sets it
        assert body == {**codec.unpack(codec.pack_tick(tick)), "symbol": f"{form}.{tick.symbol}"}


def test_history_is_a_table_of_the_same_ticks(post):
    with post.client() as client:
        table = History(client, "tick.").to_arrow()
        trades = History(client, "ticks").to_arrow("trades")
        single = History(client, "tick.EURUSD").to_arrow()
    assert table["symbol"].to_pylist()[: len(TICKS) + 1] == ["NABIL", *(tick.symbol for tick in TICKS)]
    assert table["bid"].to_pylist()[1 : len(TICKS) + 1] == [tick.bid for tick in TICKS]
    assert table["rest"].to_pylist()[0] == '{"ltp":512.5}'
    assert trades["security"].to_pylist() == ["NABIL"]
    assert single.schema == table.schema == schema_of("ticks")
    assert single["ask"].to_pylist() == [TICKS[0].ask]
    assert single["venue_time"].cast("int64").to_pylist() == [FIRST_MS]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_history_is_a_data_frame_where_its_library_is_installed(post, kind):
    pytest.importorskip(kind)
    with post.client() as client:
        frame = getattr(History(client, "tick.EURUSD"), f"to_{kind}")()
    assert list(frame["symbol"]) == ["EURUSD"]
    assert list(frame["ask"]) == [TICKS[0].ask]


def test_the_error_of_a_data_frame_without_its_library_names_the_extra(post, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with post.client() as client, pytest.raises(ConfigError, match=r"pip install 'hulak\[frames\]'"):
        History(client, "tick.EURUSD").to_polars()
