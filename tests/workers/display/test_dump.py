"""A state that is written down and taken up again goes on as if nothing had been: bit for bit, hidden values included."""

import random

import pytest

from hulak.bus.wire.codec import pack, unpack
from hulak.workers.display.quantities.display_config import PERCENTAGE, DisplayConfig
from hulak.workers.display.quantities.state import DisplayState, Init

DAY = 86_400_000
INITS = (
    {},
    {"open": 1.081, "high": 1.092, "low": 1.079, "adr_high": 1.1, "adr_low": 1.07, "timestamp": 20_000 * DAY},
    {
        "price": 1.084,
        "adr": 0.008,
        "timestamp": 20_000 * DAY,
        "minute_bars": [
            {"timestamp": 20_000 * DAY + at * 60_000, "open": 1.08, "close": 1.08 + at / 1e5, "volume": at % 3}
            for at in range(200)
        ],
    },
    {"daily_bars": [{"timestamp": (19_990 + at) * DAY, "high": 1.09 + at / 1e4, "low": 1.08} for at in range(12)]},
)


def random_config(draw):
    return DisplayConfig(
        price_bucket_multiplier=draw.choice([1.0, 0.1, 2.5, 20]),
        distribution_depth_mode=draw.choice(["all", PERCENTAGE]),
        distribution_percentage=draw.choice([1, 33.3, 100]),
        volatility_smoothing=draw.choice([0.8, 0.5, 0.123]),
        flash_threshold=draw.choice([0.1, 1.5]),
        show_flash=draw.random() < 0.7,
        max_marker_decay_s=draw.choice([0.5, 10.0]),
        adr_lookback_days=draw.choice([1, 14, 400]),
        memory_optimization=draw.random() < 0.7,
    )


def steps(draw, count):
    """Make what happens to a display: ticks over the ends of days, some odd, and now and then another config."""
    pipettes, at, wide = 108_500, 20_000 * DAY + draw.randrange(DAY), draw.choice([3, 3, 60])
    for _ in range(count):
        pipettes = max(1, pipettes + draw.randrange(-wide, wide + 1))
        at += draw.choice([0, 0, 3, 70, 900, 30_000]) + (DAY // 3 if draw.random() < 0.01 else 0)
        odd = draw.random()
        bid = 0.0 if odd < 0.01 else float("inf") if odd < 0.02 else pipettes / 1e5
        ask = 0.0 if odd > 0.98 else float("nan") if odd > 0.97 else (pipettes + 7) / 1e5
        stamp = at - draw.choice([0, 0, 0, 4_000])
        yield random_config(draw) if draw.random() < 0.01 else (bid, ask, stamp, stamp)


def go_on(state, some):
    for step in some:
        if isinstance(step, DisplayConfig):
            state.configure(step)
        else:
            state.fold(*step)


def everything(state):
    """Return the complete state as bytes: equal bytes are equal bits, NaN included."""
    return pack(state.dump()), pack(state.snapshot())


def taken_up(state, init):
    fresh = DisplayState(state.symbol, init, DisplayConfig())
    fresh.restore(unpack(pack(state.dump())))
    return fresh


@pytest.mark.parametrize("seed", range(60))
def test_a_state_goes_on_from_its_dump_as_if_nothing_had_been(seed):
    draw = random.Random(seed)
    init = Init.from_values("EURUSD", INITS[seed % len(INITS)])
    whole = list(steps(draw, draw.choice([5, 300, 3000])))
    config = random_config(draw)
    undisturbed, moved = (DisplayState("EURUSD", init, config) for _ in range(2))
    at = 0
    while at < len(whole):
        some = whole[at : (at := at + draw.randrange(1, len(whole) + 1))]
        go_on(undisturbed, some)
        go_on(moved, some)
        moved = taken_up(moved, init)
        assert everything(moved) == everything(undisturbed)
    assert moved.day_init == undisturbed.day_init


@pytest.mark.parametrize("mode", ["all", PERCENTAGE])
def test_a_full_ring_and_doubled_levels_go_on_from_a_dump(mode):
    draw = random.Random(7)
    init, config = Init("EURUSD"), DisplayConfig(distribution_depth_mode=mode, distribution_percentage=90)
    state = DisplayState("EURUSD", init, config)
    for at in range(20_000):  # more than the ring keeps, over more levels than are shown and kept exactly
        state.fold((100_000 + draw.randrange(9000)) / 1e5, 1.2, at, at)
    again = taken_up(state, init)
    assert state.snapshot()["profile"]["trimmed"]
    for at in range(20_000, 25_000):
        bid = (100_000 + draw.randrange(9000)) / 1e5
        state.fold(bid, 1.2, at, at)
        again.fold(bid, 1.2, at, at)
    for multiplier in (1.0, 7.0):  # built again from the stored ticks
        state.configure(DisplayConfig(price_bucket_multiplier=multiplier))
        again.configure(DisplayConfig(price_bucket_multiplier=multiplier))
        assert everything(again) == everything(state)


def test_the_dump_is_independent_of_the_state():
    state = DisplayState("EURUSD", Init("EURUSD"), DisplayConfig())
    state.fold(1.1, 1.2, 5, 5)
    stored = state.dump()
    before = pack(stored)
    state.fold(1.2, 1.3, 6, 6)
    assert pack(stored) == before
    assert pack(state.dump()) != before


@pytest.mark.parametrize("break_it", [lambda stored: stored.pop("twap"), lambda stored: stored["profile"].update(ring=b"")])
def test_what_is_no_dump_is_refused(break_it):
    state = DisplayState("EURUSD", Init("EURUSD"), DisplayConfig())
    state.fold(1.1, 1.2, 5, 5)
    stored = state.dump()
    break_it(stored)
    with pytest.raises((KeyError, ValueError)):
        DisplayState("EURUSD", Init("EURUSD"), DisplayConfig()).restore(stored)


def test_a_dump_for_other_digits_is_refused():
    stored = DisplayState("EURUSD", Init("EURUSD", digits=3), DisplayConfig()).dump()
    with pytest.raises(ValueError, match="has 3 digits, must have 5"):
        DisplayState("EURUSD", Init("EURUSD"), DisplayConfig()).restore(stored)
