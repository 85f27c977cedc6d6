"""Tick files as many programs and vendors write them: read right, or refused as a whole with a sentence that says what they are.

The rows are made up, in the forms that the public documentation of each program or vendor describes.
"""

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from pathlib import Path

import pytest

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.cli.feed import FORMATS as NAMES
from hulak.clients.feeds.file_columns import FORMATS
from hulak.clients.feeds.files.reader import FileOptions
from hulak.clients.feeds.files.registry import open_ticks
from hulak.clients.feeds.files.zones import zone_of
from hulak.clients.feeds.tick_files import TickLines, parse_lines

CASES = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "tickfiles.json").read_text())
LINE = b"1704153600123,1.10428,1.10432\n"
TICK = Tick("EURUSD", 1.10428, 1.10432, 1_704_153_600_123, "file")


@pytest.mark.parametrize("case", CASES, ids=[case["of"] for case in CASES])
def test_each_format_is_parsed_or_refused_with_its_kind(case):
    zone = zone_of(case["zone"]) if "zone" in case else None
    options, lines = FileOptions(form=case.get("format"), zone=zone), [f"{line}\n" for line in case["lines"]]
    if "refused" in case:
        with pytest.raises(FeedError, match=f"tick file {case['name']} is refused: .*{re.escape(case['refused'])}"):
            TickLines(lines, case["name"], case.get("path", ""), options)
    else:
        read = TickLines(lines, case["name"], case.get("path", ""), options).ticks()
        assert [[item.symbol, item.bid, item.ask, item.timestamp] for item in read] == case["ticks"]


def test_the_command_line_names_every_format():
    assert list(FORMATS) == NAMES


def zipped(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in members:
            archive.writestr(name, LINE)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        LINE,
        gzip.compress(LINE),
        zipped("eurusd.csv"),
        b"\xef\xbb\xbf" + LINE,
        LINE.decode().encode("utf-16"),
        b"\xfe\xff" + LINE.decode().encode("utf-16-be"),
        LINE.decode().encode("utf-16-le"),
        gzip.compress(LINE.decode().encode("utf-16")),
        LINE.replace(b"\n", b"\r\n"),
    ],
    ids=("plain", "gzip", "zip", "utf-8", "utf-16", "utf-16-be", "utf-16 without a mark", "utf-16 in gzip", "crlf"),
)
def test_compressed_and_encoded_files_are_decoded(tmp_path, content):
    path = tmp_path / "eurusd.dat"
    path.write_bytes(content)
    assert list(open_ticks(path).ticks()) == [TICK]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (lzma.compress(LINE, lzma.FORMAT_ALONE), "10h_ticks.bi5: give it, as --date"),
        (lzma.compress(LINE), "xz"),
        (bz2.compress(LINE), "bzip2"),
        (b"DBN\x03rest", "DBN"),
        (b"PAR1rest", "damaged"),
        (b"(\xb5/\xfdrest", "zstd"),
        (b'[{"symbol": "EURUSD"}]', "JSON in one piece, must be one object a line"),
        (b'{\n"symbol": "EURUSD"\n}\n', "is not JSON"),
        (b'{"symbol": "EURUSD"}', "its columns are symbol: no time and no bid and no ask"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"\x00\x01\x02\x03" * 9, "binary"),
        (b"", "is empty"),
        (b"\n\n", "holds no lines"),
        (b"time,bid,ask\n", "holds no quotes"),
        (b"x" * 100_000, "a line of more than 65536 characters"),
        (zipped("a.csv", "b.csv"), "ZIP archive of 2 files"),
        (gzip.compress(LINE)[:-6], "damaged"),
        (zipped("eurusd.csv")[:60], "damaged"),
        (gzip.compress(b"DBN\x03rest"), "DBN"),
    ],
    ids=range(19),
)
def test_a_file_without_quotes_is_refused_with_its_kind(tmp_path, content, text):
    path = tmp_path / "eurusd.csv"
    path.write_bytes(content)
    with pytest.raises(FeedError, match=f"eurusd.csv.* .*{text}"):
        list(open_ticks(path).ticks())


def test_an_empty_hour_of_an_archive_is_reported_as_such(tmp_path):
    path = tmp_path / "00h_ticks.bi5"
    path.touch()
    with pytest.raises(FeedError, match="an hour without ticks"):
        open_ticks(path)


def test_swapped_sides_without_a_header_line_are_detected():
    lines = [f"170415360{at:04d},1.10432,1.10428\n" for at in range(20)]
    with pytest.raises(FeedError, match="of its first 20 quotes 20 have a bid above the ask"):
        list(parse_lines(lines, "eurusd.csv"))
    with pytest.raises(FeedError, match="the sides are swapped; give the columns their right names"):
        list(parse_lines(["time,bid,ask\n", *lines], "eurusd.csv"))


def test_a_format_is_for_files_without_a_header_line():
    with pytest.raises(FeedError, match="omit --format dukascopy"):
        list(parse_lines(["time,bid,ask\n", LINE.decode()], "eurusd.csv", form="dukascopy"))
    with pytest.raises(FeedError, match="format is 'excel', must be one of plain, "):
        list(parse_lines([LINE.decode()], "eurusd.csv", form="excel"))


