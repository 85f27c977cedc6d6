"""Tick files of every form, a few lines each; and whole days."""

from datetime import date
from decimal import Decimal

import pytest
import tick_days
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.file_times import day_in
from hulak.clients.feeds.files.reader import CHECKED, symbol_in
from hulak.clients.feeds.files.registry import read_ticks
from hulak.clients.feeds.files.zones import UTC, zone_of
from hulak.clients.feeds.tick_files import parse_lines

MAY_8_MS = 1_399_507_200_000  # 2014-05-08 00:00 UTC
OANDA = tick_days.OANDA.name


def ticks(text, name=OANDA, **options):
    return list(parse_lines(text.splitlines(keepends=True), name, **options))


def test_ms_since_midnight_count_from_the_day_in_the_file_name():
    assert ticks("8715,1.39101,1.39114\n15681,1.39102,1.39116") == [
        Tick("EURUSD", 1.39101, 1.39114, MAY_8_MS + 8715, "file"),
        Tick("EURUSD", 1.39102, 1.39116, MAY_8_MS + 15681, "file"),
    ]


def test_fractions_of_a_millisecond_are_cut_off():
    lines = "42.4312,1290.33,1290.66\n43,1290.31,1290.66\n44.999,1290.3,1290.7"
    assert [tick.timestamp - MAY_8_MS for tick in ticks(lines)] == [42, 43, 44]


def test_a_day_is_given_where_the_name_has_none_and_without_any_the_file_is_refused():
    assert ticks("5,1,2", "oanda_eurusd.csv", day=date(2014, 5, 9))[0].timestamp == MAY_8_MS + 86_400_000 + 5
    with pytest.raises(FeedError, match="--date is 2014-05-09, and its name holds another date, 2014-05-08"):
        ticks("5,1,2", day=date(2014, 5, 9))
    with pytest.raises(FeedError, match="its times are ms of a day, and its name holds no date"):
        ticks("5,1,2", "eurusd.csv")


def test_fxcm_days_run_on_utc_minus_five_unless_set_otherwise():
    name = "lean_fxcm_eurusd_20140508_ticks.csv"
    assert ticks("17007,1,2", name)[0].timestamp == MAY_8_MS + 5 * 3_600_000 + 17007
    assert ticks("17007,1,2", name, zone=zone_of("UTC"))[0].timestamp == MAY_8_MS + 17007
    assert ticks("17007,1,2", zone=zone_of("UTC+5:45"))[0].timestamp == MAY_8_MS - 20_700_000 + 17007


def test_iso_times_come_with_a_header_and_an_offset():
    text = "timestamp,bid,ask\n2013-01-01 22:00:00.295000+00:00,86.655,86.728\n2013-01-01T22:00:01Z,86.6,86.7\n"
    assert ticks(text, "nautilus_truefx_usdjpy_ticks.csv") == [
        Tick("USDJPY", 86.655, 86.728, 1_357_077_600_295, "file"),
        Tick("USDJPY", 86.6, 86.7, 1_357_077_601_000, "file"),
    ]
    mixed = ticks("2013-01-01 17:00:00,1,2\n2013-01-02 03:45:00+05:45,1,2", zone=zone_of("America/New_York"))
    assert [tick.timestamp for tick in mixed] == [1_357_077_600_000] * 2


def test_histdata_times_are_eastern_standard_time_the_whole_year():
    text = "20200101 170000123,1.12120,1.12165,0\n20200701 235959999,1.1,1.2,0\n"
    assert ticks(text, "nautilus_histdata_eurusd_20200101_ticks.csv") == [
        Tick("EURUSD", 1.1212, 1.12165, 1_577_916_000_123, "file"),
        Tick("EURUSD", 1.1, 1.2, 1_593_665_999_999, "file"),
    ]


