"""Bars are, bit for bit, those that DuckDB computes from the same ticks; and the same from any checkpoint on."""

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


def test_a_second_run_over_the_same_ticks_makes_the_same_messages():
    rows = list(stream(3000, seed=5))
    assert made_of(Derivation(ALL), rows) == made_of(Derivation(ALL), rows)
