"""The SQL statements of posted tasks.

`bus.broker.storage.unfinished_tasks` reads the tasks at a start, `bus.broker.storage.row_retention` deletes old ones.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from hulak.bus.core.effects import Run
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.core.tasks.task_queue import STATES, TaskState
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import own, pack_plain, unpack
from hulak.bus.wire.messages import Error, Reply

TROUBLE_CHARACTERS = 500
MOST_SHOWN = 1 << 17  # bytes of the arguments, and of the answer, of a task that is shown
NEWEST = (1 << 63) - 1  # no number of a row is greater
decode_runs = msgspec.msgpack.Decoder(list[Run]).decode
DONE = TaskState.DONE.value
ENDED = {state.value for state in (TaskState.DONE, TaskState.FAILED, TaskState.EXPIRED, TaskState.CANCELLED)}
NEW_ROW = (
    "INSERT INTO tasks (id, key, service, action, args, retries, priority, posted_ns, due_ns, expires_ns, expires_boot,"
    " posted_age_s, state, attempt) VALUES"
)
NEW_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0)"
END_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
STILL_OPEN = "+state IN ('queued', 'running', 'waiting')"  # a write that is repeated must not undo an end; the plus: see `ENDS`
ENDS = (  # the unary plus: found by its id, not by its state
    "UPDATE tasks SET state = v.column2, attempt = coalesce(v.column3, attempt), ended_ns = v.column4, ended_age_s = v.column5,"
    " answer = v.column6, trouble = coalesce(nullif(v.column7, ''), trouble), worker = coalesce(nullif(v.column8, ''), worker),"
    " runs = v.column9"
    " FROM (VALUES {rows}) AS v"
    " WHERE tasks.id = v.column1 AND +tasks.state IN ('queued', 'running', 'waiting')"
)
COLUMNS = (
    "id, key, service, action, state, attempt, retries, priority, posted_ns, due_ns, expires_ns, ended_ns, worker, trouble, "
    "retried_as"
)
NAMES = ["task", *COLUMNS.split(", ")[1:]]  # in the row as a map


class PostingOutcome(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a posting: a new task, or a known one."""

    task: bytes
    state: str
    new: bool
    is_other: bool = False  # the known task is of another service than the posting
    is_gone: bool = False  # the dead letter to post again was dropped


def post(
    connection: sqlite3.Connection, posting: Posting, moment: Moment, keep_s: float, *, room: bool = True
) -> PostingOutcome | None:
    """Write a new task; if there is a task of its id, or one of its key not older than `keep_s`, return that one.

    Returns:
        None if the task would be new, and there is no room for it.
    """
    if room and _insert(connection, posting, moment, keep_s):
        return PostingOutcome(posting.id, TaskState.QUEUED.value, new=True)
    row = connection.execute("SELECT id, state, service FROM tasks WHERE id = ?", (posting.id,)).fetchone()
    if row is None and posting.key is not None:
        oldest = moment.age_s - keep_s
        how = "SELECT id, state, service FROM tasks WHERE key = ? AND posted_age_s > ?"
        row = connection.execute(how, (posting.key, oldest)).fetchone()
    return None if row is None else PostingOutcome(row[0], row[1], new=False, is_other=row[2] != posting.service)


def _insert(connection: sqlite3.Connection, posting: Posting, moment: Moment, keep_s: float) -> bool:
    """Write a new task; false if its id or key is in use."""
    if posting.key is not None:  # a key that is too old is free
        how = "UPDATE tasks SET key = NULL WHERE key = ? AND posted_age_s <= ?"
        connection.execute(how, (posting.key, moment.age_s - keep_s))
    done = connection.execute(f"{NEW_ROW} {NEW_VALUES} ON CONFLICT DO NOTHING", new_values(posting, moment))
    return done.rowcount == 1


