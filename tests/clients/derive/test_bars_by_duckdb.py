"""Bars are, bit for bit, those that DuckDB computes from the same ticks; and the same from any checkpoint on."""

import random

import msgspec
import pytest
from derived_ticks import bars_by_duckdb, newest_bars, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from hulak.clients.derive.rules.derivation import Derivation, DerivationState, Wanted
from hulak.clients.derive.rules.intervals import INTERVALS

ALL = Wanted(bars=tuple(INTERVALS), every=("100ms", "1s"), states=True)


def made_of(derivation, rows):
    return [made for time_ns, body in rows for made in derivation.take(time_ns, body)]


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """Return ticks of a day, the derivation that took them, and its messages."""
    rows = list(stream(4_000, steps=(0, 40_000)))
    derivation = Derivation(ALL)
    made = made_of(derivation, rows)
    return [body for _, body in rows], derivation, made + derivation.unfinished(), tmp_path_factory.mktemp("day") / "ticks.csv"


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_bars_of_a_day_are_bit_for_bit_those_of_duckdb(interval, day):
    bodies, derivation, made, path = day
    assert newest_bars(made, interval) == bars_by_duckdb(path, bodies, interval)
    assert derivation.counters() == {"late": 0, "wrong_times": 0, "ignored": 0}
    assert any(row.body["revision"] for row in made if row.topic.startswith("bar.1m."))
    first = [
        row.body for row in made if row.topic.startswith(f"bar.{interval}.") and row.body["final"] and not row.body["revision"]
    ]
    assert len({(row["symbol"], row["start"]) for row in first}) == len(first)


@pytest.mark.parametrize("shortest", [("1m",), ("1s", "1m"), ("1s", "1m", "5m", "1h")])
def test_a_minute_is_the_same_whichever_shorter_intervals_there_are(shortest):
    rows = list(stream(5000, seed=3))
    derivation = Derivation(Wanted(bars=shortest))
    other = Derivation(Wanted(bars=("1m", "1d")))
    assert newest_bars(made_of(derivation, rows) + derivation.unfinished(), "1m") == newest_bars(
        made_of(other, rows) + other.unfinished(), "1m"
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 30), at=st.lists(st.integers(0, 300), min_size=1, max_size=4))
def test_from_any_checkpoint_on_the_same_messages_are_made_in_the_same_order(seed, at):
    rows = list(stream(300, seed, steps=(0, 1500)))
    rows[100:100] = [(rows[99][0] + 1, {"market": "x", "state": "closed", "pause_s": 90.0})]
    rows[160:160] = [(rows[159][0] + 1, {"market": "x", "state": "open"})]
    rows.append((rows[-1][0] + 120_000_000_000, {}))
    whole = made_of(Derivation(ALL), rows)
    derivation, made, before = Derivation(ALL), [], 0
    for cut in [*sorted(at), len(rows)]:
        made += made_of(derivation, rows[before:cut])
        before = max(before, cut)
        packed = msgspec.msgpack.encode(derivation.dump())
        derivation = Derivation.loaded(msgspec.msgpack.decode(packed, type=DerivationState))
    assert made == whole
    assert {row.family for row in whole} == {"bar", "every", "state"}


def shared_symbols(seed, count=400):
    """Yield ticks of three symbols by four sources, each with another delay, and silences that make several bars end at once."""
    chance, at = random.Random(seed), 1_700_000_000_000
    behind = [0, 1_000, 20_000, 59_000]
    for _ in range(count):
        at += chance.choice([0, 5, 50, 300, 1_000, 3_000]) if chance.random() < 0.99 else chance.choice([30_000, 70_000, 200_000])
        source = chance.randrange(4)
        if chance.random() < 0.02:
            behind[source] = chance.choice([0, 1_000, 20_000, 59_000, 3_600_000])
        time_ms = at - behind[source] - chance.choice([0, 0, 1, 900, 30_000, 59_000, 61_000])
        symbol = chance.choice(["x.A", "A", "B"])
        yield at * 1_000_000, {"symbol": symbol, "bid": chance.random(), "source": f"s{source}", "timestamp": time_ms}


@pytest.mark.parametrize("seed", [47, 67])
def test_symbols_of_several_sources_have_the_same_bars_from_any_checkpoint_on(seed):
    rows = list(shared_symbols(seed))
    derivation, made = Derivation(ALL), []
    for at, row in enumerate(rows):
        made += made_of(derivation, [row])
        if at % 40 == 0:
            packed = msgspec.msgpack.encode(derivation.dump())
            derivation = Derivation.loaded(msgspec.msgpack.decode(packed, type=DerivationState))
    assert made == made_of(Derivation(ALL), rows)


def test_a_second_run_over_the_same_ticks_makes_the_same_messages():
    rows = list(stream(3000, seed=5))
    assert made_of(Derivation(ALL), rows) == made_of(Derivation(ALL), rows)