SEVERAL = ["time,symbol,bid,ask\n", *(f"1704153600123,{name},1,2\n" for name in ("EUR/USD", "USDJPY", "EUR/USD", "EUR_USD"))]


def test_one_symbol_of_a_file_of_several_can_be_selected():
    errors = []
    assert [line.symbol for line in parse_lines(SEVERAL, "x.csv", on_error=errors.append)] == ["EURUSD", "USDJPY", "EURUSD"]
    assert ["'EUR_USD' would have the topic tick.EURUSD, which belongs to 'EUR/USD'" in str(error) for error in errors] == [True]
    assert [line.symbol for line in parse_lines(SEVERAL[:-1], "x.csv", symbol="eurusd")] == ["EURUSD"] * 2
    with pytest.raises(FeedError, match="the file has no quote of GBPUSD; its symbols are EURUSD, USDJPY"):
        list(parse_lines(SEVERAL[:-1], "x.csv", symbol="GBPUSD"))


EXPORTED = "time_ns,topic,sequence,timestamp,received_ns,bid,ask,flags,source\n"


def test_an_export_of_the_journal_is_read_back_unchanged():
    rows = [
        "1704153600125000000,tick.kraken.M_26_M,7,1704153600123,1704153600124000001,1.5,,late one-sided,kraken\n",
        '1704153600126000000,tick.BRK.A,1,1704153600124,,0.0,-0.1,crossed,"a, ""b"""\n',
    ]
    assert list(parse_lines([EXPORTED, *rows], "e.csv")) == [
        Tick("kraken.M_26_M", 1.5, None, 1_704_153_600_123, "kraken", ("late", "one-sided"), 1_704_153_600_124_000_001),
        Tick("BRK.A", 0.0, -0.1, 1_704_153_600_124, 'a, "b"', ("crossed",)),
    ]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("1,heartbeat,1,1704153600123,,1,2,,x", "topic is 'heartbeat', must be tick.SYMBOL"),
        (f"1,tick.{'A' * 107},1,1704153600123,,1,2,,x", "topic is 'tick.AAA"),
        ("1,tick.A.,1,1704153600123,,1,2,,x", "topic is 'tick.A.'"),
        ('1,tick.A,1,1704153600123,,1,2,,"x', "is not CSV: unexpected end of data"),
        ("1,tick.A,1,1704153600123,x,1,2,,x", "received_ns is 'x'"),
        ("1,tick.A,1,1704153600123,,1,2,odd,x", "flags are 'odd'"),
        ("1,tick.A,1,1704153600123,,,,,x", "it has neither bid nor ask"),
    ],
)
def test_a_bad_row_of_an_export_is_refused(row, text):
    good = "1704153600125000000,tick.A,1,1704153600123,,1,2,,x\n"
    with pytest.raises(FeedError, match=f"e.csv line 3: .*{text}"):
        list(parse_lines([EXPORTED, good, row], "e.csv"))


OBJECT = {
    "topic": "tick.A",
    "epoch": 7,
    "sequence": 1,
    "time_ns": 5,
    "symbol": "A",
    "bid": 1.5,
    "ask": None,
    "timestamp": 1704153600123,
}


def test_keys_of_json_lines_are_columns():
    plain = ['{"symbol": "EUR/USD", "ask": "1.10432", "bid": 1.10428, "timestamp": 1704153600.123, "size": [1, 2]}\n']
    assert list(parse_lines(plain, "x.json")) == [TICK]
    lines = [
        json.dumps(item)
        for item in (OBJECT, {**OBJECT, "bid": 1e-9, "source": "x", "flags": ["late", "one-sided"], "received_ns": 9})
    ]
    assert list(parse_lines(lines, "e.json")) == [
        Tick("A", 1.5, None, 1_704_153_600_123, "file"),
        Tick("A", 1e-9, None, 1_704_153_600_123, "x", ("late", "one-sided"), 9),
    ]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("[1, 2]", "is not a JSON object"),
        ('{"topic": "tick.A"', "is not JSON"),
        (json.dumps({**OBJECT, "bid": True}), "bid is 'True', must be a finite number"),
        (json.dumps({**OBJECT, "bid": {"price": 1}}), "bid is "),
        (json.dumps({"topic": "tick.A", "timestamp": 1704153600123, "ltp": 7}), "it has neither bid nor ask"),
    ],
)
def test_an_object_without_a_quote_is_one_bad_line(row, text):
    errors = []
    lines = [json.dumps(OBJECT), row, json.dumps(OBJECT)]
    assert len(list(parse_lines(lines, "e.json", on_error=errors.append))) == 2
    assert [text in str(error) for error in errors] == [True]


def test_an_old_export_without_the_venues_times_has_the_brokers_times():
    rows = ["time_ns,topic,sequence,bid,ask\n", "1704153600123456789,tick.EURUSD,1,1.10428,1.10432\n"]
    assert list(parse_lines(rows, "e.csv")) == [TICK]
