"""The live view: a `Snapshot` in, one line or one screen out. Pure.

A screen has, from the top: headline, numbers, newest prices under the page's address, processes. It fits 80 columns and 24 lines;
wider terminals show more of each symbol.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hulak.clients.cli.live_model import Price, Process, Snapshot
from hulak.clients.cli.scroll import Scroll, cut
from hulak.clients.cli.stats_tables import symbols
from hulak.clients.cli.status import mb, short
from hulak.clients.judge.situations import Level
from hulak.clients.printable import printable

NARROW_CELL, WIDE_CELL = 25, 34  # columns of one symbol: with bid and ask; also with its ticks
WIDE = 120  # least columns of a terminal with wide cells
FIXED_LINES = 7  # headline, three of numbers, two of the prices' border, heading of the processes
GAP = 1  # least columns between two symbols
BESIDE = 24  # columns beside the headline: the title, the time and the hint at the keys
HEAD = f"{'symbol':<8} {'bid':>7} {'ask':>7} {'ticks':>8}"  # of a wide cell
LEAST_SYMBOL = 4  # columns of a symbol beside very long prices
MOVES = {-1: "red", 0: "white", 1: "green"}
SLOT = re.compile(r"_\d+$")  # end of the name of a slot of supervisord, which is started and stopped as needed
SPARKS = "▁▂▃▄▅▆▇█"
LEVELS = {Level.OK: "green", Level.WARNING: "yellow", Level.CRITICAL: "bold red", Level.UNKNOWN: "bold red"}
MAJORS = ("EURUSD", "USDJPY", "GBPUSD", "USDCHF", "AUDUSD", "USDCAD", "NZDUSD")  # listed first
PROBLEMS = 3  # most lines of problems
LEAST_PRICES = 2  # least lines of prices, also on a small terminal
KEYS = "q or Ctrl-C stops everything; ? shows the keys or the prices; arrows, PageUp, PageDown, Home and End scroll the prices"
Cells = tuple[str, str, str, str, str]  # of a process: name, state, pid, memory, work
GOOD = {"running", "starting", "ready", "busy", "idle"}


def duration(quantiles: Mapping[str, float] | None) -> str:
    """Format p50 and p99, given in microseconds: "p50 120 µs p99 2.1 ms"."""
    if not quantiles:
        return "-"
    return f"p50 {short(quantiles['p50'])} p99 {short(quantiles['p99'])}"


def price(value: float | None, digits: int) -> str:
    """Format a price with its symbol's number of decimals; "-" for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def sparkline(values: Sequence[float]) -> str:
    """Return values as blocks of eight heights, scaled to the largest value."""
    top = max(values, default=0.0)
    return "".join(SPARKS[min(7, int(value / top * 7.99))] if top > 0 else SPARKS[0] for value in values)


def memory(snapshot: Snapshot) -> int:
    """Return the total memory of all processes, in bytes."""
    return sum(process.rss_bytes or 0 for process in snapshot.processes)


def line(snapshot: Snapshot) -> str:
    """Format the data as one plain line."""
    if snapshot.stats is None:
        return f"{snapshot.up_s:.0f} s: waiting for the broker ..."
    ticks, tasks = snapshot.stats["ticks"], snapshot.stats["tasks"]
    workers = ", ".join(f"{slot(worker)} {worker['state']}" for worker in snapshot.workers) or "none"
    parts = [
        f"ticks {ticks['per_s']:,.0f}/s of {symbols(snapshot.stats)}, {ticks['taken']:,} taken",
        f"tasks {tasks['done']:,} done {tasks['failed']:,} failed",
        f"workers {workers}",
        f"feed to broker {duration(ticks['feed_to_broker_us'])}",
        *([f"broker to view {duration(snapshot.view_us)}"] if snapshot.view_us else []),
        f"memory {mb(memory(snapshot))}",
    ]
    return f"{snapshot.up_s:.0f} s: " + " | ".join(parts + ([snapshot.trouble] if snapshot.trouble else []))