def test_nanoseconds_and_further_columns_of_a_nautilus_export():
    text = "ts_event_ns,bid,ask,bid_size,ask_size\n1701388800123456789,37715.5,37715.6,11.1,0.5\n"
    assert ticks(text, "nautilus_binance_btcusdt_perp_20231201_quotes.csv") == [
        Tick("BTCUSDT", 37715.5, 37715.6, 1_701_388_800_123, "file")
    ]


def test_milliseconds_since_1970_are_known_by_their_length():
    assert ticks("1701234567890,1,2")[0].timestamp == 1_701_234_567_890


def test_symbol_and_source_can_be_given():
    given = {"symbol": "xau/usd", "source": "oanda", "zone": UTC}
    assert ticks("5,1,2", "20140508.csv", **given) == [Tick("XAUUSD", 1.0, 2.0, MAY_8_MS + 5, "oanda")]


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        (OANDA, "EURUSD"),
        ("nautilus_truefx_usdjpy_ticks.csv", "USDJPY"),
        ("lean_oanda_xauusd_20140508_ticks.csv", "XAUUSD"),
        ("BTCUSDT-bookTicker-2023-12-01.csv", "BTCUSDT"),
        ("eurusd.csv", "EURUSD"),
    ],
)
def test_the_pair_in_a_file_name_is_the_symbol(name, symbol):
    assert symbol_in(name) == symbol


@pytest.mark.parametrize(("name", "seen"), [("ticks_20140508.csv", "no pair"), ("eurusd_usdjpy.csv", "EURUSD, USDJPY")])
def test_a_name_without_exactly_one_pair_needs_the_symbol(name, seen):
    with pytest.raises(FeedError, match=f"{seen}: give the symbol with --symbol"):
        ticks("5,1,2", name)


def test_eight_digits_that_are_not_a_date_are_ignored():
    assert day_in("run_99999999_20140508.csv") == date(2014, 5, 8)
    assert day_in("run_123456789.csv") is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("9,1.1", "2 columns in '9,1.1'"),
        ("9,1.1,", "ask is ''"),
        ("9,nan,1.2", "bid is 'nan'"),
        ("9,--1.1,1.2", "bid is '--1.1'"),
        ("9,0,0", "bid is '0' and ask '0', one of them must be a price"),
        ("-9,1.1,1.2", "time is '-9', not of the form"),
        ("86400000,1.1,1.2", "time is '86400000'"),
        ("9.x,1.1,1.2", r"time is '9\.x'"),
        ("\ufffd\ufffd", "columns"),
        ("when,bid,ask", "time is 'when'"),
    ],
)
def test_a_bad_lines_error_has_file_number_and_content(line, expected):
    text = f"5,1,2\n\n{line}\n6,3,4\n"
    with pytest.raises(FeedError, match=f"{OANDA} line 3: .*({expected})"):
        ticks(text)


def test_a_caller_may_count_bad_lines_and_go_on():
    errors = []
    assert [tick.bid for tick in ticks("5,1,2\n?\n6,x,2\n7,3,4", on_error=errors.append)] == [1.0, 3.0]
    assert [str(error).split(": ")[0] for error in errors] == [f"{OANDA} line 2", f"{OANDA} line 3"]


def test_a_side_of_0_is_empty_and_negative_prices_are_prices():
    assert [(tick.bid, tick.ask) for tick in ticks("5,0,2\n6,12.5,0.000\n7,-37.63,-37.5")] == [
        *((None, 2.0), (12.5, None), (-37.63, -37.5))
    ]


def test_the_format_is_found_behind_a_limited_number_of_bad_lines():
    errors = []
    assert len(ticks("junk,1,2\n" * 5 + "5,1,2", on_error=errors.append)) == 1
    assert len(errors) == 5
    with pytest.raises(
        FeedError, match=f"none of its first {CHECKED} lines is a quote; .* line 1: time is 'junk', of an unknown form"
    ):
        ticks("junk,1,2\n" * CHECKED + "5,1,2", on_error=errors.append)
    assert len(errors) == 5


