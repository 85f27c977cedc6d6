"""Binary tick files: each is read to exact numbers, or refused with the option that would say what the file does not."""

import gzip
import lzma
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tick_forms import NO_PRICE, NO_TIME, T_NS, bi5, dbn_metadata, dbn_quote, nautilus

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.files.dukascopy_scales import SCALES
from hulak.clients.feeds.files.reader import EmptyFile, FileOptions, day_of
from hulak.clients.feeds.files.registry import open_ticks
from hulak.clients.feeds.files.zones import UTC

T_MS = T_NS // 10**6
HOUR_MS = 1_704_189_600_000  # 2024-01-02 10:00 UTC
ROWS = ((123, 110432, 110428), (3_599_999, 110433, 110429))


def read(path, **options):
    errors = []
    reader = open_ticks(path, FileOptions(**options))
    ticks = [(tick.symbol, tick.bid, tick.ask, tick.timestamp) for tick in reader.ticks(lambda error: errors.append(str(error)))]
    return ticks, errors


def hour(tmp_path, path="EURUSD/2024/00/02/10h_ticks.bi5", content=None):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bi5(*ROWS) if content is None else content)
    return file


def test_instrument_and_time_of_an_hour_are_in_its_path_with_months_from_00(tmp_path):
    expected = [("EURUSD", 1.10428, 1.10432, HOUR_MS + 123), ("EURUSD", 1.10429, 1.10433, HOUR_MS + 3_599_999)]
    assert read(hour(tmp_path)) == (expected, [])
    december = read(hour(tmp_path, "EURUSD/2023/11/31/23h_ticks.bi5"))[0]
    assert december[0][3] == 1_704_063_600_000 + 123


@pytest.mark.parametrize(
    ("name", "scale", "bid"),
    [("USDJPY", 1000, 110.428), ("EURUSD", 100000, 1.10428), ("BTCUSD", 10, 11042.8), ("CZKTHB", 1000000, 0.110428)],
)
def test_the_scale_is_that_of_the_instrument(tmp_path, name, scale, bid):
    file = hour(tmp_path, f"{name}/2024/00/02/10h_ticks.bi5")
    assert SCALES[name] == scale
    assert read(file)[0][0][:2] == (name, bid)


def test_an_unknown_scale_is_refused_unless_it_is_given(tmp_path):
    file = hour(tmp_path, "USDCZK/2024/00/02/10h_ticks.bi5")
    with pytest.raises(FeedError, match="the scale of USDCZK's prices is not known: give it, as --scale 1000"):
        open_ticks(file)
    assert read(file, scale=10_000)[0][0][1] == 11.0428
    with pytest.raises(FeedError, match="--scale is 1000, and the scale of EURUSD is 100000"):
        open_ticks(hour(tmp_path), FileOptions(scale=1000))


def test_the_table_of_scales_has_six_scales_and_no_instrument_twice():
    assert sorted(set(SCALES.values())) == [10, 100, 1000, 10_000, 100_000, 1_000_000]
    assert len(SCALES) == 1435


@pytest.mark.parametrize(
    ("path", "options", "text"),
    [
        ("10h_ticks.bi5", {}, "names no pair: give the symbol with --symbol"),
        ("EURUSD_ticks.bi5", {}, "does not say the hour, as 10h_ticks.bi5: give it, as --date 2024-01-02T10"),
        ("EURUSD_10h_ticks.bi5", {}, "does not say the day, .* give it, as --date 2024-01-02"),
        ("EURUSD/2024/12/02/10h_ticks.bi5", {}, "has no such day where months count from 00"),
        ("EURUSD/2024/01/31/10h_ticks.bi5", {}, "has no such day where months count from 00"),
        ("EURUSD/2024/00/02/10h_ticks.bi5", {"day": date(2024, 3, 2)}, "--date is 2024-03-02, and its path .* has another day"),
        ("EURUSD/2024/00/02/BID_candles_min_1.bi5", {}, "holds candles"),
    ],
)
def test_an_hour_whose_path_lacks_something_is_refused_with_the_option(tmp_path, path, options, text):
    with pytest.raises(FeedError, match=f"is refused: .*{text}"):
        open_ticks(hour(tmp_path, path), FileOptions(**options))


