"""Posts the tasks of the runs that are due: tasks and next due times are written by one transaction. PROTOCOL.md section 7.9.

The id of a run's task is made of the schedule's id and the due time. So a due time is one task, also if the wall clock is set
back to before it, as long as that task's row is kept.
"""

import hashlib
import sqlite3
import time
from dataclasses import dataclass, field

from msgspec import Struct

from hulak.bus.broker.storage import schedule_rows, task_rows
from hulak.bus.broker.storage.schedule_rows import NAMES, NS, Horizon, Row
from hulak.bus.core.schedules.schedule_requests import ScheduleArguments
from hulak.bus.core.schedules.schedule_runs import WAIT_S, Decision, RunPolicy, decide
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import ID_BYTES

MOST_ROWS = 100  # schedules handled by one transaction: posts of clients wait for no more than that
MOST_RUNS = 100  # tasks that it posts
MOST_S = 0.02  # after which it ends: a thousand due times that were missed take up to 50 ms to be listed
LATE_S = 60  # after which a schedule that is due counts as late
FAILING = 3  # runs, one after the other
NAMED = 10  # names of each list of an overview
OPEN = (TaskState.QUEUED.value, TaskState.RUNNING.value, TaskState.WAITING.value)
FAILURES = (TaskState.FAILED.value, TaskState.EXPIRED.value)
AWAITED_NO_MORE = (
    "UPDATE schedules SET check_s = due_s + delay_s WHERE check_s > due_s + delay_s"
    " AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = last_task AND t.ended_ns IS NULL)"
)
DUE = (
    f"SELECT {schedule_rows.COLUMNS} FROM schedules WHERE (check_s NOTNULL AND check_s <= ?)"  # noqa: S608 - constants
    " OR (state != 'paused' AND after_s > ?) ORDER BY check_s LIMIT ?"
)


@dataclass(slots=True)
class PostedRuns:
    """The outcome of one transaction."""

    horizon: Horizon = field(default_factory=lambda: Horizon(None, None))
    postings: list[Posting] = field(default_factory=list)
    missed: int = 0
    skipped: int = 0
    more: bool = False  # further schedules are due


def run_id(schedule: bytes, due_s: int) -> bytes:
    """Return the id of the task of a run."""
    return hashlib.sha256(b"hulak schedule" + schedule + due_s.to_bytes(8)).digest()[:ID_BYTES]


class DuePosts:
    """Handles the schedules that are due, in one transaction.

    Args:
        connection: to the store.
        moment: the present one.
        keep_s: as in `task_rows.post`.
        room: tasks for which there is room, of at most `MOST_ARGS_BYTES` each.
        retries: of tasks, where the schedule names no number.
    """

    def __init__(self, connection: sqlite3.Connection, moment: Moment, keep_s: float, room: int, retries: int) -> None:
        self.connection = connection
        self.moment = moment
        self.now_s = moment.now_ns // NS
        self.keep_s = keep_s
        self.most = min(room, MOST_RUNS)
        self.retries = retries
        self.done = PostedRuns()

    def post(self) -> PostedRuns:
        """Post the runs."""
        done = self.done
        until = time.monotonic() + MOST_S
        self.connection.execute(AWAITED_NO_MORE)
        rows = self.connection.execute(DUE, (self.now_s, self.now_s, MOST_ROWS)).fetchall()
        for values in rows:
            self._handle(dict(zip(NAMES, values, strict=True)))
            if len(done.postings) >= self.most or time.monotonic() > until:
                done.more = True
                break
        done.more = done.more or len(rows) == MOST_ROWS
        done.horizon = schedule_rows.horizon(self.connection)
        return done

    def _handle(self, row: Row) -> None:
        """Post the due runs of one schedule, and write when it is due next."""
        note_ends(self.connection, row["id"])
        now_s = self.now_s - row["delay_s"]  # its due times are as much earlier
        after_s = min(row["after_s"], self.now_s)  # less only if the wall clock was set back: also what had ended goes on then
        try:
            args = schedule_rows.arguments_of(row)
            times = schedule_rows.times_of(self.connection, row, args)
        except (ProtocolError, TypeError, ValueError):  # `plan_next` meets the same, and writes why
            schedule_rows.plan_next(self.connection, row, after_s, self.moment)
            return
        decision = decide(times, after_s, now_s, *self._terms(row, args))
        self._write(row, args, decision)
        schedule_rows.plan_next(self.connection, row, decision.after_s, self.moment)
        self.done.more = self.done.more or (decision.waits and args.overlap)
        if decision.waits and not args.overlap:  # it waits for the end of its former run; else there was no room
            update = "UPDATE schedules SET check_s = ? WHERE id = ? AND state = 'active'"
            self.connection.execute(update, (self.now_s + WAIT_S, row["id"]))

    def _terms(self, row: Row, args: ScheduleArguments) -> tuple[RunPolicy, bool, int]:
        """Return the policy of a schedule, whether its last run is still queued or running, and how many runs may be posted."""
        last = self.connection.execute("SELECT state FROM tasks WHERE id = ?", (row["last_task"],)).fetchone()
        room = self.most - len(self.done.postings)
        if args.runs is not None:
            room = max(1, min(room, args.runs - row["posted"]))
        return RunPolicy(args.missed, args.overlap, args.late_s), last is not None and last[0] in OPEN, room

    def _write(self, row: Row, args: ScheduleArguments, decision: Decision) -> None:
        for due_s in decision.runs:
            posting = posting_of_run(args, run_id(row["id"], due_s), self.retries)
            outcome = task_rows.post(self.connection, posting, self.moment, self.keep_s)
            if outcome is not None and outcome.new:  # else it was posted before the clock was set back
                self.done.postings.append(posting)
                row["posted"] += 1
                note_run(self.connection, row["id"], due_s, posting.id)
        self.done.missed += decision.missed
        self.done.skipped += decision.skipped
        self.connection.execute(
            "UPDATE schedules SET posted = ?, missed = missed + ?, skipped = skipped + ? WHERE id = ?",
            (row["posted"], decision.missed, decision.skipped, row["id"]),
        )


