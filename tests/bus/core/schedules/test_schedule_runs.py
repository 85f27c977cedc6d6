"""Runs that are late, missed, or would overlap: each due time is handled once, by the policy."""

import random
from datetime import UTC

import pytest

from hulak.bus.core.schedules.due_times import DueTimes
from hulak.bus.core.schedules.schedule_runs import ALL, ONCE, SKIP, Decision, RunPolicy, decide

EACH_10 = DueTimes(None, 10, 100, None, UTC)


def decided(now_s, after_s=100, *, is_open=False, most=100, **policy):
    return decide(EACH_10, after_s, now_s, RunPolicy(**policy), is_open=is_open, most=most)


def test_nothing_is_decided_before_a_due_time():
    assert decided(109) == Decision(100)


@pytest.mark.parametrize("missed", [SKIP, ONCE, ALL])
def test_a_due_time_is_one_run_under_each_policy(missed):
    assert decided(110, missed=missed) == Decision(110, (110,))


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        (SKIP, Decision(1000, (1000,), missed=89)),  # the newest one is not later than a minute
        (ONCE, Decision(1000, (1000,), missed=89)),
        (ALL, Decision(110, (110,), waits=True)),  # one after the other
    ],
)
def test_missed_runs_are_handled_by_the_policy(missed, expected):
    assert decided(1005, missed=missed) == expected


def test_skip_leaves_out_a_run_that_is_later_than_a_minute():
    once = DueTimes(None, None, 100, None, UTC)
    rule = RunPolicy(SKIP, late_s=60)
    assert decide(once, 0, 160, rule, is_open=False, most=9) == Decision(100, (100,))
    assert decide(once, 0, 161, rule, is_open=False, most=9) == Decision(100, missed=1)
    assert decide(once, 0, 10**6, RunPolicy(ONCE), is_open=False, most=9) == Decision(100, (100,))


def test_a_run_that_would_overlap_is_skipped_unless_asked():
    assert decided(110, is_open=True) == Decision(110, skipped=1)
    assert decided(135, is_open=True) == Decision(130, missed=2, skipped=1)
    assert decided(110, is_open=True, overlap=True) == Decision(110, (110,))


def test_with_all_a_run_waits_for_the_former_one():
    assert decided(130, missed=ALL, is_open=True) == Decision(100, waits=True)
    assert decided(130, missed=ALL, overlap=True, is_open=True) == Decision(130, (110, 120, 130))


def test_all_has_a_bound_and_keeps_the_newest():
    decision = decided(100 + 10 * 250, missed=ALL, overlap=True)
    assert (len(decision.runs), decision.runs[0], decision.runs[-1], decision.missed) == (100, 1610, 2600, 150)
    waiting = decided(100 + 10 * 250, missed=ALL, is_open=True)
    assert waiting == Decision(1600, missed=150, waits=True)
    far = decided(100 + 10 * 5000 + 3, missed=ALL, overlap=True)
    assert (far.runs, far.after_s) == ((50_100,), 50_100)


def test_runs_beyond_the_room_wait():
    assert decided(150, missed=ALL, overlap=True, most=2) == Decision(120, (110, 120), waits=True)


@pytest.mark.parametrize("missed", [SKIP, ONCE, ALL])
@pytest.mark.parametrize("overlap", [True, False])
def test_each_due_time_is_handled_once_in_any_order_of_delays(missed, overlap):
    """Walk through drawn times; every due time becomes a run, a missed one or a skipped one."""
    draw = random.Random(20261130)
    now, after, runs, left_out, is_open = 100, 100, [], 0, False
    for _ in range(3000):
        now += draw.choice((0, 1, 5, 10, 35, 400))
        decision = decide(EACH_10, after, now, RunPolicy(missed, overlap), is_open=is_open, most=draw.randint(1, 9))
        assert after <= decision.after_s <= now
        runs += decision.runs
        left_out += decision.missed + decision.skipped
        assert not (decision.runs and is_open and not overlap)
        is_open, after = draw.random() < 0.4, decision.after_s
        assert len(runs) + left_out == (after - 100) // 10
    assert runs == sorted(set(runs))
    assert len(runs) > 500