def facts(snapshot: Snapshot) -> dict[str, Any]:
    """Return the data as one map, for --json."""
    return {
        "up_s": round(snapshot.up_s, 3),
        "waits_for": snapshot.waits_for(),
        "standing": snapshot.standing(),
        "trouble": snapshot.trouble,
        "health": snapshot.verdict.as_dict(),
        "broker_to_view_us": dict(snapshot.view_us) if snapshot.view_us else None,
        "processes": [
            {"name": row.name, "state": row.state, "pid": row.pid, "rss_bytes": row.rss_bytes} for row in snapshot.processes
        ],
        "stats": snapshot.stats,
    }


def slot(worker: Mapping[str, Any]) -> str:
    """Return the slot of a worker under supervisord, or else the worker's name."""
    return printable(str(worker.get("slot") or worker["name"]))


def render(
    snapshot: Snapshot, width: int, height: int, scroll: Scroll | None = None, *, show_keys: bool = False
) -> RenderableType:
    """Draw one screen.

    Args:
        snapshot: data to show.
        width: columns of the terminal.
        height: lines of the terminal.
        scroll: scroll position of the prices.
        show_keys: show the keys instead of the prices.
    """
    rows = _process_rows(snapshot)
    top = _top(snapshot, width)
    room = max(1, height - FIXED_LINES - len(top) + 1)
    shown = _fit(rows, max(1, room - LEAST_PRICES))
    lines = max(1, room - len(shown))
    parts: list[RenderableType] = [*top, *_numbers(snapshot, width)]
    title = Text.assemble(("page ", "dim"), (snapshot.page, "bold")) if snapshot.page else None
    inside = Text(KEYS) if show_keys else _prices(snapshot.prices, width - 4, lines, scroll or Scroll())
    parts.append(Panel(inside, title=title, title_align="left", box=box.ROUNDED, border_style="dim", padding=(0, 1)))
    alive = sum(process.pid > 0 for process in snapshot.processes)
    parts.append(_processes(shown, f"{mb(memory(snapshot))} in {alive} processes"))
    return Group(*parts)


def _fit(rows: Sequence[Cells], room: int) -> list[Cells]:
    """Return the processes that fit, bad ones first, and a row that counts the others."""
    if len(rows) <= room:
        return list(rows)
    by_need = sorted(rows, key=lambda row: row[1] in GOOD or row[1] == "spare")[: max(0, room - 1)]
    return [*by_need, (f"and {len(rows) - len(by_need)} more", "", "", "", "hulak top lists all")]


def _top(snapshot: Snapshot, width: int) -> list[Text]:
    """Return the headline, and a line for each problem if they do not fit into it."""
    missing, verdict = snapshot.waits_for(), snapshot.verdict
    room, problems = width - BESIDE, []
    if verdict.level is Level.CRITICAL or (verdict.findings and not missing):
        text, style = verdict.headline(), LEVELS[verdict.level]
        if len(verdict.findings) > 1 or cell_len(text) > room:
            text = verdict.count()
            problems = [
                Text(f" {line}", LEVELS[level], no_wrap=True, overflow="ellipsis") for level, line in verdict.lines(PROBLEMS)
            ]
    elif missing:
        text, style = f"waiting for {missing} ...", "yellow"
    else:
        text, style = snapshot.standing(), "green"
        if len(text) > room:  # the line of the ticks has the number of symbols too
            text = snapshot.standing(with_symbols=False)
    return [_headline(Text(text, style), snapshot.up_s, width), *problems]


def _headline(middle: Text, up_s: float, width: int) -> Text:
    minutes, seconds = divmod(int(up_s), 60)
    text = Text.assemble((" Hulak ", "bold reverse"), " ", middle, overflow="ellipsis", no_wrap=True)
    right = f"{minutes}:{seconds:02d}  ? keys"
    text.truncate(max(0, width - len(right) - 1), overflow="ellipsis", pad=True)
    return text.append(" " + right, style="dim")


def _numbers(snapshot: Snapshot, width: int) -> list[Text]:
    if snapshot.stats is None:
        return [Text("") for _ in range(3)]
    ticks, tasks = snapshot.stats["ticks"], snapshot.stats["tasks"]
    waiting = tasks["queued"] + tasks["waiting"]
    rate = f"{ticks['per_s']:,.0f}/s"
    first = _row("ticks", (f"{rate:>9}", "bold cyan"), f"  {ticks['taken']:,} taken, {symbols(snapshot.stats)}  ")
    room = max(0, width - first.cell_len - 1)
    first.append(sparkline(snapshot.history[-room:] if room else ()), style="cyan")
    failed = (f"{tasks['failed']:,} failed", "bold red" if tasks["failed"] else "")
    open_tasks = f"  {tasks['running']:,} running  {waiting:,} waiting  "
    return [
        first,
        _row("tasks", (f"{tasks['done']:>9,}", "bold"), " done  ", failed, open_tasks, (snapshot.last_task, "dim")),
        _row("latency", f"  to broker {duration(ticks['feed_to_broker_us'])}, to view {duration(snapshot.view_us)}"),
    ]