def posting_of_run(args: ScheduleArguments, task: bytes, retries: int) -> Posting:
    """Return the posting of one run."""
    expires_s = float("inf") if args.expires_s is None else args.expires_s
    tries = retries if args.retries is None else args.retries
    return Posting(task, None, args.service, args.action, pack(args.args), tries, expires_s, args.priority)


def note_run(connection: sqlite3.Connection, schedule: bytes, due_s: int, task: bytes) -> None:
    """Write which task is the last run of a schedule."""
    connection.execute(
        "UPDATE schedules SET last_due_s = ?, last_task = ?, last_state = 'queued' WHERE id = ?", (due_s, task, schedule)
    )


def note_ends(connection: sqlite3.Connection, schedule: bytes | None = None) -> None:
    """Write how the last runs ended, of one schedule or of all: the rows of their tasks are not kept as long."""
    ended = connection.execute(
        "SELECT s.id, t.state FROM schedules s JOIN tasks t ON t.id = s.last_task"
        " WHERE s.last_state IN ('queued', 'running', 'waiting') AND t.ended_ns NOTNULL AND (?1 IS NULL OR s.id = ?1)",
        (schedule,),
    ).fetchall()
    for which, state in ended:
        failed = int(state in FAILURES)
        connection.execute(
            "UPDATE schedules SET last_state = ?, failures = CASE WHEN ? THEN failures + 1 ELSE 0 END WHERE id = ?",
            (state, failed, which),
        )


def post_now(
    connection: sqlite3.Connection, name: str, posting: Posting, moment: Moment, keep_s: float, *, room: bool
) -> task_rows.PostingOutcome | None:
    """Post a run that a client asks for; otherwise as `task_rows.post`."""
    posted = task_rows.post(connection, posting, moment, keep_s, room=room)
    row = schedule_rows.read(connection, name)
    if posted is not None and posted.new and row is not None:
        note_run(connection, row["id"], moment.now_ns // NS, posted.task)
    return posted


class ScheduleOverview(Struct, frozen=True):
    """The state of all schedules, for the statistics."""

    horizon: Horizon
    states: dict[str, int]  # state -> number of schedules
    late: tuple[str, ...]  # names: due for more than a minute, or the next due time is unknown
    failing: tuple[str, ...]  # names: the last runs failed


def overview(connection: sqlite3.Connection, moment: Moment, keep_s: float) -> ScheduleOverview:
    """Read the state of all schedules; delete those that ended `keep_s` seconds ago, by the broker's clock."""
    note_ends(connection)
    connection.execute("UPDATE schedules SET ended_age_s = ?1 WHERE ended_age_s > ?1", (moment.age_s,))
    connection.execute("DELETE FROM schedules WHERE state = 'ended' AND ended_age_s < ?", (moment.age_s - keep_s,))
    states = dict(connection.execute("SELECT state, count(*) FROM schedules GROUP BY state").fetchall())
    late_s = moment.now_ns // NS - LATE_S
    late = connection.execute(
        "SELECT name FROM schedules WHERE state = 'active' AND (due_s IS NULL OR due_s + delay_s < ?) ORDER BY name LIMIT ?",
        (late_s, NAMED),
    )
    failing = connection.execute(
        "SELECT name FROM schedules WHERE state != 'ended' AND failures >= ? ORDER BY name LIMIT ?", (FAILING, NAMED)
    )
    names = tuple(tuple(name for (name,) in rows.fetchall()) for rows in (late, failing))
    return ScheduleOverview(schedule_rows.horizon(connection), states, *names)
