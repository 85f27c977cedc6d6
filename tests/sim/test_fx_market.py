"""The simulated market: the rules of every quote, bursts and volatility. Simulated seconds only."""

import math
from collections import Counter

import pytest

from hulak.bus.errors import ConfigError
from hulak.sim.fx_market import PAIRS, Market


@pytest.fixture(scope="module")
def quarter_of_an_hour():
    return Market(seed=11).advance(900.0)


def test_it_quotes_the_28_pairs_of_8_majors_in_the_usual_order(quarter_of_an_hour):
    symbols = {pair.symbol for pair in PAIRS}
    assert len(symbols) == 28
    assert {"EURUSD", "GBPUSD", "AUDNZD", "USDJPY", "USDCAD", "EURGBP", "CHFJPY", "CADCHF"} < symbols
    assert {quote.symbol for quote in quarter_of_an_hour} == symbols


def test_the_ask_is_above_the_bid_and_both_are_above_nothing(quarter_of_an_hour):
    assert all(quote.ask > quote.bid > 0 for quote in quarter_of_an_hour)


def test_prices_are_rounded_to_five_digits_or_three_against_the_yen(quarter_of_an_hour):
    assert all(quote.digits == (3 if quote.symbol.endswith("JPY") else 5) for quote in quarter_of_an_hour)
    assert all(float(f"{price:.{quote.digits}f}") == price for quote in quarter_of_an_hour for price in (quote.bid, quote.ask))


def test_quotes_come_in_the_order_of_their_time(quarter_of_an_hour):
    times = [quote.time_s for quote in quarter_of_an_hour]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] <= 900


def test_first_prices_are_plausible_and_agree_across_pairs():
    first = {}
    for quote in Market(seed=5).advance(10.0):
        first.setdefault(quote.symbol, (quote.bid + quote.ask) / 2)
    assert first["EURUSD"] == pytest.approx(1.085, rel=2e-3)
    assert first["USDJPY"] == pytest.approx(150.0, rel=2e-3)
    assert first["EURUSD"] * first["USDJPY"] == pytest.approx(first["EURJPY"], rel=2e-3)
    assert first["GBPUSD"] * first["USDCHF"] == pytest.approx(first["GBPCHF"], rel=2e-3)


def test_the_flow_averages_the_rate_asked_for(quarter_of_an_hour):
    assert len(quarter_of_an_hour) / 900 == pytest.approx(300, rel=0.1)
    assert len(Market(seed=3, rate_per_s=20.0).advance(1800.0)) / 1800 == pytest.approx(20, rel=0.15)


def test_bursts_pass_a_thousand_a_second_while_most_seconds_are_quiet(quarter_of_an_hour):
    seconds = Counter(int(quote.time_s) for quote in quarter_of_an_hour)
    assert max(seconds.values()) > 1_000
    assert sorted(seconds.values())[len(seconds) // 2] < 300


def test_volatility_clusters_and_spreads_widen_with_it(quarter_of_an_hour):
    euro = [quote for quote in quarter_of_an_hour if quote.symbol == "EURUSD"]
    moves = [abs(math.log(after.bid / before.bid)) for before, after in zip(euro[::20], euro[20::20], strict=False)]
    spreads = [sum(quote.ask - quote.bid for quote in euro[at : at + 20]) for at in range(0, len(euro) - 20, 20)]
    assert correlation(moves, moves[1:]) > 0.05
    assert correlation(moves, spreads) > 0.1
    assert max(spreads) > 2 * min(spreads)


def correlation(first, second):
    pairs = list(zip(first, second, strict=False))
    mean_first, mean_second = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    both = sum((x - mean_first) * (y - mean_second) for x, y in pairs)
    alone = math.sqrt(sum((x - mean_first) ** 2 for x, _ in pairs) * sum((y - mean_second) ** 2 for _, y in pairs))
    return both / alone


def test_a_seed_gives_the_same_market_however_the_time_is_cut():
    whole = Market(seed=9).advance(8.0)
    cut = Market(seed=9)
    assert [quote for _ in range(512) for quote in cut.advance(1 / 64)] == whole
    assert cut.now_s == 8.0
    assert Market(seed=10).advance(8.0) != whole


def test_no_time_no_quotes():
    assert Market(seed=1).advance(0.0) == []


def test_a_market_left_alone_for_a_week_stays_near_its_start():
    quotes = Market(seed=2, rate_per_s=0.1).advance(7 * 86_400.0)
    euro = [quote.bid for quote in quotes if quote.symbol == "EURUSD"]
    assert 1.0 < min(euro) < max(euro) < 1.17


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, 100_001.0])
def test_a_rate_that_makes_no_sense_is_refused(rate):
    with pytest.raises(ConfigError, match="rate_per_s is"):
        Market(seed=1, rate_per_s=rate)
