"""Which segments go: by bytes as many as it takes, by age one at a time, the newest never."""

from dataclasses import dataclass

from hulak.bus.core.journal.segment_retention import AGED_S, Retention


@dataclass
class Piece:
    stored: int
    age_s: float


def pieces(*begun):
    return [Piece(100, at) for at in begun]


def test_within_the_bounds_nothing_goes():
    assert Retention(400, 60).due(pieces(0, 10, 20), 70, 0) == (0, "")


def test_bytes_beyond_the_bound_go_at_once_but_never_the_newest():
    assert Retention(250, 60).due(pieces(0, 1, 2, 3), 4, 0) == (2, "bytes")
    assert Retention(50, 60).due(pieces(0, 1, 2, 3), 4, 0) == (3, "bytes")
    assert Retention(50, 60).due(pieces(0), 4, 0) == (0, "")
    assert Retention(50, 60).due([], 4, 0) == (0, "")


def test_a_segment_goes_when_its_last_tick_is_too_old_one_at_a_time():
    bounds, row = Retention(10**6, 60), pieces(0, 10, 20, 1000)
    assert bounds.due(row, 70, 5) == (0, "")
    assert bounds.due(row, 70.5, 5) == (1, "age")
    bounds.removed("age", 5)
    assert bounds.due(row[1:], 10**6, 5 + AGED_S - 0.1) == (0, "")
    assert bounds.due(row[1:], 10**6, 5 + AGED_S) == (1, "age")
    assert bounds.due(row[3:], 10**6, 10**6) == (0, ""), "the newest stays, however old"


def test_the_minimum_stays_even_beyond_the_bytes():
    bounds = Retention(100, 1000, min_s=30)
    assert bounds.due(pieces(0, 10, 20, 30, 40), 55, 0) == (2, "bytes"), "the last tick of the third is younger than 30 s"
    assert bounds.due(pieces(0, 10, 20, 30, 40), 39, 0) == (0, "")


def test_some_bytes_can_be_spared_while_segments_cannot_leave():
    bounds = Retention(200, 1000)
    assert bounds.beyond(pieces(0, 1, 2, 3, 4), 5) == 3
    assert bounds.beyond(pieces(0, 1, 2, 3, 4), 5, spare=200) == 1
    assert bounds.beyond(pieces(0, 1, 2, 3, 4), 5, spare=1000) == 0
