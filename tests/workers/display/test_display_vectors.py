"""Recorded states of the original against this implementation, step by step: equal to the bit, except for its faults.

Different on purpose, and only there:
* direction: an unchanged bid is "neutral", where the original said "down" (and "up" before any tick);
* profile: levels on whole pipettes, where the original's floating point was one too low for most 5-digit prices; flat ticks and
  flat bars are neutral volume, not sells; a percentage that comes to no tick at all shows one, not all;
* config: a change moves nothing but the profile; the original ran its volatility filter once more for each. The tests make up
  for these steps by hand, so that what follows can be compared;
* a display without price, open or average range has none, where the original made one up.
"""

import fx_reference as fx
import pytest
from vectors import rows, vectors

from hulak.bus.errors import ConfigError
from hulak.workers.display.quantities.display_config import PERCENTAGE
from hulak.workers.display.quantities.state import DisplayState, Init

NAMES = {1: "up", -1: "down", 0: "neutral"}
DESIGN = ("all_nulls_as_sent_by_display_store", "open_given_price_missing", "string_numbers_rejected")
BLOCKED = "bar_without_timestamp_blocks_every_update"


def valid(step):
    """Yield the messages that can reach a display: ticks are typed on the bus, other messages do not exist there."""
    payload = step.get("payload", {})
    return all(isinstance(payload.get(side), int | float) for side in ("bid", "ask"))


class Run:
    """One display driven through a vector's steps, with all that went in kept for comparison."""

    def __init__(self, steps):
        payload = steps[0]["payload"]
        self.state = fx.started(payload)
        self.values = dict(payload["config"])
        self.theirs = fx.entries_of(payload)
        bars = payload["initialMarketProfile"]
        flat = [bar["close"] == bar["open"] for bar in bars]
        self.ours = [(price, 0 if same else way, volume) for (price, way, volume), same in zip(self.theirs, flat, strict=True)]
        self.last = payload["initialPrice"] if self.state.price is None else self.state.price
        self.way = 0
        self.refused = False  # whether the config now in force there is one that we refuse

    def step(self, step):
        at_ms = step["at_ms"]
        if step["send"] == "updateConfig":
            self.configure(step["payload"], at_ms)
        elif step["send"] == "tick" and valid(step):
            bid = step["payload"]["bid"]
            self.way = fx.directions([bid], self.last)[0]
            self.last = bid
            self.ours.append((bid, self.way, 1))
            self.theirs.append((bid, self.way or -1, 1))
            fx.fold(self.state, at_ms, step["payload"])

    def configure(self, values, at_ms):
        before = self.state.snapshot()
        changed = {**self.values, **values}
        multiplier = changed.get("priceBucketMultiplier", 1)
        if isinstance(multiplier, str) and multiplier[0].isdigit():  # JavaScript coerced texts of numbers
            changed["priceBucketMultiplier"] = multiplier = float(multiplier)
        self.refused = isinstance(multiplier, str) or multiplier <= 0
        if self.refused:
            with pytest.raises(ConfigError):
                fx.config_of(changed)
        else:
            self.values = changed
            self.state.configure(fx.config_of(changed))
        after = self.state.snapshot()
        moved = {"profile", "poc", "value_area"}
        assert {key: value for key, value in before.items() if key not in moved} == {
            key: value for key, value in after.items() if key not in moved
        }
        config = self.state.config
        self.state._volatility.step(at_ms, config.volatility_smoothing, self.state._take)

    def levels(self, entries, index, least):
        config = self.state.config
        share = config.distribution_percentage if config.distribution_depth_mode == PERCENTAGE else None
        if share is not None and not least and not int(len(entries) * share / 100):
            share = None  # the original: none at all is all of them
        cut = fx.newest(entries, share, least)
        return fx.levels(cut, self.state.digits, config.price_bucket_multiplier, index)


def compare(run, expected):
    """Compare a snapshot with the original's."""
    snapshot = run.state.snapshot()
    for name in expected.keys() & set(fx.SAME):
        assert snapshot[name] == expected[name], name
    assert snapshot["direction"] == NAMES[run.way]
    assert [tuple(row) for row in snapshot["profile"]["levels"]] == run.levels(run.ours, fx.exact_index, 1)
    if "levels" in expected and not run.refused:
        bucket = run.state.config.price_bucket_multiplier / 10**run.state.digits
        levels = [(round(price / bucket), *counts) for price, *counts in expected["levels"]]
        assert levels == run.levels(run.theirs, fx.float_index, 0)  # the difference is these two errors and nothing else


RUNS = vectors("display_runs")["runs"]
ODD = vectors("display_runs")["odd"]


@pytest.mark.parametrize("name", list(RUNS))
def test_whole_states_are_the_originals_but_for_its_errors(name):
    steps = RUNS[name]
    run = Run(steps)
    for step in steps:
        run.step(step)
        expected = step["told"]
        if expected["direction"] != NAMES[run.way]:
            assert run.way == 0
        compare(run, expected)


