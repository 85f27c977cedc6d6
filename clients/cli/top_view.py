"""The lines above the tabs of `hulak top`, and its screens without a terminal. Pure.

Colours carry no extra information.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hulak.clients.cli import stats_tables
from hulak.clients.cli.listing import Order, Row, arranged
from hulak.clients.cli.live_view import LEVELS, sparkline
from hulak.clients.cli.status import short
from hulak.clients.cli.top_tabs import WIDE, TopData, process_listing
from hulak.clients.judge.perf import age

HISTORY = 300  # most values of ticks per second, one per second


def head(data: TopData, history: Sequence[float], width: int, *, paused: bool = False, context: str = "") -> list[Text]:
    """Return the lines above the tabs.

    Args:
        data: the newest data.
        history: ticks per second, one value per second.
        width: columns of the terminal.
        paused: there are no updates.
        context: name of the context in use; empty: none.
    """
    stats, title = data.stats, (f" Hulak top {context} ".replace("  ", " "), "bold reverse")
    if stats is None:
        return [_line(title, *_health(data, paused=paused)), _line(("waiting for the broker ... (q quits)", "yellow"))]
    broker, ticks, tasks = stats["broker"], stats["ticks"], stats["tasks"]
    first = _line(title, f" broker {broker['version']} up {age(broker['uptime_s'])}  ", *_health(data, paused=paused))
    rate = _line(
        ("ticks    ", "dim"),
        f"{ticks['per_s']:,.0f}/s, {ticks['taken']:,} taken, {stats_tables.symbols(stats)}, {_latency(ticks)} ",
    )
    room = max(0, width - rate.cell_len - 1)
    rate.append(sparkline(list(history)[-room:] if room else ()), style="cyan")
    _, queued, waiting, running, oldest_s = stats_tables.queues(stats)[0]
    work = f"{tasks['per_s']:,.0f}/s, {tasks['done']:,} done, {tasks['failed']:,} failed"
    work += f", {running:,} running, {queued:,} queued, {waiting:,} waiting"
    work += "" if oldest_s is None else f", oldest {age(oldest_s)}"
    lost = [f"subscriber {name} ({where}) {state}" for name, where, state in stats_tables.slow_subscribers(stats)]
    lost += [f"{name} {count:,}" for name, _, count in stats_tables.losses(stats) if count]
    return [first, rate, _line(("tasks    ", "dim"), work), _line(("faults   ", "dim"), ", ".join(lost) or "none")]


def _latency(ticks: Mapping[str, Any]) -> str:
    quantiles = ticks["feed_to_broker_us"]
    return "no recent tick" if not quantiles else f"feed to broker p99 {short(quantiles['p99'])}"


def _health(data: TopData, *, paused: bool) -> list[tuple[str, str]]:
    parts = [("paused, space continues  ", "yellow")] if paused else []
    if data.verdict is not None:
        parts.append((data.verdict.headline(), LEVELS[data.verdict.level]))
    return parts


def _line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def cell(row: Row, at: int, *, is_text: bool) -> Text:
    """Return a cell of a row with its style and its alignment."""
    justify: Any = "left" if is_text else "right"
    return Text(row.cells[at], style=row.styles.get(at, ""), justify=justify, no_wrap=True, overflow="ellipsis")


def screen(data: TopData, history: Sequence[float], order: Order, now: float, width: int, *, context: str = "") -> Group:
    """Return one screen for an output that is no terminal: the head and a table of all processes.

    Args:
        data, history, width, context: as `head`.
        order: of the processes.
        now: monotonic seconds.
    """
    listing = process_listing(data, now)
    shown = [(at, column) for at, column in enumerate(listing.columns) if width >= column.least]
    table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= WIDE else 1, 0, 0), header_style="bold")
    for _, column in shown:
        justify: Any = "left" if column.is_text else "right"
        table.add_column(f"{column.heading}{order.mark(column.name)}", justify=justify, no_wrap=True, overflow="ellipsis")
    for row in arranged(listing, order):
        table.add_row(*(cell(row, at, is_text=column.is_text) for at, column in shown))
    return Group(*head(data, history, width, context=context), table)
