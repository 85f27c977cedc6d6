"""Bars as a chart of candles, in lines of text. Pure.

A column is a bar, a line has two steps of the price: a block is the way from open to close, a thin line the rest of the range.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

Style = Callable[[str, str], str]  # text and colour -> text

OPEN, HIGH, LOW, CLOSE = range(4)
EMPTY, WICK, BODY = range(3)
SIGNS = {
    (EMPTY, EMPTY): " ",
    (BODY, BODY): "█",
    (BODY, EMPTY): "▀",
    (EMPTY, BODY): "▄",
    (WICK, WICK): "│",
    (WICK, EMPTY): "╵",
    (EMPTY, WICK): "╷",
    (BODY, WICK): "▀",
    (WICK, BODY): "▄",
}
UP, DOWN = "green", "red"
LABEL_LINES = 4  # between two prices at the side
LABEL_COLUMNS = 16  # between two times below
LEAST_LINES, LEAST_COLUMNS = 3, 10
FRAME_LINES = 2  # below the candles


class Candle(NamedTuple):
    """One bar of one side."""

    start: int  # ms since 1970 UTC
    prices: Sequence[float]  # open, high, low, close


def candles_of(bars: Sequence[dict[str, Any]], side: str) -> list[Candle]:
    """Return the candles of bars that have prices of a side."""
    return [Candle(bar["start"], bar[side]) for bar in bars if bar[side] is not None]


def room(width: int, digits: int, highest: float) -> int:
    """Return how many candles fit beside the prices, in a terminal of this width."""
    return max(LEAST_COLUMNS, width - len(f"{highest:.{digits}f}") - 2)


def chart(candles: Sequence[Candle], width: int, height: int, digits: int, style: Style) -> list[str]:
    """Return the lines of a chart.

    Args:
        candles: at least one; the newest that fit are shown.
        width: columns of the terminal.
        height: lines of the chart, its times included.
        digits: decimals of a price.
        style: colours a text.
    """
    shown = candles[-room(width, digits, max(candle.prices[HIGH] for candle in candles)) :]
    lines = max(LEAST_LINES, height - FRAME_LINES)
    low = min(candle.prices[LOW] for candle in shown)
    high = max(candle.prices[HIGH] for candle in shown)
    step = (high - low) / (2 * lines - 1) or 10.0**-digits
    columns = [_column(candle.prices, low, step, lines) for candle in shown]
    colours = [UP if candle.prices[CLOSE] >= candle.prices[OPEN] else DOWN for candle in shown]
    rows = []
    for line in range(lines):
        cells = "".join(
            style(sign, colour) if (sign := column[line]) != " " else sign
            for column, colour in zip(columns, colours, strict=True)
        )
        price = low + (2 * (lines - 1 - line) + 0.5) * step
        label = f"┤{price:.{digits}f}" if line % LABEL_LINES == 0 or line == lines - 1 else "│"
        rows.append(f"{cells}{label}")
    return [*rows, *_times([candle.start for candle in shown])]


def _column(prices: Sequence[float], low: float, step: float, lines: int) -> list[str]:
    """Return the signs of a candle from the top to the bottom."""

    def at(price: float) -> int:
        return min(2 * lines - 1, max(0, round((price - low) / step)))

    bottom, top = sorted((at(prices[OPEN]), at(prices[CLOSE])))
    halves = [
        BODY if bottom <= half <= top else WICK if at(prices[LOW]) <= half <= at(prices[HIGH]) else EMPTY
        for half in range(2 * lines)
    ]
    return [SIGNS[halves[2 * line + 1], halves[2 * line]] for line in reversed(range(lines))]


def _times(starts: Sequence[int]) -> list[str]:
    """Return the axis, and the times below it, in UTC."""
    days = starts[-1] - starts[0] >= 86_400_000 * 2
    form = "%m-%d" if days else "%H:%M:%S" if any(start % 60_000 for start in starts) else "%H:%M"
    axis, text = ["─"] * len(starts), ""
    for at in range(0, len(starts), LABEL_COLUMNS):
        label = datetime.fromtimestamp(starts[at] / 1000, UTC).strftime(form)
        axis[at] = "┴"
        text = f"{text:<{at}}{label}"
    return [f"{''.join(axis)}┘", text]
