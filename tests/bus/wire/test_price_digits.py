"""The default number of decimals of prices."""

import pytest

from hulak.bus.wire.price_digits import digits_of, usual_digits


@pytest.mark.parametrize(
    ("symbol", "digits"),
    [
        ("EURUSD", 5),
        ("USDJPY", 3),
        ("XAUUSD", 3),
        ("XAGUSD", 5),
        ("GBPNZD", 5),
        ("BTCUSDT", None),
        ("BTCIDR", None),
        ("NABIL", None),
    ],
)
def test_pairs_of_currencies_and_metals_have_the_usual_decimals(symbol, digits):
    assert usual_digits(symbol) == digits


@pytest.mark.parametrize(
    ("quote", "digits"),
    [
        ((1.234e-5, 1.235e-5), 8),
        ((1.2e-5, 1.3e-5), 8),
        ((1.2e-9, 1.21e-9), 12),
        ((1e-30,), 12),
        ((1.519039e9, 1.5190395e9), 0),
        ((757_000.0, 757_100.0), 0),
        ((757_000.25, 757_100.0), 2),
        ((42_269.8, 42_269.81), 2),
        ((501.0, 502.0), 2),
        ((0.5, 0.51), 4),
        ((1.08541, 1.0855), 5),
        ((0.1 + 0.2,), 4),
        ((-37.63, -37.625), 3),
        ((0.0, float("nan"), float("inf")), 2),
        ((), 2),
    ],
)
def test_a_quote_shows_its_decimals(quote, digits):
    assert digits_of(quote) == digits