def _row(name: str, *parts: str | tuple[str, str]) -> Text:
    return Text.assemble((f" {name:<8}", "dim"), *parts, no_wrap=True, overflow="ellipsis")


def _prices(prices: Sequence[Price], width: int, lines: int, scroll: Scroll) -> RenderableType:
    if not prices:
        return Text("no tick yet", style="dim")
    rank = {symbol: at for at, symbol in enumerate(MAJORS)}
    ordered = sorted(prices, key=lambda quote: (rank.get(quote.symbol, len(MAJORS)), quote.symbol))
    wide = width >= WIDE - 4
    columns = max(1, width // (WIDE_CELL if wide else NARROW_CELL))
    shown, rest = cut(ordered, max(1, columns * (lines - wide)), scroll)
    cells = [_cell(item, wide) for item in shown] + ([Text(rest, style="dim")] if rest else [])
    rows = -(-len(cells) // columns)
    grid = Table.grid(expand=True)
    for _ in range(columns):
        grid.add_column(no_wrap=True)
    if wide:
        grid.add_row(*(Text(HEAD, style="dim") for _ in range(columns)))
    for at in range(rows):
        grid.add_row(*cells[at::rows])
    return grid


def _cell(quote: Price, wide: bool) -> Text:
    """Return the quote of a symbol; the symbol has what the numbers leave, so that they never touch."""
    prices = f" {price(quote.bid, quote.digits):>7} {price(quote.ask, quote.digits):>7}"
    ticks = f" {quote.ticks:>8,}" if wide else ""
    room = max(LEAST_SYMBOL, (WIDE_CELL if wide else NARROW_CELL) - GAP - len(prices) - len(ticks))
    symbol = Text(quote.symbol, style="bold")
    symbol.truncate(room, overflow="ellipsis", pad=True)
    return Text.assemble(symbol, (prices, MOVES[quote.moved]), (ticks, "dim"))


def _process_rows(snapshot: Snapshot) -> list[Cells]:
    """Return a row per process; unused slots share one row, and so do slots whose worker was retired."""
    workers = {slot(worker): worker for worker in snapshot.workers}
    rows, spare = [], []
    for process in snapshot.processes:
        if process.pid == 0 and (process.state == "stopped" or (process.state == "exited" and SLOT.search(process.name))):
            spare.append(process.name)
            continue
        rows.append(_process_row(process, workers.get(process.name), snapshot.silent.get(process.pid, "")))
    if spare:
        rows.append((f"{len(spare)} stopped", "spare", "", "", " ".join(spare)))
    return rows


def _process_row(process: Process, worker: Mapping[str, Any] | None, silent: str) -> Cells:
    state, does = process.state, ""
    if worker is not None:
        state = str(worker["state"])
        done = f"{worker['done']:,} done, {worker['failed']:,} failed, holds {worker['held']}"
        does = f"{worker['displays']} displays" if "displays" in worker else done
    return process.name, silent or state, str(process.pid or "-"), mb(process.rss_bytes), does


def _cut(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _processes(rows: Sequence[Cells], total: str) -> RenderableType:
    table = Table(box=None, pad_edge=True, header_style="dim", padding=(0, 2, 0, 0))
    for at, (head, justify) in enumerate(
        (("process", "left"), ("state", "left"), ("pid", "right"), ("memory", "right"), (total, "left"))
    ):
        least = 0 if head == total else max([7, *(cell_len(row[at]) for row in rows)])  # only the last column is cut
        table.add_column(_cut(head), justify="right" if justify == "right" else "left", no_wrap=head != total, min_width=least)
    for name, state, pid, rss, does in rows:
        style = "green" if state in GOOD else "dim" if state in ("spare", "unknown", "") else "bold red"
        table.add_row(name, Text(state, style=style), pid, rss, _cut(does, "dim"))
    return table
