"""Which bodies of a bar's topic are bars: any feed with the role may post there."""

import pytest

from hulak.clients.derive.journal_bars import is_bar

START = 1_700_000_040_000
BAR = {"symbol": "A", "interval": "1m", "start": START, "end": START + 60_000, "bid": None, "ask": [1, 2.0, 0.5, 1.5]}
BAR |= {"mid": None, "ticks": 3, "final": True, "revision": 0}


@pytest.mark.parametrize("change", [{}, {"ask": None}, {"more": 1}])
def test_a_body_with_all_parts_of_a_bar_is_one(change):
    assert is_bar(BAR | change)


@pytest.mark.parametrize(
    "change",
    [
        {"start": "x"},
        {"start": START + 60_000},
        {"start": -5, "end": 0},
        {"start": 1 << 63, "end": (1 << 63) + 1},
        {"mid": 5},
        {"mid": [1.0]},
        {"mid": ["a"] * 4},
        {"mid": [float("nan")] * 4},
        {"ask": [1.0, float("inf"), 1.0, 1.0]},
        {"ticks": None},
        {"final": "x"},
    ],
)
def test_a_body_whose_parts_cannot_be_shown_is_no_bar(change):
    assert not is_bar(BAR | change)


@pytest.mark.parametrize("body", [None, 5, {}, {"symbol": "A"}])
def test_a_body_without_the_parts_of_a_bar_is_none(body):
    assert not is_bar(body)
