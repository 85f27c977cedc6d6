"""Results of NEPSE actions for people: order books, graphs, lists, and what an empty answer means."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import zip_longest
from typing import Any

import click

from hulak.clients.cli import table

BOOK = ("orderCount", "quantity", "orderBookOrderPrice")
BOOK_HEADS = ["buy orders", "buy quantity", "buy price", "sell price", "sell quantity", "sell orders"]
GRAPHS = ("index-graph", "index-graph-range")
LIVE = ("live-market", "market-depth", "market-depth-odd-lots")  # empty while the market is closed
TOTALS = ("totalTrades", "totalQty", "totalAmount")
NEPAL = timezone(timedelta(hours=5, minutes=45))
BARS = "▁▂▃▄▅▆▇█"
SPARKS = 60  # characters of a sparkline, at most


def show(action: str, value: Any, *, closed: bool = False) -> None:
    """Print a result.

    Args:
        action: its name.
        value: as the worker returned it; of a list in pages, its rows.
        closed: the market is known to be closed.
    """
    value = unpaged(value)
    if value is None or value in ([], {}):
        click.echo("none: the market is closed" if closed else "none")
    elif action in GRAPHS and (points := graph_points(value)):
        table.show(["time", "value"], points)
        if table.on_terminal():
            click.echo(sparkline([point[1] for point in points]))
    elif isinstance(value, dict) and (book := order_book(value.get("marketDepth"))):
        table.show(["name", "value"], [(name, item) for name, item in value.items() if name != "marketDepth"])
        click.echo()
        table.show(BOOK_HEADS, book)
    else:
        table.show_value(value)


def unpaged(value: Any) -> Any:
    """Return an answer with the rows of each page in it in place of the page.

    Press releases are lists within the list of a page: their rows are returned without the inner lists.
    """
    if not isinstance(value, dict):
        return value
    content = value.get("content")
    if isinstance(content, list) and "pageable" in value:
        return [row for rows in content for row in (rows if isinstance(rows, list) else [rows])]
    return {name: unpaged(item) for name, item in value.items()}


def order_book(depth: Any) -> list[table.Row]:
    """Return rows with buyers and sellers side by side, the best price first; empty if `depth` is not an order book."""
    if not isinstance(depth, dict):
        return []
    sides = [depth.get(name) for name in ("buyMarketDepthList", "sellMarketDepthList")]
    if not all(isinstance(side, list) and all(isinstance(row, dict) for row in side) for side in sides):
        return []
    rows = zip_longest(*sides, fillvalue={})  # type: ignore[arg-type]
    return [[*(buy.get(name) for name in BOOK), *(sell.get(name) for name in reversed(BOOK))] for buy, sell in rows]


def graph_points(value: Any) -> list[tuple[str, float]]:
    """Return rows of time in Nepal and value; empty if `value` is not a list of [seconds, value]."""
    if not isinstance(value, list) or not all(_is_point(point) for point in value):
        return []
    return [(datetime.fromtimestamp(seconds, UTC).astimezone(NEPAL).isoformat(" "), number) for seconds, number in value]


def _is_point(point: Any) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(type(part) in (int, float) for part in point)


def sparkline(values: Sequence[float]) -> str:
    """Draw values as one line of at most `SPARKS` bars; each bar is the last value of its part."""
    parts = min(SPARKS, len(values))
    picked = [values[(number + 1) * len(values) // parts - 1] for number in range(parts)]
    lowest, highest = min(picked), max(picked)
    scale = (len(BARS) - 1) / (highest - lowest) if highest > lowest else 0.0
    return "".join(BARS[round((value - lowest) * scale)] for value in picked)


def summary(answer: Mapping[str, Any]) -> str:
    """Return one line about a list in pages: rows, totals, the pages if they are not all, whether it is complete."""
    rows, total = len(answer["rows"]), answer.get("total")
    parts = [f"{rows:,} rows" if total in (None, rows) else f"{rows:,} of {total:,} rows"]
    totals = ", ".join(f"{name} {table.text(answer[name])}" for name in TOTALS if answer.get(name) is not None)
    if totals:  # of a sheet of one security they are those of all
        parts.append(totals if answer.get("totalTrades") in (None, rows) else f"of the whole market: {totals}")
    if answer.get("page") or answer.get("next") is not None:
        first, last = answer["page"], answer["page"] + answer["pages"] - 1
        parts.append(f"page {first}" if first == last else f"pages {first} to {last}")
    elif answer["complete"]:
        parts.append("complete")
    if not answer["complete"]:
        parts.append("not complete: the market is open, and trades are added")
    return ", ".join(parts)
