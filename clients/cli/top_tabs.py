"""The tabs of `hulak top`: the newest data in, a listing of rows and the details of one row out. Pure."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hulak.clients.cli import feeds, stats_tables, table, task_text
from hulak.clients.cli.listing import Column, Listing, Row
from hulak.clients.cli.live_view import LEVELS
from hulak.clients.cli.status import ACTION_HEADS, PROCESS_HEADS, action_cells, process_cells
from hulak.clients.cli.topic_board import TopicBoard, TopicState
from hulak.clients.durations import age, fine_age
from hulak.clients.judge.processes import Process, processes
from hulak.clients.judge.situations import SITUATIONS
from hulak.clients.judge.verdict import ALL_WELL, Verdict
from hulak.clients.printable import printable
from hulak.clients.table_files import flat

WIDEST = 130  # least columns of a terminal for all columns
WIDE = 105  # least columns for nearly all of them
MIDDLE = 76  # least columns for most of them
LAST = 22  # most characters of a topic's last message in the list; its details show all
STYLES = {"ok": "green", "late": "yellow", "hangs": "bold red", "unknown": "dim"}
TASK_STYLES = {"failed": "bold red", "unreadable": "bold red", "expired": "yellow", "cancelled": "dim", "running": "cyan"}
FEED_STYLES = {"connected": "green", "stale": "bold red", "backoff": "bold red", "degraded": "yellow", "connecting": "yellow"}
MOVES = {-1: "red", 0: "", 1: "green"}
PROCESS_COLUMNS = (  # in the order of `PROCESS_HEADS`
    Column("kind", is_text=True),
    Column("name", is_text=True),
    Column("pid", WIDEST),
    Column("state", is_text=True),
    Column("memory"),
    Column("growth", WIDE, label="per 10 min"),
    Column("cores", MIDDLE),
    Column("config", WIDE),
    Column("restarts", WIDE),
    Column("p50", WIDEST),
    Column("latency", label="p99"),
    Column("lost", MIDDLE, is_text=True),
)
TOPIC_COLUMNS = (
    Column("topic", is_text=True),
    Column("last"),
    Column("change", 60),
    Column("rate"),
    Column("age"),
    Column("number", WIDE),
    Column("source", WIDE, is_text=True),
)
TASK_COLUMNS = (
    Column("task", WIDE, is_text=True),
    Column("service", is_text=True),
    Column("action", is_text=True),
    Column("state", is_text=True),
    Column("attempt", MIDDLE),
    Column("posted", MIDDLE),
    Column("took"),
    Column("worker", WIDE, is_text=True),
    Column("trouble", is_text=True),
)
PROBLEM_COLUMNS = (Column("level", is_text=True), Column("problem", is_text=True), Column("situation", WIDE, is_text=True))
SUBJECT = re.compile(r" is |[:,]")  # ends the part of a problem's text before its figures, which change
Pair = tuple[str, str]  # name and value of a detail


@dataclass(slots=True)
class TopData:
    """Everything that the tabs show, at one moment."""

    stats: Mapping[str, Any] | None = None  # the broker's last message on `stats`; None before the first
    received: float = 0.0  # when that came, monotonic seconds
    verdict: Verdict | None = None
    supervised: Sequence[Mapping[str, Any]] = ()  # as `bus.process.supervisor_rpc.list_processes`
    topics: TopicBoard = field(default_factory=TopicBoard)
    topics_came: bool = False  # the list of topics was received
    tasks: Sequence[Mapping[str, Any]] | None = None  # rows of `hulak.tasks`, the newest first; None before the first reply
    problem: str = ""  # why the request of the shown tab failed


def process_listing(data: TopData, now: float) -> Listing:
    """List every process of the statistics."""
    rows = [] if data.stats is None else processes(data.stats, now - data.received)
    return Listing(PROCESS_COLUMNS, tuple(_process_row(row) for row in rows), "waiting for the broker")


def _process_row(row: Process) -> Row:
    cells = [_text(cell) for cell in process_cells(row)]
    state = PROCESS_HEADS.index("state")
    if row.state in ("late", "hangs"):
        cells[state] = f"{row.state} {age(row.silence_s)}"
    figures = (row.rss_bytes, row.rss_per_min, row.cores, row.config_version, row.restarts, row.p50_us, row.p99_us)
    values = (row.kind, row.name, row.pid, row.state, *figures, cells[-1])
    return Row(f"{row.kind} {row.name} {row.pid}", tuple(cells), values, {state: STYLES[row.state]})


def feed_listing(data: TopData, now: float) -> Listing:
    """List the feeds of the statistics."""
    del now
    least = (0, 0, MIDDLE, 0, WIDE, 0, MIDDLE, WIDE, WIDE, MIDDLE, 0, WIDE)
    columns = tuple(Column(name, wide, name in ("feed", "state")) for name, wide in zip(feeds.HEADS, least, strict=True))
    rows = [] if data.stats is None else feeds.feeds_of(data.stats)
    return Listing(columns, tuple(map(_feed_row, rows)), "no feed has reported")


def _feed_row(row: Mapping[str, Any]) -> Row:
    cells = [_text(cell) for cell in feeds.cells(row)]
    names = (
        "since_s",
        "data_age_s",
        "heartbeat_age_s",
        "posted",
        "unconfirmed",
        "resent",
        "refused",
        "symbols",
        "stale",
        "errors",
    )
    values = (cells[0], cells[1], *(_number(row.get(name)) for name in names))
    return Row(f"{row['name']} {row.get('pid')}", tuple(cells), values, {1: FEED_STYLES.get(cells[1], "")})


def topic_listing(data: TopData, now: float) -> Listing:
    """List topics with their newest values."""
    empty = data.problem or ("no topic has a message yet" if data.topics_came else "waiting for the list of topics")
    return board_listing(data.topics, now, empty)


def board_listing(board: TopicBoard, now: float, empty: str) -> Listing:
    """List the topics of a board; `now` in monotonic seconds."""
    time_ns = time.time_ns()
    return Listing(TOPIC_COLUMNS, tuple(_topic_row(board.states[topic], now, time_ns) for topic in sorted(board.states)), empty)


def _topic_row(state: TopicState, now: float, time_ns: int) -> Row:
    change, rate, age_s = state.change_percent, state.meter.per_s(now), max(0.0, (time_ns - state.time_ns) / 1e9)
    cells = (
        printable(state.topic),
        state.last if len(state.last) <= LAST else f"{state.last[: LAST - 1]}…",
        "-" if change is None else f"{change:+.3f} %",
        "-" if rate is None else f"{rate:,.1f}/s",
        fine_age(age_s),
        f"{state.number:,}",
        state.source or "-",
    )
    values = (state.topic, state.value, change, rate, age_s, state.number, state.source)
    return Row(state.topic, cells, values, {1: MOVES[state.moved]})


def task_listing(data: TopData, now: float) -> Listing:
    """List posted tasks, the newest first."""
    del now
    empty = data.problem or ("waiting for the list of tasks" if data.tasks is None else "no task was posted")
    return Listing(TASK_COLUMNS, tuple(map(_task_row, data.tasks or ())), empty)


def _task_row(row: Mapping[str, Any]) -> Row:
    task, state = bytes(row["task"]).hex(), str(row["state"])
    took_s = None if row["ended_ns"] is None else max(0.0, (row["ended_ns"] - row["posted_ns"]) / 1e9)
    took, posted = None if took_s is None else _span(took_s), table.moment(row["posted_ns"])[5:19]
    texts = (task, row["service"], row["action"], state, row["attempt"], posted, took, row["worker"], row["trouble"])
    cells = tuple(_text(None if cell == "" else cell) for cell in texts)
    values = (*cells[:4], row["attempt"], row["posted_ns"], took_s, *cells[7:])
    return Row(task, cells, values, {3: TASK_STYLES.get(state, "")})


def action_listing(data: TopData, now: float) -> Listing:
    """List the actions of tasks with their times, those first that took most of the workers' time."""
    del now
    least = (0, 0, 0, 0, WIDE, 0, WIDE, 0)
    columns = tuple(Column(name, wide, name in ("service", "action")) for name, wide in zip(ACTION_HEADS, least, strict=True))
    rows = [] if data.stats is None else stats_tables.actions(data.stats)
    return Listing(columns, tuple(map(_action_row, rows)), "no attempt of a task has ended yet")