def test_a_file_has_one_time_format():
    with pytest.raises(FeedError, match="line 2: time is '20140508 000000001', not of the form of the lines before"):
        ticks("5,1,2\n20140508 000000001,1,2")


@pytest.mark.parametrize("line", ["20140532 000000001,1,2", "20140508 240000000,1,2", "20140508 000060000,1,2"])
def test_histdata_times_must_be_valid(line):
    with pytest.raises(FeedError, match="line 2: time is"):
        ticks(f"20140508 000000001,1,2\n{line}")


def test_a_file_is_read_lazily_and_closed(tmp_path):
    path = tmp_path / "eurusd_20140508.csv"
    path.write_bytes(b"\xef\xbb\xbf5,1,2\r\n6,3,4\r\n\xff\xfe,1,2\r\n")
    lazily = read_ticks(path, source="test", zone=UTC)
    assert next(lazily) == Tick("EURUSD", 1.0, 2.0, MAY_8_MS + 5, "test")
    assert next(lazily).bid == 3.0
    with pytest.raises(FeedError, match=r"eurusd_20140508\.csv line 3"):
        next(lazily)


def test_the_error_of_a_missing_file_names_it(tmp_path):
    with pytest.raises(FeedError, match=r"eurusd\.csv cannot be opened: No such file"):
        next(read_ticks(tmp_path / "eurusd.csv"))


@given(st.text())
def test_any_text_gives_ticks_or_feed_errors(text):
    errors = []
    try:
        ticks(text, on_error=errors.append)
    except FeedError as error:
        errors.append(error)
    assert all(isinstance(error, FeedError) for error in errors)


def test_a_whole_day_is_parsed_exactly(tmp_path):
    path = tick_days.write_day(tmp_path, tick_days.OANDA)
    parsed, texts = list(read_ticks(path)), columns(path)
    assert (len(parsed), parsed[0]) == (87_833, Tick("EURUSD", 1.39101, float(texts[0][2]), MAY_8_MS + 8_715, "file"))
    assert [(tick.timestamp - MAY_8_MS, tick.bid, tick.ask) for tick in parsed] == [
        (int(time), float(bid), float(ask)) for time, bid, ask in texts
    ]


def test_a_whole_day_of_gold_is_parsed_exactly_though_its_prices_have_fewer_digits_and_its_times_fractions(tmp_path):
    path = tick_days.write_day(tmp_path, tick_days.GOLD)
    texts = columns(path)
    assert {len(bid.partition(".")[2]) for _, bid, _ in texts} == {0, 1, 2, 3}
    assert [(tick.timestamp - MAY_8_MS, tick.bid, tick.ask) for tick in read_ticks(path)] == [
        (int(float(time)), float(bid), float(ask)) for time, bid, ask in texts
    ]


def test_a_thousand_real_ticks_are_parsed_exactly(tmp_path):
    path = tick_days.write_true_fx(tmp_path)
    parsed = list(read_ticks(path))
    assert (len(parsed), parsed[0], parsed[-1]) == (
        1_000,
        Tick("USDJPY", 86.655, 86.728, 1_357_077_600_295, "file"),
        Tick("USDJPY", 86.836, 86.854, 1_357_079_713_494, "file"),
    )
    assert [(tick.bid, tick.ask) for tick in parsed] == [(float(bid), float(ask)) for _, bid, ask in columns(path)]


def test_prices_of_a_whole_day_add_up_as_decimals(tmp_path):
    path = tick_days.write_day(tmp_path, tick_days.OANDA)
    total = sum((Decimal(str(tick.ask)) - Decimal(str(tick.bid)) for tick in read_ticks(path)), Decimal(0))
    assert total == sum((Decimal(ask) - Decimal(bid) for _, bid, ask in columns(path)), Decimal(0))


def columns(path):
    """Take a file's lines apart by other means than the code under test: time, bid, ask as texts."""
    return [line.split(",") for line in path.read_text().splitlines() if line[0].isdigit()]
