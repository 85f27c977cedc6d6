"""Tick files that could be read in a wrong way: each is read right, or refused, and no line of it becomes a wrong tick."""

import gzip
import io
import os
import zipfile
from types import SimpleNamespace

import pytest

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds import file_lines
from hulak.clients.feeds.file_replay import check_live
from hulak.clients.feeds.files.reader import FileOptions
from hulak.clients.feeds.files.registry import open_ticks
from hulak.clients.feeds.files.zones import UTC
from hulak.clients.feeds.tick_files import TickLines, parse_lines

T_MS = 1_704_153_600_123
LEAN = "20240102_eurusd_tick_quote.csv"


def read(*lines, name="eurusd.csv"):
    """Read lines; returns (bid, ask, timestamp) of each tick, and the errors of the bad lines."""
    errors = []
    ticks = list(parse_lines([f"{line}\n" for line in lines], name, zone=UTC, on_error=lambda error: errors.append(str(error))))
    return [(tick.bid, tick.ask, tick.timestamp) for tick in ticks], errors


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["20240102,1.1,1.2", "20240103,1.1,1.2"], "dates without a time of day"),
        (["time,bid,ask", "20240102,1.1,1.2"], "dates without a time of day"),
        (["time,bid,ask", "34200.004241176,1.1,1.2"], "seconds of a day"),
        (["time,bid,ask", "45293.5000014236,1.1,1.2"], "days since 1900"),
        (["date,time,bid,ask", "20240102,130000123,1.1,1.2"], "of an unknown form"),
        (["date,time,bid,ask", "20240102,130000,1.1,1.2"], "of an unknown form"),
        (["2024-01-02 00:00:00+99:00,1.1,1.2"], "not of the form"),
        (["2024-01-02 00:00:00+05:60,1.1,1.2"], "not of the form"),
        (["time,bid,ask", f"{T_MS},1,234.50,1,234.60"], "5 columns .*, must be at most 3"),
        (
            ["exchange,symbol,timestamp,bid,ask", f"A,EURUSD,{T_MS},1,2", f"B,EURUSD,{T_MS},5,6"],
            "give a file of one venue's quotes",
        ),
        (["time,bid,ask", f"{T_MS},1.1,1.2", "time,ask,bid", f"{T_MS},1.2,1.1"], "line 3 names columns unlike the first line"),
        ([f"{T_MS},1.1,1.2", "time,ask,bid", f"{T_MS},1.2,1.1"], "line 2 names columns unlike the first line"),
    ],
)
def test_an_ambiguous_file_is_refused_with_its_kind(lines, text):
    with pytest.raises(FeedError, match=f"tick file {LEAN} is refused: .*{text}"):
        read(*lines, name=LEAN)


def test_ms_of_a_day_are_not_taken_for_dates_beside_a_time_that_is_none():
    assert [time_ms % 86_400_000 for _, _, time_ms in read("20240102,1,2", "20240140,1,2", name=LEAN)[0]] == [20240102, 20240140]


def test_times_around_the_world_are_read():
    lines = ["2024-01-02 14:00:00+14:00,1,2", "2024-01-01 12:00:00-12:00,1,2", "2024-01-02 05:45:00+0545,1,2"]
    assert {time_ms for _, _, time_ms in read(*lines)[0]} == {1_704_153_600_000}


def test_whole_prices_are_multiples_of_1e_9_in_databentos_columns_only():
    assert read("time,bid_px,ask_px", f"{T_MS},42269,42270")[0] == [(42269.0, 42270.0, T_MS)]
    assert read("time,bid_px_00,ask_px_00", f"{T_MS},42269000000000,42270000000000")[0] == [(42269.0, 42270.0, T_MS)]


def test_a_comma_in_a_number_costs_its_line():
    ticks, errors = read(f"{T_MS},999.5,999.6", f"{T_MS},1,000.5,1,000.6", f"{T_MS},999.5,999.6,")
    assert ticks == [(999.5, 999.6, T_MS)] * 2, "an empty column at the end is none"
    assert ["line 2: 5 columns" in error for error in errors] == [True]


def test_the_same_header_line_again_is_skipped():
    header = "time,bid,ask"
    assert read(header, f"{T_MS},1,2", header, f"{T_MS},1,2") == ([(1.0, 2.0, T_MS)] * 2, [])
    assert read(f"{T_MS},1,2", header, f"{T_MS},1,2") == ([(1.0, 2.0, T_MS)] * 2, [])
    assert len(read(header, f"{T_MS},1,2", f"{T_MS},nan,nan", "nan,nan,nan")[1]) == 2, "words that name no columns are a bad line"


