"""Several tick files as one: the order of their ticks, what they share, and what is left out."""

import json
import os
import random
import zipfile

import pytest
from tick_forms import bi5

from hulak.bus.errors import FeedError
from hulak.clients.feeds.files import tick_set
from hulak.clients.feeds.files.reader import FileOptions
from hulak.clients.feeds.files.sources import expand
from hulak.clients.feeds.files.tick_set import WINDOW, TickSet

T_MS = 1_704_153_600_000


def write(path, *rows):
    """Write a file of rows of ms after `T_MS`, and a bid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("time,bid,ask\n" + "".join(f"{T_MS + ms},{bid},{bid + 1}\n" for ms, bid in rows))
    return path


def read(*paths, errors=None, options=FileOptions(), **window):  # noqa: B008  # it is frozen
    """Return the set, and (symbol, ms, bid) of each tick."""
    ticks = TickSet(expand(paths), options, **window)
    refuse = None if errors is None else lambda error: errors.append(str(error))
    return ticks, [(tick.symbol, tick.timestamp - T_MS, tick.bid) for tick in ticks.ticks(refuse)]


def test_ticks_of_several_files_are_in_the_order_of_their_times(tmp_path):
    draw = random.Random(7)
    files = {name: sorted(draw.sample(range(10**6), 3000)) for name in ("eurusd", "usdjpy", "gbpusd")}
    paths = [write(tmp_path / f"{name}.csv", *((ms, 5) for ms in times)) for name, times in files.items()]
    ticks, rows = read(*paths)
    assert [ms for _, ms, _ in rows] == sorted(ms for times in files.values() for ms in times)
    assert {row[:2] for row in rows} == {(name.upper(), ms) for name, times in files.items() for ms in times}
    assert {report.name: report.ticks for report in ticks.reports} == {f"{name}.csv": 3000 for name in files}
    assert ticks.first.timestamp - T_MS == rows[0][1]


def test_rows_out_of_order_are_sorted_within_a_window(tmp_path):
    draw = random.Random(3)
    times = list(range(4 * WINDOW))
    for at in range(0, len(times), WINDOW // 2):
        part = times[at : at + WINDOW // 2]
        draw.shuffle(part)
        times[at : at + WINDOW // 2] = part
    assert [ms for _, ms, _ in read(write(tmp_path / "eurusd.csv", *((ms, 5) for ms in times)))[1]] == sorted(times)


def test_a_row_that_is_further_behind_is_refused(tmp_path):
    errors = []
    rows = [*((ms, 5) for ms in range(1000, 1000 + 3 * WINDOW)), (7, 9)]
    ticks, read_rows = read(write(tmp_path / "eurusd.csv", *rows), errors=errors)
    assert len(read_rows) == 3 * WINDOW
    assert ["ms older than one that is 2048 rows before it: sort the file" in error for error in errors] == [True]
    assert ticks.reports[0].refused == 1
    with pytest.raises(FeedError, match="sort the file"):
        read(tmp_path / "eurusd.csv")


def test_a_tick_that_two_files_have_is_returned_once(tmp_path):
    first = write(tmp_path / "a" / "eurusd.csv", (1, 5), (2, 6), (2, 6), (3, 7))
    second = write(tmp_path / "b" / "eurusd.csv", (2, 6), (2, 6), (2, 6), (3, 8), (4, 9))
    ticks, rows = read(first, second)
    assert sorted((ms, bid) for _, ms, bid in rows) == [(1, 5), (2, 6), (2, 6), (2, 6), (3, 7), (3, 8), (4, 9)]
    assert sum(report.duplicates for report in ticks.reports) == 2
    assert sorted(read(first, first)[1]) == sorted(read(first)[1])


def test_ticks_outside_of_the_given_times_are_left_out(tmp_path):
    paths = [write(tmp_path / f"{name}.csv", *((ms, 5) for ms in range(0, 10**6, 1000))) for name in ("eurusd", "usdjpy")]
    ticks, rows = read(*paths, from_ms=T_MS + 5000, to_ms=T_MS + 8000)
    assert [row[1] for row in rows] == [5000, 5000, 6000, 6000, 7000, 7000]
    assert [report.first_ms for report in ticks.reports] == [T_MS + 5000] * 2
    steps = list(TickSet(expand(paths), FileOptions(), from_ms=T_MS + 10**6).steps())
    assert steps == [None, None], "a caller has time for something else while 2,000 rows are left out"


def test_files_are_opened_when_their_time_comes_and_their_number_is_bounded(tmp_path, monkeypatch):
    hour_ms = 3_600_000
    paths = [write(tmp_path / f"eurusd_{number}.csv", (number * hour_ms, 5)) for number in range(8)]
    opened = []
    open_ticks = tick_set.open_ticks
    monkeypatch.setattr(tick_set, "open_ticks", lambda path, options: opened.append(path) or open_ticks(path, options))
    stream = TickSet(expand(paths), FileOptions(), to_ms=T_MS + 3 * hour_ms - tick_set.EARLY_MS).ticks()
    assert len(opened) == 8, "each is checked"
    next(stream)
    assert len(opened) == 9
    assert len(list(stream)) == 2
    assert len(opened) == 11, "later files are not opened again"
    monkeypatch.setattr(tick_set, "MAX_OPEN", 2)
    overlapping = [write(tmp_path / f"eurusd_{name}.csv", (1, 5), (9, 5)) for name in "abc"]
    with pytest.raises(FeedError, match="more than 2 files have ticks of one time"):
        read(*overlapping)


def test_a_file_that_is_refused_refuses_all_before_the_first_tick(tmp_path):
    good, bad = write(tmp_path / "eurusd.csv", (1, 5)), tmp_path / "usdjpy.csv"
    bad.write_text("time,open,high,low,close\n1,1,1,1,1\n")
    with pytest.raises(FeedError, match=r"usdjpy\.csv is refused: .*bars"):
        TickSet(expand([good, bad]), FileOptions())


def test_files_of_one_symbol_by_two_venues_are_refused(tmp_path):
    for venue in ("kraken", "binance"):
        (tmp_path / f"{venue}.csv").write_text(f"exchange,symbol,timestamp,bid,ask\n{venue},BTCUSD,{T_MS},1,2\n")
    with pytest.raises(FeedError, match=r"binance.csv has quotes of BTCUSD by binance, and kraken.csv by kraken"):
        read(tmp_path)
    assert len(read(tmp_path / "kraken.csv", write(tmp_path / "eurusd.csv", (1, 5)))[1]) == 2


def test_a_pair_of_two_markets_of_leans_is_refused(tmp_path):
    for market in ("fxcm", "oanda"):
        path = tmp_path / f"forex/{market}/tick/eurusd/20240102_eurusd_tick_quote.csv"
        path.parent.mkdir(parents=True)
        path.write_text("123,1.1,1.2\n")
    with pytest.raises(FeedError, match=r"has quotes of EURUSD by fxcm, and .* by oanda"):
        read(tmp_path)
    assert read(tmp_path / "forex/fxcm")[1] == [("EURUSD", 5 * 3_600_000 + 123, 1.1)]


def test_one_symbol_is_not_given_to_files_named_after_several(tmp_path):
    paths = [write(tmp_path / f"{name}.csv", (1, 5)) for name in ("eurusd", "usdjpy")]
    with pytest.raises(FeedError, match="named after EURUSD and USDJPY, and would all have the symbol EURUSD"):
        read(*paths, options=FileOptions("EURUSD"))
    assert read(paths[1], options=FileOptions("JPY"))[1] == [("JPY", 1, 5)]


def test_files_without_the_symbol_that_is_wanted_are_counted(tmp_path):
    for number, symbol in enumerate(("EURUSD", "USDJPY")):
        (tmp_path / f"{number}.csv").write_text(f"symbol,time,bid,ask\n{symbol},{T_MS},1,2\n")
    ticks, rows = read(tmp_path, options=FileOptions("USDJPY"))
    assert rows == [("USDJPY", 0, 1.0)]
    assert ticks.empty == ["0.csv has no ticks: the file has no quote of USDJPY; its symbols are EURUSD"]


def test_a_folder_is_read_with_the_folders_below_it_and_without_what_is_no_table(tmp_path):
    for hour in (9, 10):
        path = tmp_path / f"EURUSD/2024/00/02/{hour:02}h_ticks.bi5"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bi5((5, 110432, 110428)))
    (tmp_path / "EURUSD/2024/00/02/11h_ticks.bi5").touch()
    (tmp_path / "README").write_text("about")
    (tmp_path / ".hidden.csv").write_text("about")
    ticks, rows = read(tmp_path)
    assert rows == [("EURUSD", hour * 3_600_000 + 5, 1.10428) for hour in (9, 10)]
    assert ["11h_ticks.bi5 is empty: an hour without ticks" in text for text in ticks.empty] == [True]
    assert read(tmp_path, options=FileOptions("EURUSD"))[1] == rows
    with pytest.raises(FeedError, match=r"none of 3 files has ticks; .* has ticks of EURUSD, not of USDJPY"):
        read(tmp_path, options=FileOptions("USDJPY"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FeedError, match=r"empty has no files of ticks, whose names end with \.csv"):
        expand([tmp_path / "empty"])


def test_a_pipe_in_a_folder_is_refused_because_it_may_never_end(tmp_path):
    os.mkfifo(tmp_path / "ticks.csv")
    with pytest.raises(FeedError, match=r"ticks\.csv is a pipe or a device, must be a file"):
        expand([tmp_path])


def test_the_files_of_an_archive_are_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "HISTDATA_COM_ASCII_EURUSD_T202401.zip", "w") as archive:
        archive.writestr("DAT_ASCII_EURUSD_T_202401.csv", "20240101 190000001,1.5,2.5,0\n")
        archive.writestr("DAT_ASCII_EURUSD_T_202401.txt", "gaps")
    assert read(tmp_path / "HISTDATA_COM_ASCII_EURUSD_T202401.zip")[1] == [("EURUSD", 1, 1.5)]
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("eurusd.csv", f"{T_MS + 2},1.5,2.5\n")
        archive.writestr("usdjpy.csv", f"{T_MS + 1},1.5,2.5\n")
    assert read(tmp_path / "two.zip")[1] == [("USDJPY", 1, 1.5), ("EURUSD", 2, 1.5)]


def test_an_export_keeps_its_order_and_leaves_out_what_is_no_tick(tmp_path):
    rows = [("tick.A", 5), ("trade.A", 6), ("tick.A", 3), ("market.nepse", 1), ("tick.B", 6)]
    lines = [
        json.dumps({"topic": topic, "epoch": 7, "sequence": 1, "time_ns": 5, "bid": 1.5, "ask": None, "timestamp": T_MS + ms})
        for topic, ms in rows
    ]
    path = tmp_path / "day.jsonl"
    path.write_text("\n".join(lines))
    ticks, read_rows = read(path)
    assert read_rows == [("A", 5, 1.5), ("A", 3, 1.5), ("B", 6, 1.5)]
    assert (ticks.recorded, ticks.reports[0].left_out, ticks.reports[0].refused) == (True, 2, 0)
