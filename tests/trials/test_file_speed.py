"""The speed at which tick files are read, in rows per second of CPU time, without a broker."""

import time

import pytest
from tick_forms import T_NS, bi5, dbn_metadata, dbn_quote, nautilus

from hulak.clients.feeds.files.reader import FileOptions
from hulak.clients.feeds.files.sources import expand
from hulak.clients.feeds.files.tick_set import TickSet
from hulak.clients.feeds.files.zones import zone_of

T_MS = T_NS // 10**6
AT_LEAST = 100_000  # rows a second


def write_csv(path, rows):
    path.write_text("time,bid,ask\n" + "".join(f"{T_MS + at},1.1{at % 10_000:04},1.2\n" for at in range(rows)))


def write_mt5(path, rows):
    times = (f"{at // 3_600_000:02}:{at // 60_000 % 60:02}:{at // 1000 % 60:02}.{at % 1000:03}" for at in range(rows))
    path.write_text("<DATE>\t<TIME>\t<BID>\t<ASK>\n" + "".join(f"2024.01.02\t{at}\t1.10428\t1.10432\n" for at in times))


def write_bi5(path, rows):
    path.write_bytes(bi5(*((at * 3_600_000 // rows, 110432, 110428) for at in range(rows))))


def write_dbn(path, rows):
    path.write_bytes(dbn_metadata() + dbn_quote() * rows)


def write_nautilus(path, rows):
    nautilus(path, [(110428, 110432, T_NS + at * 10**6) for at in range(rows)])


FILES = {  # name of the file -> function that writes it
    "eurusd.csv": write_csv,
    "mt5_eurusd.csv": write_mt5,
    "EURUSD/2024/00/02/10h_ticks.bi5": write_bi5,
    "x.dbn": write_dbn,
    "x.parquet": write_nautilus,
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_read_at_a_hundred_thousand_rows_a_second(tmp_path, long, record_figure, name):
    rows = 500_000 if long else 20_000
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    FILES[name](path, rows)
    started = time.process_time()
    read = sum(1 for _ in TickSet(expand([path]), FileOptions(zone=zone_of("America/New_York+7"))).ticks())
    rate = rows / (time.process_time() - started)
    assert read == rows
    record_figure(f"files: {name}: {rows:,} rows, {rate:,.0f} rows per second of CPU time")
    if long:  # a short run measures the start too
        assert rate > AT_LEAST