def _action_row(row: stats_tables.ActionTimes) -> Row:
    values = (row.service, row.action, row.runs, row.failed, *row.wait_us, *row.run_us)
    cells = tuple(_text(cell) for cell in action_cells(row))
    return Row(f"{row.service} {row.action}", cells, values, {3: "bold red"} if row.failed else {})


def problem_listing(data: TopData, now: float) -> Listing:
    """List the findings of the judge, in its order."""
    del now
    rows: dict[str, Row] = {}
    for finding in data.verdict.findings if data.verdict else ():
        key = f"{finding.what} {SUBJECT.split(finding.text, 1)[0]}"
        while key in rows:
            key += "'"
        cells = (finding.level.name, finding.text, finding.what)
        rows[key] = Row(key, cells, cells, {0: LEVELS[finding.level]})
    return Listing(PROBLEM_COLUMNS, tuple(rows.values()), ALL_WELL if data.verdict else "waiting for the broker")


@dataclass(frozen=True, slots=True)
class ListTab:
    """One tab."""

    name: str  # key
    title: str
    row_name: str  # singular of the title
    listing: Callable[[TopData, float], Listing]  # of the data at a time in monotonic seconds


TABS = (
    ListTab("processes", "Processes", "process", process_listing),
    ListTab("feeds", "Feeds", "feed", feed_listing),
    ListTab("topics", "Topics", "topic", topic_listing),
    ListTab("tasks", "Tasks", "task", task_listing),
    ListTab("actions", "Actions", "action", action_listing),
    ListTab("problems", "Problems", "problem", problem_listing),
)


