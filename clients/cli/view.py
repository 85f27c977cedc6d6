"""The live view: a `Snapshot` in, one line or one screen out. Pure.

One screen holds, from the top: what stands, numbers, newest prices under the page's address, processes; it fits 80 columns and
24 lines, and wider terminals see more of each symbol.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clients.cli.board import Price, Process, Snapshot
from clients.cli.status import mb, short

NARROW_CELL, WIDE_CELL = 25, 34  # columns of one symbol: with bid and ask; with the number of its ticks too
WIDE = 120  # columns of a terminal from which on cells are wide
FIXED_LINES = 7  # headline, three of numbers, two of the prices' frame, the processes' head
MOVES = {-1: "red", 0: "white", 1: "green"}
SLOT = re.compile(r"_\d+$")  # how the name of a supervisor's slot ends, which is started and stopped as needed
SPARKS = "▁▂▃▄▅▆▇█"
GOOD = {"running", "starting", "ready", "busy", "idle"}


def duration(quantiles: Mapping[str, float] | None) -> str:
    """Write p50 and p99, given in microseconds: "p50 120 µs p99 2.1 ms"."""
    if not quantiles:
        return "-"
    return f"p50 {short(quantiles['p50'])} p99 {short(quantiles['p99'])}"


def price(value: float) -> str:
    """Write a price with the digits usual for its size: 1.08501, 150.012, 65123.40."""
    return f"{value:.5f}" if value < 20 else f"{value:.3f}" if value < 2000 else f"{value:.2f}"


def sparkline(values: Sequence[float]) -> str:
    """Draw values as blocks of eight heights, the largest as the highest."""
    top = max(values, default=0.0)
    return "".join(SPARKS[min(7, int(value / top * 7.99))] if top > 0 else SPARKS[0] for value in values)


def memory(snapshot: Snapshot) -> int:
    """Add up the memory of all processes that are known, in bytes."""
    return sum(one.rss_bytes or 0 for one in snapshot.processes)


def trouble(snapshot: Snapshot) -> str:
    """Say what is wrong now: a silent broker, a process that fails; empty if nothing is."""
    said = [f"{one.name} is {one.state}" for one in snapshot.processes if one.state in ("backoff", "fatal")]
    if snapshot.stats is not None and not snapshot.healthy:
        said.insert(0, f"no word from the broker for {snapshot.silent_s:.0f} s")
    return ", ".join(said)


def line(snapshot: Snapshot) -> str:
    """Write everything as one plain line."""
    if snapshot.stats is None:
        return f"{snapshot.up_s:.0f} s: waiting for the broker ..."
    ticks, tasks = snapshot.stats["ticks"], snapshot.stats["tasks"]
    workers = ", ".join(f"{slot(worker)} {worker['state']}" for worker in snapshot.workers) or "none"
    said = [
        f"ticks {ticks['per_s']:,.0f}/s of {ticks['symbols']} symbols, {ticks['taken']:,} taken",
        f"tasks {tasks['done']:,} done {tasks['failed']:,} failed",
        f"workers {workers}",
        f"feed to broker {duration(ticks['feed_to_broker_us'])}",
        f"broker to view {duration(snapshot.view_us)}",
        f"memory {mb(memory(snapshot))}",
    ]
    wrong = trouble(snapshot)
    return f"{snapshot.up_s:.0f} s: " + " | ".join(said + ([wrong] if wrong else []))


def facts(snapshot: Snapshot) -> dict[str, Any]:
    """Give everything as one map for --json."""
    return {
        "up_s": round(snapshot.up_s, 3),
        "waits_for": snapshot.waits_for(),
        "standing": snapshot.standing(),
        "trouble": trouble(snapshot),
        "broker_to_view_us": dict(snapshot.view_us) if snapshot.view_us else None,
        "processes": [
            {"name": one.name, "state": one.state, "pid": one.pid, "rss_bytes": one.rss_bytes} for one in snapshot.processes
        ],
        "stats": snapshot.stats,
    }


def slot(worker: Mapping[str, Any]) -> str:
    """Name a worker by its supervisor's slot, or its own name if it has none."""
    return str(worker.get("slot") or worker["name"])


def render(snapshot: Snapshot, width: int, height: int) -> RenderableType:
    """Draw one screen.

    Args:
        snapshot: what to show.
        width: columns of the terminal.
        height: lines of the terminal.
    """
    shown = _process_rows(snapshot)
    lines = max(1, height - FIXED_LINES - len(shown))
    parts: list[RenderableType] = [_headline(snapshot, width), *_numbers(snapshot, width)]
    title = Text.assemble(("page ", "dim"), (snapshot.page, "bold")) if snapshot.page else None
    prices = _prices(snapshot.prices, width - 4, lines)
    parts.append(Panel(prices, title=title, title_align="left", box=box.ROUNDED, border_style="dim", padding=(0, 1)))
    alive = sum(one.pid > 0 for one in snapshot.processes)
    parts.append(_processes(shown, f"{mb(memory(snapshot))} in {alive} processes"))
    return Group(*parts)


