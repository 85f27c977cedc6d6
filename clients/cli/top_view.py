"""State, keys and screen of `hulak top`. Pure.

A screen has, from the top: the broker, its numbers, losses, and a sorted table of all processes. Colours carry no information of
their own.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hulak.clients.cli import stats_tables
from hulak.clients.cli.live_view import LEVELS, sparkline
from hulak.clients.cli.scroll import Scroll, cut
from hulak.clients.cli.status import ACTION_HEADS, PROCESS_HEADS, action_cells, process_cells, short
from hulak.clients.judge.perf import age
from hulak.clients.judge.processes import Process, processes
from hulak.clients.judge.verdict import Verdict
from hulak.clients.printable import printable

HISTORY = 300  # most values of ticks per second, one per second
ABOVE, BELOW = 6, 2  # lines above the table's rows, with its header, and below
STYLES = {"ok": "green", "late": "yellow", "hangs": "bold red", "unknown": "dim"}
FOOT = "q quit, ? keys, a actions, arrows scroll, sort: k n m g c l r"
KEYS = (
    ("q, Ctrl-C", "quit"),
    ("?", "show the keys, or the processes again"),
    ("a", "show the actions of tasks with their times, or the processes again"),
    ("arrows, PageUp, PageDown, Home, End", "scroll the processes"),
    ("space", "pause the updates, and continue"),
    ("k n m g c l r", "sort by kind, name, memory, growth, cores, latency, restarts; again: reverse"),
)
SORTS: dict[str, tuple[str, Callable[[Process], Any]]] = {  # key -> name, sort key; numbers in descending order
    "k": ("kind", lambda row: (row.kind != "broker", row.kind, row.name)),
    "n": ("name", lambda row: (row.name, row.kind)),
    "m": ("memory", lambda row: -(row.rss_bytes or 0)),
    "g": ("growth", lambda row: -(row.rss_per_min or 0)),
    "c": ("cores", lambda row: -(row.cores or 0)),
    "l": ("latency", lambda row: -(row.p99_us or 0)),
    "r": ("restarts", lambda row: -row.restarts),
}
WIDE = 105  # least columns of a terminal for the whole table
MIDDLE = 76  # least columns for most of it
HEADS = {  # column of `PROCESS_HEADS` -> heading, name of its sort, least columns of the terminal
    "kind": ("kind", "kind", 0),
    "name": ("name", "name", 0),
    "pid": ("pid", "", WIDE),
    "state": ("state", "", 0),
    "memory": ("memory", "memory", 0),
    "per 10 min": ("10 min", "growth", MIDDLE),
    "cores": ("cores", "cores", MIDDLE),
    "config": ("conf", "", MIDDLE),
    "restarts": ("rest", "restarts", MIDDLE),
    "p50": ("p50", "", WIDE),
    "p99": ("p99", "latency", 0),
    "lost": ("lost", "", MIDDLE),
}
ACTION_WIDTHS = (0, 0, 0, 0, MIDDLE, 0, MIDDLE, 0)  # least columns of the terminal for each of `ACTION_HEADS`
LEFT = ("kind", "name", "state", "lost")
NAMES = {name: key for key, (name, _) in SORTS.items()}


@dataclass
class TopView:
    """The state of the view, changed by statistics and by keys.

    Args:
        sort: a key of `SORTS`.
    """

    sort: str = "k"
    reverse: bool = False
    paused: bool = False  # no updates
    quits: bool = False
    show_keys: bool = False  # instead of the processes
    show_actions: bool = False  # likewise
    scroll: Scroll = field(default_factory=Scroll)
    verdict: Verdict | None = None  # on the last statistics
    stats: Mapping[str, Any] | None = None
    received: float = 0.0  # time of the last statistics, monotonic seconds
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def add(self, stats: Mapping[str, Any], now: float) -> None:
        """Add the broker's statistics; `now` in monotonic seconds."""
        self.received = now
        if not self.paused:
            self.stats = stats
            self.history.append(float(stats["ticks"]["per_s"]))

    def press(self, key: str) -> None:
        """Handle a key; unknown keys are ignored."""
        if key in ("q", "Q", "\x03"):
            self.quits = True
        elif key == "?":
            self.show_keys = not self.show_keys
        elif key in ("a", "A"):
            self.show_actions = not self.show_actions
        elif key == " ":
            self.paused = not self.paused
        elif self.scroll.press(key):
            return
        elif (key := key.lower()) in SORTS:
            self.reverse = key == self.sort and not self.reverse
            self.sort = key

    def processes(self, age_s: float = 0.0) -> list[Process]:
        """List the processes in the selected order; `age_s` is the age of the statistics."""
        rows = [] if self.stats is None else processes(self.stats, age_s)
        return sorted(rows, key=SORTS[self.sort][1], reverse=self.reverse)