def test_options_complete_the_path_of_an_hour(tmp_path):
    day, at = day_of("2024-01-02T10")
    assert read(hour(tmp_path, "x.bi5"), symbol="EUR/USD", day=day, hour=at)[0][0] == ("EURUSD", 1.10428, 1.10432, HOUR_MS + 123)
    from_1 = hour(tmp_path, "EURUSD/2024/01/02/10h_ticks.bi5")  # months from 01, as some programs store them
    assert read(from_1, day=day)[0][0][3] == HOUR_MS + 123
    for text in ("2024-02-30", "2024-01-02T24", "20240102", "2024-01-02T1"):
        with pytest.raises(FeedError, match=r"date is .*, must be such as 2024-01-02"):
            day_of(text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (bi5((3_600_000, 2, 1)), "must be ms of an hour: it holds no ticks"),
        (lzma.compress(b"\0" * 24, lzma.FORMAT_ALONE), "ends within a record of 20 bytes"),
        (bi5(*ROWS)[:30], "is damaged"),
        (b"no LZMA", "is damaged"),
        (bi5(*((at, 110428, 110432) for at in range(10))), "10 have a bid above the ask: the sides are swapped"),
        (bi5((5, 0, 0)), "a record has neither bid nor ask"),
    ],
    ids=range(6),
)
def test_an_hour_that_holds_something_else_is_refused(tmp_path, content, text):
    with pytest.raises(FeedError, match=f"10h_ticks.bi5 is refused: .*{text}"):
        list(open_ticks(hour(tmp_path, content=content)).ticks())


def test_a_side_of_0_is_empty_and_an_hour_of_0_bytes_has_no_ticks(tmp_path):
    assert read(hour(tmp_path, content=bi5((5, 110432, 0))))[0] == [("EURUSD", None, 1.10432, HOUR_MS + 5)]
    with pytest.raises(EmptyFile, match="an hour without ticks"):
        open_ticks(hour(tmp_path, content=b""))


def dbn_file(tmp_path, *records, name="x.dbn", **metadata):
    path = tmp_path / name
    path.write_bytes(dbn_metadata(**metadata) + b"".join(records))
    return path


def test_quotes_of_databento_have_the_names_of_their_mappings_and_exact_prices(tmp_path):
    records = [
        dbn_quote(),
        dbn_quote(-37_640_000_000, -37_630_000_000, instrument=6),
        dbn_quote(ask=NO_PRICE, event_ns=NO_TIME),
        dbn_quote(0, 1),
    ]
    ticks, errors = read(dbn_file(tmp_path, *records, dbn_quote(NO_PRICE, NO_PRICE), names=(("ESH4", "5"), ("CLK0", "6"))))
    assert ticks == [
        ("ESH4", 4700.25, 4700.5, T_MS),
        ("CLK0", -37.64, -37.63, T_MS),
        ("ESH4", 4700.25, None, T_MS + 1),
        ("ESH4", 0.0, 1e-9, T_MS),
    ]
    assert errors == ["x.dbn record 5: it has neither bid nor ask: the book is empty"]


@pytest.mark.parametrize(
    ("records", "metadata", "text"),
    [
        ([dbn_quote()], {"schema": "trades"}, "its schema is trades, must be one of quotes"),
        ([dbn_quote()], {"schema": "mbp-10"}, "its schema is mbp-10, must be one of quotes"),
        ([dbn_quote()], {"names": ()}, "give that of instrument 5 with --symbol"),
        ([dbn_quote(instrument=7)], {}, "instrument 7 has no symbol on 2024-01-02"),
        ([dbn_quote()], {"day": date(2024, 1, 3)}, "instrument 5 has no symbol on 2024-01-02"),
        ([dbn_quote()], {"names": (("ESH4", "x"),)}, "its mappings have 'x', must be the number of an instrument"),
        ([dbn_quote(), dbn_quote(publisher=2)], {}, "record 2: it is a quote of ESH4 by venue 2"),
        ([dbn_quote()[:50]], {}, "it ends within a record: it is cut"),
        ([dbn_quote(2, 1)] * 10, {}, "the sides are swapped"),
    ],
    ids=range(9),
)
def test_a_file_of_databento_that_is_not_understood_is_refused(tmp_path, records, metadata, text):
    with pytest.raises(FeedError, match=f"tick file x.dbn is refused: .*{text}"):
        list(open_ticks(dbn_file(tmp_path, *records, **metadata)).ticks())


