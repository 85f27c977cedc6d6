"""The profile: from scratch or step by step the same, and bounded however many ticks come and however far the price runs."""

import random
from fractions import Fraction
from sys import getsizeof

import fx_reference as fx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hulak.workers.display.quantities.display_config import PERCENTAGE, DisplayConfig
from hulak.workers.display.quantities.levels import Levels
from hulak.workers.display.quantities.profile import FINEST, GENEROUS, SAVING, Bounds, MarketProfile, Shape
from hulak.workers.display.quantities.state import DisplayState, Init
from hulak.workers.display.quantities.volatility import WINDOW_MS

PERCENT = DisplayConfig(distribution_depth_mode=PERCENTAGE, distribution_percentage=40)


def held(value, seen):
    """Sum the bytes of an object and of all that hangs on it."""
    if id(value) in seen or isinstance(value, type):
        return 0
    seen.add(id(value))
    size = getsizeof(value)
    if isinstance(value, dict):
        return size + sum(held(key, seen) + held(item, seen) for key, item in value.items())
    if isinstance(value, list | tuple | set) or type(value).__name__ == "deque":
        return size + sum(held(item, seen) for item in value)
    names = [*getattr(value, "__dict__", {}), *(name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ()))]
    return size + sum(held(getattr(value, name), seen) for name in names if hasattr(value, name))


def test_memory_is_bounded_however_many_ticks_come_and_however_far_the_price_runs():
    state, rnd = DisplayState("EURUSD", Init("EURUSD"), PERCENT), random.Random(5)
    sizes, pipettes = [], 108_500
    for number in range(200_000):
        pipettes += rnd.randrange(-60, 61)
        state.fold(pipettes / 100_000, pipettes / 100_000, number / 7, number // 7)
        if number % 50_000 == 49_999:
            profile = state._profile
            assert len(profile.shown.rows) <= SAVING.levels
            assert len(profile._base) <= SAVING.base
            assert len(profile._ring) == SAVING.ring
            assert len(state._volatility._times) <= WINDOW_MS + 1
            sizes.append(held(state, set()))
    shown = state.snapshot()
    assert shown["profile"]["trimmed"]
    assert shown["profile"]["ticks"] == SAVING.ring
    assert shown["ticks"] == 200_000
    assert max(sizes) < 2_000_000  # bytes


def test_a_profile_that_is_too_fine_doubles_its_bucket_and_loses_no_volume():
    levels, rnd = Levels(Fraction(3), 50), random.Random(3)
    prices = [rnd.randrange(-5000, 5000) for _ in range(2000)]
    for price in prices:
        levels.add(price, 1, 1, 0)
    width = 3 * 2**levels.doublings
    wanted = {}
    for price in prices:
        wanted[price // width] = wanted.get(price // width, 0) + 1
    assert levels.rows == [(index, count, count, 0) for index, count in sorted(wanted.items())]
    assert len(levels.rows) <= 50 < len({price // (width // 2) for price in prices})
    assert levels.volumes == [row[1] for row in levels.rows]
    assert levels.total == 2000


def test_a_percentage_beyond_the_ring_shows_the_newest_that_fit_and_is_flagged():
    profile = MarketProfile(5, Shape(1.0, 50.0, Bounds(100, 300, 8)))
    for number in range(40):
        profile.fold(number, 1)
        assert profile.snapshot(0.7)["profile"]["ticks"] == min(8, max(1, (number + 1) // 2))
    shown = profile.snapshot(0.7)["profile"]
    assert [row[0] for row in shown["levels"]] == list(range(32, 40))
    assert shown["trimmed"]


ENTRIES = st.lists(st.tuples(st.integers(-40, 40), st.integers(-1, 1), st.integers(0, 3)), max_size=120)


@settings(max_examples=60)
@given(ENTRIES, ENTRIES, st.sampled_from([1.0, 0.5, 2.5, 10.0]), st.sampled_from([None, 1.0, 33.3, 50.0, 100.0]))
def test_any_entries_in_any_shape_give_the_profile_made_from_scratch(before, after, multiplier, percentage):
    first, then = Shape(1.0, 20.0), Shape(multiplier, percentage, GENEROUS)
    profile = MarketProfile(0, first)
    for entry in before:
        profile.fold(*entry)
    profile.configure(then)
    for entry in after:
        profile.fold(*entry)
    rows = fx.levels(fx.newest([*before, *after], percentage), 0, multiplier)
    shown = profile.snapshot(0.7)
    assert shown["profile"]["levels"] == rows
    assert shown["profile"]["ticks"] == sum(row[1] for row in rows)
    assert (shown["poc"] is None) == (not rows)


def test_a_days_bars_and_ticks_make_one_profile():
    bars = [{"open": 1.0, "close": 1.1, "timestamp": 0, "volume": 7}, {"open": 1.1, "close": 1.1, "timestamp": 60_000}]
    state = DisplayState("EURUSD", Init.from_values("EURUSD", {"minute_bars": bars, "price": 1.1}), DisplayConfig())
    state.fold(1.1, 1.2, 120_000, 120_000)
    assert state.snapshot()["profile"]["levels"] == [(110_000, 9, 7, 0)]
    assert (state.snapshot()["ticks"], state.snapshot()["twap"]) == (1, pytest.approx(1.1))


def test_levels_are_never_finer_than_a_message_can_number():
    profile = MarketProfile(5, Shape(1e-12))
    profile.fold(2**52, 1)
    shown = profile.snapshot(0.7)["profile"]
    assert shown["levels"] == [(2**52 / FINEST, 1, 1, 0)]
    assert shown["levels"][0][0] < 2**63