def render(top: TopView, now: float, width: int, height: int) -> RenderableType:
    """Draw one screen.

    Args:
        top: state to show.
        now: monotonic seconds.
        width: columns of the terminal.
        height: lines of the terminal.
    """
    if top.stats is None:
        return Text("waiting for the broker ... (q quits)", style="yellow")
    foot = Text(FOOT, style="dim", no_wrap=True, overflow="ellipsis")
    lines = max(1, height - ABOVE - BELOW)
    body: RenderableType
    if top.show_keys:
        body = _keys()
    else:
        body = _actions(top, top.stats, width, lines) if top.show_actions else _table(top, now, width, lines)
    return Group(*_head(top, top.stats, width), body, foot)


def _keys() -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("key", no_wrap=True)
    table.add_column("action")
    for key, action in KEYS:
        table.add_row(key, action)
    return table


def _head(top: TopView, stats: Mapping[str, Any], width: int) -> list[Text]:
    broker, ticks, tasks = stats["broker"], stats["ticks"], stats["tasks"]
    first = _line(
        (" Hulak top ", "bold reverse"),
        f" broker {broker['version']} up {age(broker['uptime_s'])}  ",
        *_health(top),
    )
    rate = _line(
        ("ticks    ", "dim"),
        f"{ticks['per_s']:,.0f}/s, {ticks['taken']:,} taken, {stats_tables.symbols(stats)}, {_latency(ticks)} ",
    )
    room = max(0, width - rate.cell_len - 1)
    rate.append(sparkline(list(top.history)[-room:] if room else ()), style="cyan")
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


def _health(top: TopView) -> list[tuple[str, str]]:
    parts = [("paused, space continues  ", "yellow")] if top.paused else []
    if top.verdict is not None:
        parts.append((top.verdict.headline(), LEVELS[top.verdict.level]))
    return parts


def _line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _table(top: TopView, now: float, width: int, lines: int) -> Table:
    rows, columns = top.processes(now - top.received), [name for name in PROCESS_HEADS if width >= HEADS[name][2]]
    shown, rest = cut(rows, lines, top.scroll)
    table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= WIDE else 1, 0, 0), header_style="bold")
    for name in columns:
        head, sorted_by, _ = HEADS[name]
        mark = ("▲" if top.reverse else "▼") if sorted_by == SORTS[top.sort][0] else ""
        table.add_column(f"{head}{mark}", justify="left" if name in LEFT else "right", no_wrap=True, overflow="ellipsis")
    for process in shown:
        cells = dict(zip(PROCESS_HEADS, process_cells(process), strict=True))
        table.add_row(*(_cell(process, name, cells[name]) for name in columns))
    if rest:
        table.add_row("", Text(rest, style="dim"))
    return table


def _actions(top: TopView, stats: Mapping[str, Any], width: int, lines: int) -> RenderableType:
    rows, least = stats_tables.actions(stats), dict(zip(ACTION_HEADS, ACTION_WIDTHS, strict=True))
    if not rows:
        return Text("no attempt of a task has ended yet", style="dim")
    shown, rest = cut(rows, lines, top.scroll)
    columns = [name for name in ACTION_HEADS if width >= least[name]]
    table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= WIDE else 1, 0, 0), header_style="bold")
    for name in columns:
        justify: Any = "left" if name in ("service", "action") else "right"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis")
    for row in shown:
        cells = dict(zip(ACTION_HEADS, action_cells(row), strict=True))
        table.add_row(*("-" if cells[name] is None else str(cells[name]) for name in columns))
    if rest:
        table.add_row("", Text(rest, style="dim"))
    return table


def _cell(process: Process, column: str, value: Any) -> Text:
    text = "-" if value is None else printable(str(value))
    if column == "state" and process.state in ("late", "hangs"):
        text = f"{text} {process.silence_s:.0f} s"
    return Text(text, style=STYLES[process.state] if column == "state" else "")
