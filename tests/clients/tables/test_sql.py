"""SQL over the tables: the symbol of bars in exports, and errors that say what there is."""

import msgpack
import pyarrow.parquet as pq
import pytest

from hulak.bus.wire.codec import encode_publication
from hulak.bus.wire.messages import Stamp
from hulak.clients.tables.frame_tables import frames_in, tables_of
from hulak.clients.tables.sql import Database, QueryFailed


@pytest.fixture
def bars():
    """Return a table of two bars."""
    frames = [
        encode_publication(f"bar.{interval}.EURUSD".encode(), Stamp(1, 1, 1), msgpack.packb({"interval": interval}))
        for interval in ("1m", "1h")
    ]
    return tables_of(frames_in(list(enumerate(frames, 1))))["bars"]


def database(folder, files):
    return Database(list, files, ["bars", "ticks"], folder, "100MB", folder / "temporary")


@pytest.mark.parametrize("earlier", ["the whole name", "no column", "the symbol"])
def test_the_symbol_of_exported_bars_is_that_of_their_topic(tmp_path, bars, earlier):
    if earlier != "the symbol":
        bars = bars.drop_columns(["symbol"])
    if earlier == "the whole name":  # as earlier exports have it
        bars = bars.append_column("symbol", [["1m.EURUSD", "1h.EURUSD"]])
    pq.write_table(bars, tmp_path / "bars.parquet")
    tables = database(tmp_path, {"bars": [tmp_path / "bars.parquet"]})
    rows = tables.query("select symbol, interval from bars where symbol = 'EURUSD' order by interval").read_all()
    assert rows.to_pylist() == [{"symbol": "EURUSD", "interval": "1h"}, {"symbol": "EURUSD", "interval": "1m"}]
    tables.close()


def test_a_mistyped_table_gets_the_nearest_one(tmp_path):
    tables = database(tmp_path, {})
    with pytest.raises(QueryFailed, match=r"there is no table 'tiks'; .* lists all; did you mean 'ticks'\?; at line 1, column 6"):
        tables.query("from tiks")
    tables.close()
