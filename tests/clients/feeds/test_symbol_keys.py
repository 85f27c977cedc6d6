"""The one key of a symbol: every name that can be written down has one, which names a topic and can be turned back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.errors import FeedError
from hulak.bus.wire.codec import check_topic, tick_topic
from hulak.clients.feeds.symbol_keys import (
    BadSymbol,
    SymbolKeys,
    any_symbol,
    canonical_symbol,
    check_prefix,
    in_capitals,
    name_of,
    typed_topic,
    without_suffix,
)


@pytest.mark.parametrize(
    ("raw", "symbol"),
    [
        ("EURUSD", "EURUSD"),
        ("usdjpy", "USDJPY"),
        ("EUR_USD", "EURUSD"),
        ("XAU/USD", "XAUUSD"),
        ("USD/JPY.P", "USDJPY.P"),
        ("US500.MAY25", "US500.MAY25"),
        ("BTCUSDT.P", "BTCUSDT.P"),
        ("000001.SZ", "000001.SZ"),
        ("BRK.A", "BRK.A"),
        ("BTC-PERP", "BTC-PERP"),
        ("BTCUSD_210625", "BTCUSD210625"),
        ("BTC_DAI", "BTCDAI"),
        ("NIFRAGED85/86", "NIFRAGED8586"),
        ("1INCHUSDT", "1INCHUSDT"),
        ("A" * 64, "A" * 64),
        ("M&M", "M_26_M"),
        ("^GSPC", "_5E_GSPC"),
        ("GC=F", "GC_3D_F"),
        ("EURUSD#", "EURUSD_23_"),
        ("EURUSD+", "EURUSD_2B_"),
        ("#AAPL", "_23_AAPL"),
        ("@107", "_40_107"),
        ("C:EURUSD", "C_3A_EURUSD"),
        ("BTC/USDT:USDT", "BTCUSDT_3A_USDT"),
        ("SP a2507&a2509", "SP_20_A2507_26_A2509"),
        ("币安人生USDT", "_E5B881E5AE89E4BABAE7949F_USDT"),
        ("straße", "STRA_C39F_E"),
        ("\u0131ota", "_C4B1_OTA"),
        (".DJI", "_2E_DJI"),
        ("EURUSD.", "EURUSD_2E_"),
        ("-X", "_2D_X"),
        (".", "_2E_"),
        ("^.^", "_5E_._5E_"),
    ],
)
def test_a_symbol_has_one_key_however_the_venue_writes_it(raw, symbol):
    assert canonical_symbol(raw) == symbol
    assert canonical_symbol(symbol) == symbol


@pytest.mark.parametrize("raw", ["", "/", "_", "A" * 65, "EUR\0USD", "EUR\nUSD", "\ud800", "币" * 30])
def test_a_symbol_that_cannot_be_written_is_refused(raw):
    with pytest.raises(BadSymbol, match="symbol is ") as error:
        canonical_symbol(raw)
    assert error.value.name == raw


@given(st.text(max_size=20))
def test_every_key_names_a_topic_is_its_own_key_and_can_be_reversed(raw):
    try:
        symbol = canonical_symbol(raw)
    except BadSymbol:
        return
    check_topic(tick_topic(symbol))
    assert canonical_symbol(symbol) == symbol
    assert canonical_symbol(name_of(symbol)) == symbol


def test_a_key_is_reversed_to_its_name():
    assert name_of(canonical_symbol("btc/usdt:usdt")) == "BTCUSDT:USDT"
    assert name_of(canonical_symbol("币安人生USDT")) == "币安人生USDT"
    assert name_of("PERP_BEEF_X") == "PERP_BEEF_X", "no characters, so not a name of this library"


@pytest.mark.parametrize(
    ("name", "kept"),
    [("USD/JPY.P", "USDJPY"), ("US500.MAY25", "US500"), ("BTCUSDT.P", "BTCUSDT"), ("BRK.A", "BRK.A"), ("EUR.USD.F", "EUR.USD")],
)
def test_a_suffix_is_dropped_where_the_venue_adds_suffixes(name, kept):
    assert without_suffix(name) == kept
    assert SymbolKeys(decorated=True).of(name) == kept


def test_of_two_names_with_one_key_the_first_keeps_it():
    names = SymbolKeys()
    assert [names.of(name) for name in ("BTC/USDT", "btc/usdt", "ETHUSDT", "BTC/USDT")] == [
        "BTCUSDT",
        "BTCUSDT",
        "ETHUSDT",
        "BTCUSDT",
    ]
    for name in ("BTCUSDT", "BTC_USDT", "BTC_USDT"):
        with pytest.raises(BadSymbol, match=f"symbol '{name}' would have the topic tick.BTCUSDT, which belongs to 'BTC/USDT'"):
            names.of(name)
    assert names.key("BTC_USDT") == "BTCUSDT", "an answer may spell it as it likes"
    with pytest.raises(FeedError, match="symbol is 7, must be text"):
        names.of(7)


def test_the_memory_of_names_is_bounded():
    names = SymbolKeys(limit=3)
    for number in range(9):
        names.of(f"S{number}")
    assert (len(names._keys), len(names._names)) == (3, 3)
    assert names.of("S/0") == "S0", "the first is forgotten"


@pytest.mark.parametrize("prefix", ["kraken", "k-1", "a" * 16, "7"])
def test_a_prefix_stands_before_the_symbol_with_a_dot(prefix):
    assert check_prefix(prefix) == f"{prefix}."
    check_topic(tick_topic(check_prefix(prefix) + "M_26_M"))


@pytest.mark.parametrize("prefix", ["Kraken", "a.b", "-a", "a" * 17, "a b", "a_b", "é"])
def test_a_bad_prefix_is_refused(prefix):
    with pytest.raises(FeedError, match="prefix is "):
        check_prefix(prefix)
    assert check_prefix("") == ""


@pytest.mark.parametrize(
    ("typed", "symbol"),
    [("NICAD85/86", "NICAD85-86"), ("np.NICAD85/86", "np.NICAD85-86"), ("eur/usd", "EURUSD"), ("usd1/usdt", "USD1USDT")],
)
def test_a_typed_slash_is_part_of_a_name_between_digits_only(typed, symbol):
    assert in_capitals(typed) == symbol
    assert typed_topic(f"tick.{typed}").upper() == f"tick.{symbol}".upper()
    assert typed_topic("tick.") == "tick."


def test_users_write_symbols_with_and_without_a_prefix():
    names = ("eurusd", "kraken.BTC/USD", "kraken.M&M", "BRK.A", "brk.a", "000001.SZ", "KRAKEN.BTCUSD")
    assert [any_symbol(name) for name in names] == [
        *("EURUSD", "kraken.BTCUSD", "kraken.M_26_M", "BRK.A", "BRK.A", "000001.SZ", "KRAKEN.BTCUSD")
    ]
    assert [in_capitals(name) for name in ("eurusd", "kraken.BTCUSD", "brk.a", "btc_perp", "7.X", ".")] == [
        *("EURUSD", "kraken.BTCUSD", "BRK.A", "BTC_PERP", "7.X", ".")
    ]