def test_a_file_of_databento_without_mappings_has_the_one_instrument_that_is_given(tmp_path):
    path = dbn_file(tmp_path, dbn_quote(), dbn_quote(), names=())
    assert read(path, symbol="ES.FUT")[0] == [("ES.FUT", 4700.25, 4700.5, T_MS)] * 2
    with pytest.raises(FeedError, match="ticks of the instruments 5 and 6"):
        open_ticks(dbn_file(tmp_path, dbn_quote(), dbn_quote(instrument=6), names=()), FileOptions("ES"))


def test_a_file_of_databento_may_be_compressed(tmp_path):
    plain = dbn_file(tmp_path, dbn_quote())
    (tmp_path / "x.dbn.gz").write_bytes(gzip.compress(plain.read_bytes()))
    with pa.output_stream(tmp_path / "x.dbn.zst", compression="zstd") as packed:
        packed.write(plain.read_bytes())
    assert read(tmp_path / "x.dbn.gz") == read(tmp_path / "x.dbn.zst") == read(plain)


def test_quotes_of_nautilus_are_exact_in_both_widths(tmp_path):
    rows = [(110428, 110432, T_NS), (-5, 110433, T_NS + 10**6)]
    for width in (16, 8):
        nautilus(tmp_path / "x.parquet", rows, width=width)
        assert read(tmp_path / "x.parquet") == (
            [("EURUSD", 1.10428, 1.10432, T_MS), ("EURUSD", -0.00005, 1.10433, T_MS + 1)],
            [],
        )
        reader = open_ticks(tmp_path / "x.parquet")
        assert (reader.form, reader.origin) == ("Nautilus quotes of EUR/USD.SIM", "SIM")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"unit": 10**4}, "the unit is another one"),
        ({"precision": ""}, "price_precision is b'', must be 0 to 16"),
        ({"precision": "17"}, "must be 0 to 16: the unit of its prices is unknown"),
        ({"width": 8, "precision": "10"}, "must be 0 to 9"),
    ],
)
def test_prices_of_nautilus_in_an_unknown_unit_are_refused(tmp_path, options, text):
    nautilus(tmp_path / "x.parquet", [(110428, 110432, T_NS)], **options)
    with pytest.raises(FeedError, match=f"x.parquet is refused: .*{text}"):
        open_ticks(tmp_path / "x.parquet")


def test_other_files_of_nautilus_are_refused_with_their_kind(tmp_path):
    schema = pa.schema([("open", pa.int64()), ("close", pa.int64())], metadata={"instrument_id": "EUR/USD.SIM"})
    pq.write_table(pa.Table.from_pylist([{"open": 1, "close": 2}], schema=schema), tmp_path / "x.parquet")
    with pytest.raises(FeedError, match="a Nautilus file of bars, must be one of quotes"):
        open_ticks(tmp_path / "x.parquet")


def test_a_table_in_parquet_is_read_by_the_names_of_its_columns(tmp_path):
    path = tmp_path / "x.parquet"
    row = {"symbol": "EUR/USD", "time": T_NS, "ask": 1.10432, "bid": 1.10428}
    expected = [("EURUSD", 1.10428, 1.10432, T_MS)]
    for kind in (pa.int64(), pa.timestamp("ns", "Asia/Tokyo"), pa.timestamp("ns")):
        schema = pa.schema([("symbol", pa.string()), ("time", kind), ("ask", pa.float64()), ("bid", pa.float64())])
        pq.write_table(pa.table({name: pa.array([row[name]], schema.field(name).type) for name in row}), path)
        if kind == pa.timestamp("ns"):
            with pytest.raises(FeedError, match="does not say its clock: give it, as --zone UTC"):
                open_ticks(path)
            assert read(path, zone=UTC)[0] == expected
        else:
            assert read(path)[0] == expected


def test_a_source_is_that_of_every_tick(tmp_path):
    assert next(open_ticks(hour(tmp_path), FileOptions(source="mine")).ticks()) == Tick(
        "EURUSD", 1.10428, 1.10432, HOUR_MS + 123, "mine"
    )