def _headline(snapshot: Snapshot, width: int) -> Text:
    missing, wrong = snapshot.waits_for(), trouble(snapshot)
    minutes, seconds = divmod(int(snapshot.up_s), 60)
    if wrong:
        middle = Text(wrong, style="bold red")
    elif missing:
        middle = Text(f"waiting for {missing} ...", style="yellow")
    else:
        middle = Text(snapshot.standing(), style="green")
    text = Text.assemble((" Hulak ", "bold reverse"), " ", middle, overflow="ellipsis", no_wrap=True)
    right = f"{minutes}:{seconds:02d}  Ctrl-C stops"
    text.truncate(max(0, width - len(right) - 1), overflow="ellipsis", pad=True)
    return text.append(" " + right, style="dim")


def _numbers(snapshot: Snapshot, width: int) -> list[Text]:
    if snapshot.stats is None:
        return [Text("") for _ in range(3)]
    ticks, tasks = snapshot.stats["ticks"], snapshot.stats["tasks"]
    waiting = tasks["queued"] + tasks["waiting"]
    rate = f"{ticks['per_s']:,.0f}/s"
    first = _row("ticks", (f"{rate:>9}", "bold cyan"), f"  {ticks['taken']:,} taken, {ticks['symbols']} symbols  ")
    room = max(0, width - first.cell_len - 1)
    first.append(sparkline(snapshot.history[-room:] if room else ()), style="cyan")
    failed = (f"{tasks['failed']:,} failed", "bold red" if tasks["failed"] else "")
    left = f"  {tasks['running']:,} running  {waiting:,} waiting  "
    return [
        first,
        _row("tasks", (f"{tasks['done']:>9,}", "bold"), " done  ", failed, left, (snapshot.word, "dim")),
        _row("latency", f"  feed to broker {duration(ticks['feed_to_broker_us'])}, to view {duration(snapshot.view_us)}"),
    ]


def _row(name: str, *parts: str | tuple[str, str]) -> Text:
    return Text.assemble((f" {name:<8}", "dim"), *parts, no_wrap=True, overflow="ellipsis")


def _prices(prices: Sequence[Price], width: int, lines: int) -> RenderableType:
    if not prices:
        return Text("no tick yet", style="dim")
    wide = width >= WIDE - 4
    columns = max(1, width // (WIDE_CELL if wide else NARROW_CELL))
    rows = -(-len(prices) // columns)
    if rows > lines:
        prices = prices[: lines * columns]
        rows = lines
    grid = Table.grid(expand=True)
    for _ in range(columns):
        grid.add_column(no_wrap=True)
    for at in range(rows):
        grid.add_row(*(_cell(one, wide) for one in prices[at::rows]))
    return grid


def _cell(one: Price, wide: bool) -> Text:
    style = MOVES[one.moved]
    text = Text.assemble((f"{one.symbol:<7}", "bold"), (f"{price(one.bid):>7} {price(one.ask):>7}", style))
    return text.append(f" {one.ticks:>8,}", style="dim") if wide else text


def _process_rows(snapshot: Snapshot) -> list[tuple[str, str, str, str, str]]:
    """Make a row for each process; slots that are not needed share one, those whose worker was sent away too."""
    workers = {slot(worker): worker for worker in snapshot.workers}
    rows, spare = [], []
    for one in snapshot.processes:
        if one.pid == 0 and (one.state == "stopped" or (one.state == "exited" and SLOT.search(one.name))):
            spare.append(one.name)
            continue
        rows.append(_process_row(one, workers.get(one.name)))
    if spare:
        rows.append((f"{len(spare)} stopped", "spare", "", "", " ".join(spare)))
    return rows


def _process_row(one: Process, worker: Mapping[str, Any] | None) -> tuple[str, str, str, str, str]:
    state, does = one.state, ""
    if worker is not None:
        state = str(worker["state"])
        done = f"{worker['done']:,} done, {worker['failed']:,} failed, holds {worker['held']}"
        does = f"{worker['displays']} displays" if "displays" in worker else done
    return one.name, state, str(one.pid or "-"), mb(one.rss_bytes), does


def _processes(rows: Sequence[tuple[str, str, str, str, str]], total: str) -> RenderableType:
    table = Table(box=None, pad_edge=True, header_style="dim", padding=(0, 2, 0, 0))
    for head, justify in (("process", "left"), ("state", "left"), ("pid", "right"), ("memory", "right"), (total, "left")):
        least = 0 if head == total else 7  # what the first columns hold is kept; the last one is cut
        table.add_column(head, justify="right" if justify == "right" else "left", no_wrap=True, min_width=least)
    for name, state, pid, rss, does in rows:
        style = "green" if state in GOOD else "dim" if state == "spare" else "bold red"
        table.add_row(name, Text(state, style=style), pid, rss, Text(does, style="dim"))
    return table
