"""Bars, by plain numbers: the ticks of each, when it is final, and late ticks, wrong times."""

import pytest

from hulak.clients.derive.rules.derivation import Derivation, Wanted

T = 1_700_000_040_000  # the beginning of a minute, ms
SECONDS = Wanted(bars=("1s",))


class Market:
    """A derivation, and what it made. Times are in ms from `T`."""

    def __init__(self, wanted=SECONDS, first=1, stamp=0):
        self.derivation = Derivation(wanted, first, (T + stamp) * 1_000_000)
        self.made = []

    def tick(self, at, bid=1.0, ask=2.0, stamp=None, symbol="EURUSD", **body):
        body = {"symbol": symbol, "bid": bid, "ask": ask, "timestamp": None if at is None else T + at, "source": "x", **body}
        self.at(at if stamp is None else stamp, body)

    def at(self, stamp, body=None):
        self.made += self.derivation.take((T + stamp) * 1_000_000, body or {})

    def bars(self, interval="1s", symbol="EURUSD"):
        """Return start, ticks, middle's prices, final and revision of each bar of an interval."""
        bodies = [row.body for row in self.made if row.topic == f"bar.{interval}.{symbol}"]
        return [(row["start"] - T, row["ticks"], row["mid"], row["final"], row["revision"]) for row in bodies]


def test_a_bar_has_the_ticks_from_its_start_to_before_its_end_and_is_final_half_a_second_after_it():
    market = Market()
    for at, bid in ((0, 3.0), (400, 5.0), (700, 1.0), (999, 2.0), (1000, 9.0), (1400, 9.0)):
        market.tick(at, bid, bid + 1)
    assert market.bars() == []
    market.tick(1500, 7.0, 8.0)
    market.tick(1600, 7.0, 8.0)
    assert market.bars() == [(0, 4, [3.5, 5.5, 1.5, 2.5], True, 0)]
    assert market.made[0].body == {
        "symbol": "EURUSD",
        "interval": "1s",
        "start": T,
        "end": T + 1000,
        "bid": [3.0, 5.0, 1.0, 2.0],
        "ask": [4.0, 6.0, 2.0, 3.0],
        "mid": [3.5, 5.5, 1.5, 2.5],
        "ticks": 4,
        "final": True,
        "revision": 0,
    }


def test_another_symbol_of_the_source_ends_the_bar_of_a_symbol_that_is_silent():
    market = Market()
    market.tick(100)
    market.tick(1600, symbol="USDJPY")
    market.tick(1700, symbol="USDJPY")
    assert market.bars() == [(0, 1, [1.5] * 4, True, 0)]


def test_without_any_tick_a_message_of_the_clock_ends_the_bars_of_a_live_source_two_and_a_half_seconds_after_the_end():
    market = Market()
    market.tick(100, stamp=150)
    assert market.derivation.due_ns() == (T + 1000 + 500 + 2000) * 1_000_000
    market.at(3499)
    assert market.bars() == []
    market.at(3500)
    assert market.bars() == [(0, 1, [1.5] * 4, True, 0)]
    assert market.derivation.due_ns() is None


def test_a_recording_has_its_own_clock_which_the_stamps_do_not_move():
    market = Market()
    day = 86_400_000
    market.tick(100, stamp=10 * day)
    market.at(20 * day)
    assert market.bars() == []
    assert market.derivation.due_ns() is None
    market.tick(1500, stamp=20 * day + 1)
    market.at(20 * day + 200)
    assert market.bars() == [(0, 1, [1.5] * 4, True, 0)]


def test_a_late_tick_makes_a_correction_of_all_its_bars_within_a_second():
    market = Market(Wanted(bars=("1s", "1m")))
    market.tick(800, 1.0, 2.0)
    market.tick(60_600, 3.0, 4.0)
    market.tick(60_700, 3.0, 4.0)
    assert market.bars()[-1] == (0, 1, [1.5] * 4, True, 0)
    assert market.bars("1m")[-1] == (0, 1, [1.5] * 4, True, 0)
    market.tick(750, 7.0, 8.0, stamp=60_800)  # before the first tick: it opens the bar
    market.tick(900, 5.0, 6.0, stamp=60_800)  # it closes it
    market.at(62_000)
    assert market.bars()[-1] == (0, 3, [7.5, 7.5, 1.5, 5.5], True, 1)
    assert market.bars("1m")[-1] == (0, 3, [7.5, 7.5, 1.5, 5.5], True, 1)


def test_a_tick_of_an_interval_without_a_bar_that_is_over_makes_its_first_one_and_corrects_the_longer():
    market = Market(Wanted(bars=("1s", "1m")))
    market.tick(100)
    market.tick(61_000)
    market.at(61_200)
    market.tick(30_000, 5.0, 6.0, stamp=61_300)
    market.at(62_100)
    assert (30_000, 1, [5.5] * 4, True, 0) in market.bars()
    assert (0, 2, [1.5, 5.5, 1.5, 5.5], True, 1) in market.bars("1m")


