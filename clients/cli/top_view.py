"""`hulak top`: what it knows and what its keys do, and one screen of it. Pure.

One screen holds, from the top: the broker, its numbers, what was lost, and a table of all processes, sorted. Nothing is said by
colour alone.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.cli import overview
from clients.cli.overview import Process
from clients.cli.status import PROCESS_HEADS, age, process_cells, short
from clients.cli.view import sparkline

STALE_S = 3.0  # without word from the broker
HISTORY = 300  # seconds
ABOVE, BELOW = 6, 2  # lines beside the table's rows: of the head with the table's own, and of the foot
STYLES = {"ok": "green", "late": "yellow", "hangs": "bold red"}
HELP = "q quit, space stop, sort by: Kind Name Memory Growth Cores Latency Restarts"
SORTS: dict[str, tuple[str, Callable[[Process], Any]]] = {  # key -> name, what is sorted by; numbers the highest first
    "k": ("kind", lambda one: (one.kind != "broker", one.kind, one.name)),
    "n": ("name", lambda one: (one.name, one.kind)),
    "m": ("memory", lambda one: -(one.rss_bytes or 0)),
    "g": ("growth", lambda one: -(one.rss_per_min or 0)),
    "c": ("cores", lambda one: -(one.cores or 0)),
    "l": ("latency", lambda one: -(one.p99_us or 0)),
    "r": ("restarts", lambda one: -one.restarts),
}
WIDE = 105  # columns of a terminal from which on all of the table is shown
HEADS = {  # column of `PROCESS_HEADS` -> head, what it is sorted by, whether narrow terminals have it
    "kind": ("kind", "kind", True),
    "name": ("name", "name", True),
    "pid": ("pid", "", False),
    "state": ("state", "", True),
    "memory": ("memory", "memory", True),
    "per 10 min": ("10 min", "growth", True),
    "cores": ("cores", "cores", True),
    "config": ("conf", "", True),
    "restarts": ("rest", "restarts", True),
    "p50": ("p50", "", False),
    "p99": ("p99", "latency", True),
    "lost": ("lost", "", True),
}
LEFT = ("kind", "name", "state", "lost")
NAMES = {name: key for key, (name, _) in SORTS.items()}


@dataclass
class Top:
    """What is shown; changed by statistics and by keys.

    Args:
        sort: a key of `SORTS`.
    """

    sort: str = "k"
    turned: bool = False  # the other way round
    stopped: bool = False  # what is shown stays as it is
    quits: bool = False
    stats: Mapping[str, Any] | None = None
    heard: float = 0.0  # monotonic seconds
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def take(self, stats: Mapping[str, Any], now: float) -> None:
        """Take what the broker tells of itself."""
        self.heard = now
        if not self.stopped:
            self.stats = stats
            self.history.append(float(stats["ticks"]["per_s"]))

    def press(self, key: str) -> None:
        """Do what a key says; one that says nothing does nothing."""
        if key in ("q", "\x1b", "\x03"):
            self.quits = True
        elif key == " ":
            self.stopped = not self.stopped
        elif (key := key.lower()) in SORTS:
            self.turned = key == self.sort and not self.turned
            self.sort = key

    def processes(self) -> list[Process]:
        """List the processes in the order that is wanted."""
        found = [] if self.stats is None else overview.processes(self.stats)
        return sorted(found, key=SORTS[self.sort][1], reverse=self.turned)


def render(top: Top, now: float, width: int, height: int) -> RenderableType:
    """Draw one screen.

    Args:
        top: what to show.
        now: monotonic seconds.
        width: columns of the terminal.
        height: lines of the terminal.
    """
    if top.stats is None:
        return Text("waiting for the broker ... (q quits)", style="yellow")
    foot = [Text(HELP, style="dim", no_wrap=True, overflow="ellipsis")]
    return Group(*_head(top, top.stats, now, width), _table(top, width, max(1, height - ABOVE - BELOW)), *foot)


def _head(top: Top, stats: Mapping[str, Any], now: float, width: int) -> list[Text]:
    broker, ticks, tasks = stats["broker"], stats["ticks"], stats["tasks"]
    first = _line(
        (" Hulak top ", "bold reverse"),
        f" broker {broker['version']} up {age(broker['uptime_s'])}  ",
        *_standing(top, stats, now),
    )
    rate = _line(
        ("ticks    ", "dim"), f"{ticks['per_s']:,.0f}/s, {ticks['taken']:,} taken, {ticks['symbols']} symbols, {_latency(ticks)} "
    )
    room = max(0, width - rate.cell_len - 1)
    rate.append(sparkline(list(top.history)[-room:] if room else ()), style="cyan")
    _, queued, waiting, running = overview.queues(stats)[0]
    work = f"{tasks['per_s']:,.0f}/s, {tasks['done']:,} done, {tasks['failed']:,} failed"
    work += f", {running:,} running, {queued:,} queued, {waiting:,} waiting"
    lost = [f"{name} {count:,}" for name, _, count in overview.losses(stats) if count]
    return [first, rate, _line(("tasks    ", "dim"), work), _line(("faults   ", "dim"), ", ".join(lost) or "none")]


def _latency(ticks: Mapping[str, Any]) -> str:
    quantiles = ticks["feed_to_broker_us"]
    return "no tick of late" if not quantiles else f"feed to broker p99 {short(quantiles['p99'])}"


def _standing(top: Top, stats: Mapping[str, Any], now: float) -> list[tuple[str, str]]:
    said = []
    if now - top.heard >= STALE_S:
        said.append((f"no word from the broker for {now - top.heard:.0f} s", "bold red"))
    for name in ("journal", "store"):
        told = stats[name]
        if told.get("state", "live") != "live":
            said.append((f"{name} {told['state']}: {told.get('why')}  ", "bold red"))
    if top.stopped:
        said.append(("stopped, space goes on", "yellow"))
    return said or [("all is well", "green")]


def _line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _table(top: Top, width: int, lines: int) -> Table:
    found, columns = top.processes(), [name for name in PROCESS_HEADS if width >= WIDE or HEADS[name][2]]
    shown = found if len(found) <= lines else found[: lines - 1]
    table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= WIDE else 1, 0, 0), header_style="bold")
    for name in columns:
        head, sorted_by, _ = HEADS[name]
        mark = ("▲" if top.turned else "▼") if sorted_by == SORTS[top.sort][0] else ""
        table.add_column(f"{head}{mark}", justify="left" if name in LEFT else "right", no_wrap=True, overflow="ellipsis")
    for one in shown:
        cells = dict(zip(PROCESS_HEADS, process_cells(one), strict=True))
        table.add_row(*(_cell(one, name, cells[name]) for name in columns))
    if len(shown) < len(found):
        table.add_row("", Text(f"and {len(found) - len(shown)} more", style="dim"))
    return table


def _cell(one: Process, column: str, value: Any) -> Text:
    return Text("-" if value is None else str(value), style=STYLES[one.state] if column == "state" else "")