def details(data: TopData, tab: str, row: Row, task: Mapping[str, Any] | None = None) -> list[Pair]:
    """Return names and values of one row of a tab; of a topic there are none, its messages are followed instead.

    Args:
        data: the newest data.
        tab: name of the tab.
        row: of its listing.
        task: of a task, the reply of `hulak.task.show`; None before it came.
    """
    if tab == "processes":
        return _process_details(data, row)
    if tab == "feeds":
        report = next((item for item in _reports(data) if f"{item['name']} {item.get('pid')}" == row.key), {})
        notes = [("note", printable(text)) for text in feeds.remarks({"name": row.cells[0], **report})]
        return notes + _pairs(flat(report))
    if tab == "tasks" and task is not None:
        return _pairs(task_text.readable(dict(task), row.key).items())
    if tab == "problems" and (situation := SITUATIONS.get(row.cells[2])):
        return [("level", row.cells[0]), ("problem", row.cells[1]), ("situation", row.cells[2]), ("meaning", situation.what)]
    columns = next(item for item in TABS if item.name == tab).listing(data, 0.0).columns
    return [(column.name, cell) for column, cell in zip(columns, row.cells, strict=True)]


def _process_details(data: TopData, row: Row) -> list[Pair]:
    pid = row.values[PROCESS_HEADS.index("pid")]
    is_broker = row.values[0] == "broker"
    reports = [(data.stats or {}).get("broker", {})] if is_broker else [item for item in _reports(data) if item.get("pid") == pid]
    workers = [item for item in (data.stats or {}).get("workers", ()) if item.get("pid") == pid]
    slots = [item for item in data.supervised if item.get("pid") == pid]
    problems = [("problem", item.text) for item in (data.verdict.findings if data.verdict else ()) if row.cells[1] in item.text]
    parts = [*(flat(item) for item in reports[:1]), *(flat(item, "worker.") for item in workers[:1])]
    parts += [flat(item, "supervisord.") for item in slots[:1]]
    return [*problems, ("state", row.cells[PROCESS_HEADS.index("state")]), *_pairs(pair for part in parts for pair in part)]


def _reports(data: TopData) -> Sequence[Mapping[str, Any]]:
    return data.stats["processes"] if data.stats is not None else ()


def _pairs(values: Iterable[tuple[str, Any]]) -> list[Pair]:
    return [(printable(name), _detail(name, value)) for name, value in values]


def _detail(name: str, value: Any) -> str:
    if name.endswith("bytes") and _number(value) is not None and value >= 1e6:
        return f"{table.text(value)} ({value / 1e6:.1f} MB)"
    return table.text(value)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(cell: Any) -> str:
    return "-" if cell is None else printable(str(cell))


def _span(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else fine_age(seconds)