def test_a_tick_more_than_a_minute_late_is_in_no_bar_and_counted():
    market = Market()
    market.tick(100)
    market.tick(60_101)
    market.at(60_300)
    market.tick(100, 9.0, 9.0, stamp=60_400)
    market.at(62_000)
    assert market.bars() == [(0, 1, [1.5] * 4, True, 0)]
    assert market.derivation.counters() == {"late": 1, "wrong_times": 0, "ignored": 0}


@pytest.mark.parametrize("at", [None, "soon", 1.5, True, 100, 1 << 62, -(1 << 62), 3_600_000 + 10_001])
def test_a_tick_without_a_time_or_with_a_wrong_one_is_in_no_bar_and_ends_none(at):
    market = Market()
    market.tick(100)
    timestamp = at if isinstance(at, str | float | bool) or at in (None, 100) else T + at
    market.tick(None, stamp=500, timestamp=timestamp)
    market.at(900)
    assert market.bars() == []
    assert market.derivation.counters()["wrong_times"] == 1


def test_a_tick_a_little_ahead_ends_bars_early_and_nothing_is_lost():
    market = Market()
    market.tick(100)
    market.tick(10_200, stamp=200, symbol="USDJPY")
    market.tick(300)
    assert market.bars() == [(0, 1, [1.5] * 4, True, 0)]
    market.at(1100)
    assert market.bars()[1:] == [(0, 2, [1.5] * 4, True, 1)]


def test_one_sided_ticks_count_for_their_side_and_halted_and_empty_ones_for_none():
    market = Market()
    market.tick(100, 1.0, None, flags=["one-sided"])
    market.tick(200, None, 4.0, flags=["one-sided"])
    market.tick(300, None, None, flags=["empty"])
    market.tick(400, 9.0, 9.0, flags=["halted"])
    market.tick(500, float("nan"), 5)
    market.tick(600, "9", float("inf"))
    market.tick(1700)
    market.at(1800)
    body = market.made[0].body
    assert (body["bid"], body["ask"], body["mid"], body["ticks"]) == ([1.0] * 4, [4.0, 5.0, 4.0, 5.0], None, 3)


def test_an_unfinished_bar_is_published_every_five_seconds_of_the_stamps_if_it_has_changed():
    market = Market(Wanted(bars=("1m",)))
    market.tick(100)
    market.tick(200)
    market.at(4999)
    assert market.bars("1m") == []
    market.at(5000)
    assert market.bars("1m") == [(0, 2, [1.5] * 4, False, 0)]
    market.at(10_000)
    market.tick(12_000)
    assert market.bars("1m")[1:] == []
    assert market.derivation.due_ns() == (T + 15_000) * 1_000_000
    market.at(15_000)
    assert market.bars("1m")[1:] == [(0, 3, [1.5] * 4, False, 0)]


def test_a_bar_that_may_have_begun_before_the_first_tick_is_left_out():
    market = Market(first=7, stamp=500)
    for at in range(600, 14_000, 100):
        market.tick(at)
    assert [bar[0] for bar in market.bars()] == [11_000, 12_000]  # the first tick may be ten seconds behind a lost one


def test_of_a_recording_the_bars_of_the_first_minute_are_left_out_if_its_beginning_may_be_missing():
    market = Market(first=7, stamp=86_400_000)
    for at in range(600, 64_000, 100):
        market.tick(at, stamp=86_500_000 + at)
    assert [bar[0] for bar in market.bars()] == [61_000, 62_000]


def test_a_recording_that_is_played_again_makes_its_bars_again():
    market, again = Market(), 600_000
    for begin in (0, again):
        for at in range(0, 3000, 100):
            market.tick(at, stamp=86_400_000 + begin + at)
    assert [bar[0] for bar in market.bars()] == [0, 1000, 0, 1000]


def test_each_prefix_has_a_separate_clock():
    market = Market()
    market.tick(100, symbol="back.EURUSD")
    market.tick(5000)
    market.at(5100)
    assert market.bars(symbol="back.EURUSD") == [(0, 1, [1.5] * 4, True, 0)]  # the stamps
    market = Market()
    market.tick(100, symbol="back.EURUSD", stamp=86_400_000)
    market.tick(86_400_000)
    market.at(86_410_000)
    assert market.bars(symbol="back.EURUSD") == []


def test_two_sources_of_one_symbol_share_its_bars_and_the_slower_one_corrects_them():
    market = Market()
    market.tick(100, source="fast")
    market.tick(1600, source="fast")
    market.tick(900, 5.0, 6.0, stamp=1700, source="slow")
    market.at(2000)
    assert market.bars() == [(0, 1, [1.5] * 4, True, 0), (0, 2, [1.5, 5.5, 1.5, 5.5], True, 1)]


@pytest.mark.parametrize("body", [None, 7, [], {}, {"symbol": 3}, {"symbol": "X"}, {"market": "x", "state": 7}, {"price": 1}])
def test_other_messages_only_let_the_time_go_on(body):
    market = Market(Wanted(bars=("1s",), every=("100ms",), states=True))
    market.at(100, body)
    market.at(5000)
    assert [row.family for row in market.made if row.family == "bar"] == []
