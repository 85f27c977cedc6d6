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

from clients.cli import stats_tables
from clients.cli.live_view import LEVELS, sparkline
from clients.cli.scroll import Scroll, cut
from clients.cli.status import PROCESS_HEADS, process_cells, short
from clients.judge.perf import age
from clients.judge.processes import Process, processes
from clients.judge.verdict import Verdict

HISTORY = 300  # seconds
ABOVE, BELOW = 6, 2  # lines beside the table's rows: of the head with the table's own, and of the foot
STYLES = {"ok": "green", "late": "yellow", "hangs": "bold red", "unknown": "dim"}
FOOT = "q quit, ? keys, arrows scroll, sort: k n m g c l r"
KEYS = (
    ("q, Ctrl-C", "end"),
    ("?", "show the keys, or the processes again"),
    ("arrows, PageUp, PageDown, Home, End", "scroll the processes"),
    ("space", "stop the picture, and go on"),
    ("k n m g c l r", "sort by kind, name, memory, growth, cores, latency, restarts; again: the other way round"),
)
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
MIDDLE = 76
HEADS = {  # column of `PROCESS_HEADS` -> head, what it is sorted by, columns of a terminal from which on it is shown
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
LEFT = ("kind", "name", "state", "lost")
NAMES = {name: key for key, (name, _) in SORTS.items()}


@dataclass
class TopView:
    """What is shown; changed by statistics and by keys.

    Args:
        sort: a key of `SORTS`.
    """

    sort: str = "k"
    turned: bool = False  # the other way round
    stopped: bool = False  # what is shown stays as it is
    quits: bool = False
    helps: bool = False  # the keys are shown in the place of the processes
    scroll: Scroll = field(default_factory=Scroll)
    verdict: Verdict | None = None  # of what was heard last
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
        if key in ("q", "Q", "\x03"):
            self.quits = True
        elif key == "?":
            self.helps = not self.helps
        elif key == " ":
            self.stopped = not self.stopped
        elif self.scroll.press(key):
            return
        elif (key := key.lower()) in SORTS:
            self.turned = key == self.sort and not self.turned
            self.sort = key

    def processes(self, heard_s: float = 0.0) -> list[Process]:
        """List the processes in the order that is wanted; the broker was heard so many seconds ago."""
        found = [] if self.stats is None else processes(self.stats, heard_s)
        return sorted(found, key=SORTS[self.sort][1], reverse=self.turned)


def render(top: TopView, now: float, width: int, height: int) -> RenderableType:
    """Draw one screen.

    Args:
        top: what to show.
        now: monotonic seconds.
        width: columns of the terminal.
        height: lines of the terminal.
    """
    if top.stats is None:
        return Text("waiting for the broker ... (q quits)", style="yellow")
    foot = Text(FOOT, style="dim", no_wrap=True, overflow="ellipsis")
    body = _keys() if top.helps else _table(top, now, width, max(1, height - ABOVE - BELOW))
    return Group(*_head(top, top.stats, width), body, foot)


def _keys() -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("key", no_wrap=True)
    table.add_column("does")
    for key, does in KEYS:
        table.add_row(key, does)
    return table


def _head(top: TopView, stats: Mapping[str, Any], width: int) -> list[Text]:
    broker, ticks, tasks = stats["broker"], stats["ticks"], stats["tasks"]
    first = _line(
        (" Hulak top ", "bold reverse"),
        f" broker {broker['version']} up {age(broker['uptime_s'])}  ",
        *_standing(top),
    )
    rate = _line(
        ("ticks    ", "dim"), f"{ticks['per_s']:,.0f}/s, {ticks['taken']:,} taken, {ticks['symbols']} symbols, {_latency(ticks)} "
    )
    room = max(0, width - rate.cell_len - 1)
    rate.append(sparkline(list(top.history)[-room:] if room else ()), style="cyan")
    _, queued, waiting, running = stats_tables.queues(stats)[0]
    work = f"{tasks['per_s']:,.0f}/s, {tasks['done']:,} done, {tasks['failed']:,} failed"
    work += f", {running:,} running, {queued:,} queued, {waiting:,} waiting"
    lost = [f"{name} {count:,}" for name, _, count in stats_tables.losses(stats) if count]
    return [first, rate, _line(("tasks    ", "dim"), work), _line(("faults   ", "dim"), ", ".join(lost) or "none")]


def _latency(ticks: Mapping[str, Any]) -> str:
    quantiles = ticks["feed_to_broker_us"]
    return "no tick of late" if not quantiles else f"feed to broker p99 {short(quantiles['p99'])}"


def _standing(top: TopView) -> list[tuple[str, str]]:
    said = [("stopped, space goes on  ", "yellow")] if top.stopped else []
    if top.verdict is not None:
        said.append((top.verdict.headline(), LEVELS[top.verdict.level]))
    return said


def _line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _table(top: TopView, now: float, width: int, lines: int) -> Table:
    found, columns = top.processes(now - top.heard), [name for name in PROCESS_HEADS if width >= HEADS[name][2]]
    shown, left_out = cut(found, lines, top.scroll)
    table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= WIDE else 1, 0, 0), header_style="bold")
    for name in columns:
        head, sorted_by, _ = HEADS[name]
        mark = ("▲" if top.turned else "▼") if sorted_by == SORTS[top.sort][0] else ""
        table.add_column(f"{head}{mark}", justify="left" if name in LEFT else "right", no_wrap=True, overflow="ellipsis")
    for one in shown:
        cells = dict(zip(PROCESS_HEADS, process_cells(one), strict=True))
        table.add_row(*(_cell(one, name, cells[name]) for name in columns))
    if left_out:
        table.add_row("", Text(left_out, style="dim"))
    return table


def _cell(one: Process, column: str, value: Any) -> Text:
    text = "-" if value is None else str(value)
    if column == "state" and one.state in ("late", "hangs"):
        text = f"{text} {one.silence_s:.0f} s"
    return Text(text, style=STYLES[one.state] if column == "state" else "")