def test_a_file_that_turns_out_to_be_mixed_ends_there():
    lines = ["time,bid,ask", *[f"{T_MS},1,2"] * 200, "time,ask,bid", f"{T_MS},2,1"]
    ticks = parse_lines(lines, "eurusd.csv", on_error=lambda _: None)
    assert [next(ticks).bid for _ in range(200)] == [1.0] * 200
    with pytest.raises(FeedError, match="line 202 names columns unlike"):
        next(ticks)


def test_quotes_of_one_venue_for_each_symbol_are_read():
    lines = ["exchange,symbol,timestamp,bid,ask", f"A,X,{T_MS},1,2", f"B,Y,{T_MS},5,6", f"A,X,{T_MS},1,2"]
    assert len(read(*lines)[0]) == 3
    assert len(list(parse_lines([*lines, f"C,Z,{T_MS},1,2", f"D,Z,{T_MS},1,2"], "x.csv", symbol="X"))) == 2, (
        "others do not matter"
    )


def test_the_venues_of_many_symbols_are_bounded(monkeypatch):
    monkeypatch.setattr("hulak.clients.feeds.tick_files.MAX_SYMBOLS", 2)
    rows = [f"A,S{number},{T_MS},1,2" for number in range(9)]
    lines = TickLines(["exchange,symbol,timestamp,bid,ask", *rows], "x.csv")
    assert len(list(lines.ticks())) == 9
    assert list(lines._venues) == ["S7", "S8"]


def test_a_key_that_only_later_objects_have_costs_their_lines():
    first, later = f'{{"time":{T_MS},"bid":1,"ask":2}}', f'{{"time":{T_MS},"bid":9,"ask":9,"symbol":"GBPUSD","note":1}}'
    ticks, errors = read(first, later, f'{{"time":{T_MS},"bid":1,"ask":2,"note":1}}')
    assert ticks == [(1.0, 2.0, T_MS)] * 2
    assert ["has the key 'symbol', which the first line does not have" in error for error in errors] == [True]


def test_an_empty_side_is_unchanged_in_metatraders_columns_only():
    row = "2024-01-02{0}00:00:00.123{0}{1}{0}1.2"
    for header, expected in (("Date,Time,Bid,Ask", None), ("<DATE>\t<TIME>\t<BID>\t<ASK>", 1.1)):
        separator = "," if "," in header else "\t"
        ticks, _ = read(header, row.format(separator, "1.1"), row.format(separator, ""))
        assert [bid for bid, *_ in ticks] == [1.1, expected]


def test_an_export_is_not_posted_again_to_its_live_topics():
    lines = TickLines(["time_ns,topic,sequence,timestamp,bid,ask\n", f"1,tick.EURUSD,1,{T_MS},1,2\n"], "e.csv")
    with pytest.raises(FeedError, match=r"e.csv was exported from a bus, .*--prefix NAME .*tick\.NAME\.EURUSD"):
        check_live(lines, T_MS)
    check_live(TickLines(["time,bid,ask\n", f"{T_MS},1,2\n"], "eurusd.csv"), T_MS)


def archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("eurusd.csv", f"{T_MS},1,2\n")
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [b"%d,1,2\n" % T_MS, gzip.compress(b"%d,1,2\n" % T_MS), archive()], ids=("plain", "gzip", "zip")
)
@pytest.mark.parametrize("as_stdin", [False, True])
def test_a_pipe_is_read_like_a_file(tmp_path, monkeypatch, content, as_stdin):
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    path = tmp_path / "eurusd.csv"
    path.symlink_to(f"/dev/fd/{reader}")
    with os.fdopen(reader, "rb") as pipe:
        if as_stdin:
            monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=pipe))
        ticks = open_ticks(file_lines.STDIN if as_stdin else path, FileOptions("EURUSD")).ticks()
        assert list(ticks) == [Tick("EURUSD", 1.0, 2.0, T_MS, "file")]


def test_a_file_of_one_byte_is_text(tmp_path):
    path = tmp_path / "eurusd.csv"
    path.write_bytes(b"5")
    with pytest.raises(FeedError, match="it begins with '5': 1 columns without names"):
        open_ticks(path)