def new_values(posting: Posting, moment: Moment) -> tuple[Any, ...]:
    """Return the values of a new task's row, in the order of `NEW_ROW`."""
    return (
        posting.id,
        posting.key,
        posting.service,
        posting.action,
        posting.args,
        posting.retries,
        posting.priority,
        moment.now_ns,
        moment.now_ns,
        moment.wall(posting.expires_s),
        moment.mark(posting.expires_s),
        moment.age_s,
    )


def begun(connection: sqlite3.Connection, task: bytes, attempt: int, worker: str) -> None:
    """Write that an attempt was given to a worker, unless the task has ended."""
    how = f"UPDATE tasks SET state = 'running', attempt = ?, worker = ? WHERE id = ? AND {STILL_OPEN}"  # noqa: S608
    connection.execute(how, (attempt, worker, task))


def delayed(connection: sqlite3.Connection, task: bytes, attempt: int, in_s: float, why: str, moment: Moment) -> None:
    """Write that a task waits for its next attempt, unless it has ended."""
    connection.execute(
        f"UPDATE tasks SET state = 'waiting', attempt = ?, due_ns = ?, due_boot = ?, trouble = ? WHERE id = ? AND {STILL_OPEN}",  # noqa: S608
        (attempt, moment.wall(in_s), moment.mark(in_s), why[:TROUBLE_CHARACTERS], task),
    )


def ended(
    connection: sqlite3.Connection,
    task: bytes,
    state: str,
    attempt: int | None,
    message: Reply | Error,
    moment: Moment,
    worker: str = "",
    runs: tuple[Run, ...] = (),
) -> bool:
    """Write how a task ended, once, with its last attempt and its worker if these are known; false if it had ended before."""
    changed = connection.execute(
        "UPDATE tasks SET state = ?2, attempt = coalesce(?3, attempt), ended_ns = ?4, ended_age_s = ?5, answer = ?6,"
        " trouble = coalesce(nullif(?7, ''), trouble), worker = coalesce(nullif(?8, ''), worker), runs = ?9"
        " WHERE id = ?1 AND state IN ('queued', 'running', 'waiting')",
        end_values(task, state, attempt, message, moment, worker, runs),
    )
    return changed.rowcount == 1


def end_values(
    task: bytes,
    state: str,
    attempt: int | None,
    message: Reply | Error,
    moment: Moment,
    worker: str,
    runs: tuple[Run, ...],
) -> tuple[Any, ...]:
    """Return the values of a task's end, in the order of `ENDS`."""
    answer = message.value if isinstance(message, Reply) else [message.code, message.text, message.details]
    last = "" if isinstance(message, Reply) else _last_trouble(message)
    packed = own.pack(answer)
    return (task, state, attempt, moment.now_ns, moment.age_s, packed, last, worker, pack_plain(runs) if runs else None)


def end_and_read(
    connection: sqlite3.Connection, end: Callable[[sqlite3.Connection], object], task: bytes, *, wanted: bool
) -> dict[str, Any] | None:
    """Do what ends a task and, if its row is wanted, read it as that leaves it; None if it is not, or cannot be read."""
    end(connection)
    if wanted:
        with contextlib.suppress(ProtocolError):  # of an answer that cannot be unpacked: the end stands
            return read(connection, task)
    return None


def _last_trouble(error: Error) -> str:
    """Return why the last attempt failed, in the form of its `troubles`; or why the task ended, if no attempt had failed."""
    troubles = error.details.get("troubles") or [f"{error.code}: {error.text}"]
    return str(troubles[-1])[:TROUBLE_CHARACTERS]


def read(connection: sqlite3.Connection, task: bytes) -> dict[str, Any] | None:
    """Read one task: its row as a map, with `value` or `error` if it has ended; None if no task has this id."""
    row = connection.execute(f"SELECT {COLUMNS}, answer FROM tasks WHERE id = ?", (task,)).fetchone()  # noqa: S608
    return None if row is None else _whole(row)


