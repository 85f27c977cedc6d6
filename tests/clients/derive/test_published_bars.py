"""Which bodies of a bar's topic are bars: any feed with the role may post there."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.clients.derive.journal_bars import is_bar, tidy

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


@pytest.mark.parametrize(("bid", "ask", "middle"), [(1.1, 1.10002, 1.10001), (1.1, 1.1000000000000003, 1.1), (99.1, 99.2, 99.15)])
def test_a_middle_has_no_error_of_the_division(bid, ask, middle):
    assert tidy((bid + ask) / 2) == middle


@given(st.integers(1, 10**13), st.integers(0, 10**6), st.integers(0, 8))
def test_a_middle_is_that_of_the_decimal_prices(bid, spread, digits):
    low, high = Decimal(bid).scaleb(-digits), Decimal(bid + spread).scaleb(-digits)
    assert tidy((float(low) + float(high)) / 2) == float((low + high) / 2)
