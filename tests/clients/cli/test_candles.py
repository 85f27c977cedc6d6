"""A chart of candles as lines of text, and bars as CSV."""

from hulak.clients.cli.bars import csv_of, digits_for
from hulak.clients.cli.candles import Candle, candles_of, chart
from hulak.clients.derive.journal_bars import BarHistory, newest_of

T = 1_700_000_040_000  # 22:14 UTC


def plain(text, colour):
    del colour
    return text


def bar(start=T, prices=(1.0, 4.0, 1.0, 3.0), **more):
    """Return the body of a bar whose sides have the same prices."""
    sides = {side: list(prices) for side in ("bid", "ask", "mid")}
    return {
        "symbol": "X",
        "interval": "1m",
        "start": start,
        "end": start + 60_000,
        **sides,
        "ticks": 5,
        "final": True,
        "revision": 0,
    } | more


def test_a_candle_is_a_block_from_open_to_close_and_a_line_for_the_rest_of_the_range():
    candles = [
        Candle(T, (2.0, 5.0, 0.0, 3.0)),
        Candle(T + 60_000, (5.0, 5.0, 0.0, 0.0)),
        Candle(T + 120_000, (1.0, 1.0, 1.0, 1.0)),
    ]
    assert chart(candles, 40, 5, 1, plain) == [
        "│█ ┤4.5",
        "██ │",
        "│█▀┤0.5",
        "┴──┘",
        "22:14",
    ]


def test_rising_candles_are_green_and_falling_ones_red():
    lines = chart(
        [Candle(T, (1.0, 2.0, 1.0, 2.0)), Candle(T, (2.0, 2.0, 1.0, 1.0))], 40, 5, 0, lambda text, colour: f"<{colour} {text}>"
    )
    assert lines[0].startswith("<green █><red █>")


def test_a_chart_fits_its_terminal_and_shows_the_newest_bars():
    candles = [Candle(T + at * 60_000, (at, at + 2.0, at - 2.0, at + 1.0)) for at in range(500)]
    lines = chart(candles, 80, 22, 5, plain)
    assert len(lines) == 22
    assert max(map(len, lines)) <= 80
    assert max(map(len, chart(candles[:30], 80, 22, 5, plain))) <= 80
    assert lines[0].endswith("┤500.07692")
    assert [line for line in lines[:-2] if not line.strip("│ ")] == []


def test_bars_of_one_price_and_of_a_tiny_terminal_are_drawn():
    lines = chart([Candle(T, (1.5,) * 4)] * 3, 2, 1, 2, plain)
    assert len(lines) == 5
    assert lines[2] == "▄▄▄┤1.50"


def test_bars_without_prices_of_a_side_are_no_candles():
    assert [candle.start for candle in candles_of([bar(), bar(T + 60_000, mid=None)], "mid")] == [T]


def test_of_each_bar_the_newest_message_counts():
    first, second, corrected = bar(T + 60_000), bar(T), bar(T + 60_000, revision=1)
    assert newest_of([first, second, corrected]) == [second, corrected]


def test_bars_as_csv_have_all_sides_and_exact_prices():
    text = csv_of([bar(prices=(0.1 + 0.2, 1, 1, 1), ask=None, final=False)])
    head, row = text.splitlines()
    assert head.startswith("start,end,mid_open,mid_high,mid_low,mid_close,bid_open,")
    assert row.split(",")[:3] == ["2023-11-14T22:14:00Z", "2023-11-14T22:15:00Z", "0.30000000000000004"]
    assert row.endswith(",,,,,5,false,0")


def test_prices_have_the_decimals_of_their_symbol():
    past = BarHistory([bar(prices=(1.5, 1.5, 1.5, 1.5))], "ticks", "x")
    assert [digits_for(past, symbol) for symbol in ("EURUSD", "back.USDJPY", "BTCUSD")] == [5, 3, 3]
    assert digits_for(past._replace(source="nepse"), "NABIL") == 2