def test_the_volatility_windows_are_the_originals_over_130_ticks():
    recorded = vectors("display_volatility")
    steps = rows(recorded["steps"])
    run = Run(steps)
    ticks = 0
    for step in steps:
        if step["send"] == "tick":
            bid, ask = step["payload"]
            step["payload"] = {"bid": bid, "ask": ask, "timestamp": recorded["base_ms"] + step["at_ms"]}
            ticks += 1
        run.step(step)
        compare(run, step)
        assert run.state.snapshot()["ticks_per_s"] == step["ticks_in_window"] / 10
        assert run.state.snapshot()["profile"]["ticks"] == step["profile_ticks"]
    assert ticks == 130


def test_degenerate_inputs_give_the_originals_states():
    """All but the four below, which had invented values, or blocked permanently."""
    assert {*DESIGN, BLOCKED} < set(ODD)
    compared = 0
    for name, steps in ODD.items():
        if name in {*DESIGN, BLOCKED}:
            continue
        run = Run(steps)
        for step in steps:
            run.step(step)
            if step["told"] is not None:
                compare(run, step["told"])
                compared += 1
    assert compared > 20


@pytest.mark.parametrize("name", DESIGN)
def test_a_display_without_a_price_is_not_ready_and_makes_none_up(name):
    steps = ODD[name]
    payload = steps[0]["payload"]
    state = fx.started({**payload, "digits": 5})
    snapshot = state.snapshot()
    assert not snapshot["ready"]
    assert [snapshot[key] for key in ("price", "bid", "ask", "mid", "spread", "visual_high", "visual_low", "adr_tier")] == [
        None
    ] * 8
    assert snapshot["open"] == (payload["todaysOpen"] if isinstance(payload["todaysOpen"], float) else None)
    assert snapshot["volatility"] is None
    for step in steps[1:]:
        if valid(step):
            fx.fold(state, step["at_ms"], step["payload"])
            first = state.snapshot()
            assert first["ready"]
            assert first["price"] == first["high"] == first["low"] == step["payload"]["bid"]
            assert (first["direction"], first["volatility"]) == ("neutral", 0.45125)  # no move from a made-up price
            assert first["adr_source"] == "day"


def test_a_bar_without_a_time_blocks_nothing():
    steps = ODD[BLOCKED]
    run = Run(steps)
    for step in steps:
        run.step(step)
    snapshot = run.state.snapshot()
    assert (snapshot["price"], snapshot["profile"]["ticks"]) == (1.1001, 2)


def test_a_thousand_real_ticks_give_the_originals_values_at_every_checkpoint():
    recorded = vectors("display_usdjpy")
    ticks, start = recorded["ticks"], recorded["start_ms"]
    state = fx.started(recorded["init"])
    expected = {row["after_ticks"]: row for row in rows(recorded["checkpoints"])}
    assert (len(ticks), len(expected), max(expected)) == (1000, 11, 1000)
    for number in range(len(ticks) + 1):
        if number:
            after_ms, bid, ask = ticks[number - 1]
            state.fold(bid, ask, after_ms, start + after_ms)
        if number in expected:
            snapshot, point = state.snapshot(), expected[number]
            for name in point["told"].keys() & set(fx.SAME):
                assert snapshot[name] == point["told"][name], (number, name)
            assert snapshot["ticks"] == point["ticks"] == snapshot["profile"]["ticks"]
            assert snapshot["ticks_per_s"] == point["ticks_in_window"] / 10
    bids = [bid for _, bid, _ in ticks]
    entries = [(bid, way, 1) for bid, way in zip(bids, fx.directions(bids, 86.655), strict=True)]
    sold = [(price, way or -1, volume) for price, way, volume in entries]
    theirs = [(round(price * 100), *counts) for price, *counts in recorded["levels"]]
    assert theirs == fx.levels(sold, 3, 10, fx.float_index)
    assert state.snapshot()["profile"]["levels"] == fx.levels(entries, 3, 10)


def test_the_feeds_own_package_gives_a_display_its_price():
    """Defects A and B: the price came as `initialPrice`, was dropped, and 1.1000 stood in for it; nulls became 1.1000 too."""
    assert vectors("fx_backend")["worker_manager"] == {"symbol": "USDJPY", "initial_price_sent": 1.1}
    package = {
        "symbol": "USDJPY",
        "digits": 3,
        "todaysOpen": 151.2,
        "initialPrice": 151.1904,
        "todaysHigh": 151.5,
        "todaysLow": 151.1,
    }
    state = DisplayState("USDJPY", Init.from_values("USDJPY", package), fx.config_of({}))
    assert state.snapshot()["price"] == 151.19
    state = DisplayState("USDJPY", Init.from_values("USDJPY", dict.fromkeys(package)), fx.config_of({}))
    assert state.snapshot()["price"] is None
