"""Names of segments, and files with such names that belong to no journal, or to another one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.core.journal.record_format import Snapshot
from hulak.bus.core.journal.segment_names import Candidate, longest_rising, misfits, name_of, numbers_in, own_journal, serial_in

OURS = "a1"


def test_a_name_is_read_as_it_is_made():
    assert name_of(7, 81) == "0000000007-00000000000000000081.hj"
    assert numbers_in(name_of(7, 81)) == (7, 81)
    assert numbers_in(name_of(10**12, 2**62)) == (10**12, 2**62)
    assert serial_in(name_of(7, 81)) == 7


@pytest.mark.parametrize(
    "name",
    [
        "",
        "note",
        "backup.hj",
        "aside",
        name_of(7, 81) + "~",
        name_of(7, 81).replace(".hj", " (copy).hj"),
        name_of(7, 81).replace(".hj", ".sync-conflict-20260101-120000-ABCDEFG.hj"),
        "._" + name_of(7, 81),
        name_of(7, 81).replace(".hj", "-x.hj"),
        name_of(7, 81).replace(".hj", ".HJ"),
        "7-81.hj",
        name_of(0, 81),
        "000000000\u0667-00000000000000000081.hj",  # a digit, but not an ASCII one
        "-0000000007-00000000000000000081.hj",
    ],
)
def test_what_is_named_otherwise_is_no_segment(name):
    assert numbers_in(name) is None


def test_a_serial_is_seen_in_whatever_begins_as_a_segment_does():
    assert serial_in("0000000009-x.hj.tmp") == 9
    assert serial_in("000000009") == serial_in("backup.hj") == serial_in("") == 0


def head(serial, ticks, journal=OURS, time_ns=0, numbered=True):
    return Snapshot(5, "boot", time_ns or serial, ticks, {}, {}, serial if numbered else 0, journal if numbered else "")


def candidate(serial, ticks, first_head=None, size=100, first=0):
    return Candidate(name_of(serial, ticks), serial, ticks, size, first_head, 10 if first_head else 0, first)


def row(*ticks, numbered=True):
    return [candidate(at, count, head(at, count, numbered=numbered)) for at, count in enumerate(ticks, 1)]


def test_a_row_of_segments_fits():
    assert misfits(row(0, 10, 10, 40), OURS) == {}
    assert misfits(row(0, 10, 10, 40, numbered=False), OURS) == {}


@pytest.mark.parametrize("at", [1, 2, 5, 9])
def test_a_copy_under_another_serial_is_detected_by_its_head(at):
    copy = candidate(at, 10, head(3, 10))
    row_of = [other for other in row(0, 5, 10, 40) if other.name != copy.name]
    assert misfits([*row_of, copy], OURS) == {copy.name: "it is a copy of segment 3"}


def test_a_copy_under_other_ticks_is_detected_by_its_head():
    copy = candidate(9, 11, head(9, 10))
    assert list(misfits([*row(0, 5), copy], OURS)) == [copy.name]


def test_of_old_segments_with_one_head_the_longest_counts_and_then_the_first():
    old = row(0, 5, 10, numbered=False)
    copy = candidate(7, 10, old[2].head)
    assert misfits([*old, copy], OURS) == {copy.name: f"it is a copy of {old[2].name}"}
    shorter = candidate(2, 10, old[2].head, size=50)
    assert list(misfits([old[0], shorter, old[2]], OURS)) == [shorter.name]


def test_a_segment_of_another_journal_is_detected():
    foreign = candidate(9, 4000, head(9, 4000, "b2"))
    candidates = [*row(0, 5), foreign]
    assert own_journal(candidates, "") == OURS
    assert own_journal(candidates, "b2") == "b2"
    assert own_journal(row(0, 5, numbered=False), "c3") == "c3"
    assert own_journal(row(0, 5), "c3") == OURS
    assert own_journal([foreign, candidate(1, 0, first=1)], OURS) == OURS, "a segment with a damaged head may be of this journal"
    assert own_journal([foreign, candidate(1, 0, first=1)], "") == "b2"
    assert misfits(candidates, OURS) == {foreign.name: "it is of another journal, b2"}


def test_ticks_that_run_backwards_cost_the_fewest_segments():
    first, two = candidate(3, 9000, head(3, 9000)), candidate(9, 1, head(9, 1))
    others = [candidate(at, 10 * at, head(at, 10 * at)) for at in (1, 2, 4, 5, 6)]
    assert set(misfits([*others, first, two], OURS)) == {first.name, two.name}


def test_a_damaged_head_is_judged_by_the_first_tick():
    assert misfits([*row(0), candidate(2, 10, first=11)], OURS) == {}
    assert list(misfits([*row(0), candidate(2, 10, first=10)], OURS)) == [name_of(2, 10)]


@given(st.lists(st.integers(0, 8), max_size=9))
def test_the_longest_rising_row_is_as_long_as_any(values):
    places = longest_rising(values)
    assert places == sorted(set(places))
    picked = [values[at] for at in places]
    assert picked == sorted(picked)
    best = [1] * len(values)
    for at, value in enumerate(values):
        best[at] = 1 + max((best[before] for before in range(at) if values[before] <= value), default=0)
    assert len(places) == max(best, default=0)