def read_many(connection: sqlite3.Connection, tasks: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
    """Read tasks as `read` does, by their ids; without those that do not exist or cannot be read."""
    rows: dict[bytes, dict[str, Any]] = {}
    how = f"SELECT {COLUMNS}, answer FROM tasks WHERE id IN ({', '.join('?' * len(tasks))})"  # noqa: S608
    for row in connection.execute(how, tasks):
        try:
            rows[row[0]] = _whole(row)
        except ProtocolError:  # of an answer that cannot be unpacked
            continue
    return rows


def _whole(row: tuple[Any, ...]) -> dict[str, Any]:
    task_row = _plain(row)
    if task_row["ended_ns"] is not None:
        packed = row[-1]
        answer = unpack(packed) if packed is not None else None
        task_row["kept"] = packed is not None
        if task_row["state"] == DONE:
            task_row["value"] = answer
        elif answer is not None:
            task_row["error"] = {"code": answer[0], "text": answer[1], "details": answer[2]}
    return task_row


def detail(connection: sqlite3.Connection, task: bytes) -> dict[str, Any] | None:
    """Read one task as `read` does, with its arguments and attempts; values of more than `MOST_SHOWN` bytes are left out."""
    row = connection.execute(f"SELECT {COLUMNS}, args, runs, answer FROM tasks WHERE id = ?", (task,)).fetchone()  # noqa: S608
    if row is None:
        return None
    args, runs, answer = row[-3:]
    kept = {"args_bytes": len(args), "answer_bytes": len(answer or b"")}
    shown = _whole((*row[:-3], None if answer is None or len(answer) > MOST_SHOWN else answer))
    if "kept" in shown:
        shown["kept"] = answer is not None
    with contextlib.suppress(ProtocolError):  # an unreadable row
        shown["args"] = unpack(args) if len(args) <= MOST_SHOWN else None
    return {"args": None, **shown, **kept, "runs": [] if runs is None else [run_row(run) for run in decode_runs(runs)]}


def run_row(run: Run) -> dict[str, Any]:
    """Return an attempt as a map of `hulak.task.show`."""
    return {name: getattr(run, name) for name in Run.__struct_fields__}


def rows(
    connection: sqlite3.Connection, state: str | None, service: str | None, most: int, before: bytes | None = None
) -> list[dict[str, Any]] | None:
    """List tasks, the newest first, of one state or service and before a task, if given; each row is found by an index.

    Returns:
        None if there is no task `before`.
    """
    last_row = NEWEST
    if before is not None:
        row = connection.execute("SELECT rowid FROM tasks WHERE id = ?", (before,)).fetchone()
        if row is None:
            return None
        last_row = row[0]
    select = f"SELECT rowid, {COLUMNS} FROM tasks"  # noqa: S608 - constant
    last = "rowid < ? ORDER BY rowid DESC LIMIT ?"
    if service is not None:
        tasks = []
        for single in STATES if state is None else (state,):
            index = "tasks_of_service WHERE ended_ns NOTNULL AND" if single in ENDED else "tasks_in_state WHERE"
            how = f"{select} INDEXED BY {index} service = ? AND state = ? AND {last}"
            tasks += connection.execute(how, (service, single, last_row, most)).fetchall()
        tasks = sorted(tasks, key=itemgetter(0), reverse=True)[:most]
    elif state is not None:
        how = f"{select} INDEXED BY tasks_in_state WHERE state = ? AND {last}"
        tasks = connection.execute(how, (state, last_row, most)).fetchall()
    else:
        tasks = connection.execute(f"{select} WHERE {last}", (last_row, most)).fetchall()
    return [_plain(row[1:]) for row in tasks]


def drop(connection: sqlite3.Connection, task: bytes) -> bool:
    """Delete a dead letter, or an unreadable row; false if no such row has this id."""
    how = "DELETE FROM tasks WHERE id = ? AND state IN ('failed', 'unreadable')"
    return connection.execute(how, (task,)).rowcount == 1


def _plain(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return the first values of a row, those of `COLUMNS`, as a map."""
    return dict(zip(NAMES, row, strict=False))
