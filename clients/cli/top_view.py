"""The lines above the tabs of `hulak top`, and its screens without a terminal. Pure.

Colours carry no extra information.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hulak.clients.cli import stats_tables
from hulak.clients.cli.listing import Order, Row, arranged
from hulak.clients.cli.live_view import LEVELS, sparkline
from hulak.clients.cli.status import short
from hulak.clients.cli.top_tabs import WIDE, TopData, process_listing
from hulak.clients.durations import age
from hulak.clients.judge.verdict import Verdict

HISTORY = 300  # most values of ticks per second, one per second
LOW, HIGH = 16, 30  # lines of a terminal: below LOW one line is above the tabs, from HIGH on there are more problems
NARROW = 60  # columns of a terminal below which the first line has the health only
PROBLEMS, MORE_PROBLEMS = 3, 6  # most lines of problems; a tab lists all


def head(
    data: TopData, history: Sequence[float], width: int, *, height: int = HIGH, paused: bool = False, context: str = ""
) -> list[Text]:
    """Return the lines above the tabs.

    Args:
        data: the newest data.
        history: ticks per second, one value per second.
        width: columns of the terminal.
        height: its lines.
        paused: there are no updates.
        context: name of the context in use; empty: none.
    """
    begin = [(f" Hulak top {context} ".replace("  ", " "), "bold reverse")]
    if (stats := data.stats) is not None and width >= NARROW and height >= LOW:
        begin.append((f" broker {stats['broker']['version']} up {age(stats['broker']['uptime_s'])}  ", ""))
    if paused:
        begin.append(("paused, space continues  ", "yellow"))
    first, problems = _health(_line(*begin), data.verdict, width, height)
    if height < LOW:
        return [first]
    if stats is None:
        return [first, *problems, _line(("waiting for the broker ... (q quits)", "yellow"))]
    return [first, *problems, *_figures(stats, history, width)]


def _health(first: Text, verdict: Verdict | None, width: int, height: int) -> tuple[Text, list[Text]]:
    """Return the first line with the health: one problem if it fits, else their number, and a line for each of them."""
    if verdict is None:
        return first, []
    style, headline = LEVELS[verdict.level], verdict.headline()
    if height < LOW or (len(verdict.findings) < 2 and first.cell_len + cell_len(headline) <= width):
        return first.append(headline, style), []
    lines = verdict.lines(PROBLEMS if height < HIGH else MORE_PROBLEMS)
    return first.append(verdict.count(), style), [_line((text, LEVELS[level])) for level, text in lines]


def _figures(stats: Mapping[str, Any], history: Sequence[float], width: int) -> list[Text]:
    ticks, tasks = stats["ticks"], stats["tasks"]
    rate = _line(
        ("ticks    ", "dim"),
        f"{ticks['per_s']:,.0f}/s, {_latency(ticks)}, {stats_tables.symbols(stats)}, {ticks['taken']:,} taken ",
    )
    room = max(0, width - rate.cell_len - 1)
    rate.append(sparkline(list(history)[-room:] if room else ()), style="cyan")
    _, queued, waiting, running, oldest_s = stats_tables.queues(stats)[0]
    work = f"{tasks['per_s']:,.0f}/s, {tasks['done']:,} done, {tasks['failed']:,} failed"
    work += f", {running:,} running, {queued:,} queued, {waiting:,} waiting"
    work += "" if oldest_s is None else f", oldest {age(oldest_s)}"
    lost = [f"subscriber {name} ({where}) {state}" for name, where, state in stats_tables.slow_subscribers(stats)]
    lost += [f"{name} {count:,}" for name, _, count in stats_tables.losses(stats) if count]
    return [rate, _line(("tasks    ", "dim"), work), _line(("faults   ", "dim"), ", ".join(lost) or "none")]


def _latency(ticks: Mapping[str, Any]) -> str:
    quantiles = ticks["feed_to_broker_us"]
    return "no recent tick" if not quantiles else f"feed to broker p99 {short(quantiles['p99'])}"


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
