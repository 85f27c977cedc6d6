"""The statements of the store: what is written of a posted task, and read again."""

import math
import sqlite3
from dataclasses import dataclass
from typing import Any

from bus.core.posted import Posting
from bus.core.tasks import CalledTask, State
from bus.frames import pack, unpack
from bus.messages import Error, Reply

TROUBLE_CHARACTERS = 500
COLUMNS = "id, key, service, action, state, attempt, retries, priority, posted_ns, due_ns, expires_ns, ended_ns, worker, trouble"


@dataclass(frozen=True, slots=True)
class Restored:
    """A task that had not ended when the broker did."""

    task: CalledTask
    in_s: float  # until it is due


def insert(connection: sqlite3.Connection, posting: Posting, now_ns: int) -> bool:
    """Write a new task; one that is there already (a repeated request) stays as it is, and false is returned."""
    expires_ns = None if posting.expires_s == math.inf else now_ns + int(posting.expires_s * 1e9)
    done = connection.execute(
        "INSERT INTO tasks (id, key, service, action, args, retries, priority, state, attempt, posted_ns, due_ns, expires_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', 0, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            posting.id,
            posting.key,
            posting.service,
            posting.action,
            pack(posting.args),
            posting.retries,
            posting.priority,
            now_ns,
            now_ns,
            expires_ns,
        ),
    )
    return done.rowcount == 1


def begun(connection: sqlite3.Connection, task: bytes, attempt: int, worker: str) -> None:
    """Write that an attempt was given to a worker."""
    connection.execute("UPDATE tasks SET state = 'running', attempt = ?, worker = ? WHERE id = ?", (attempt, worker, task))


def delayed(connection: sqlite3.Connection, task: bytes, attempt: int, due_ns: int, why: str) -> None:
    """Write that a task waits for its next attempt."""
    connection.execute(
        "UPDATE tasks SET state = 'waiting', attempt = ?, due_ns = ?, trouble = ? WHERE id = ?", (attempt, due_ns, why, task)
    )


def ended(connection: sqlite3.Connection, task: bytes, state: str, attempt: int, message: Reply | Error, now_ns: int) -> bool:
    """Write how a task ended, once; false if it had ended before."""
    answer = message.value if isinstance(message, Reply) else [message.code, message.text, message.details]
    last = "" if isinstance(message, Reply) else _last_trouble(message)
    changed = connection.execute(
        "UPDATE tasks SET state = ?, attempt = ?, ended_ns = ?, answer = ?, trouble = coalesce(nullif(?, ''), trouble)"
        " WHERE id = ? AND state IN ('queued', 'running', 'waiting')",
        (state, attempt, now_ns, pack(answer), last, task),
    )
    return changed.rowcount == 1


def _last_trouble(error: Error) -> str:
    """Say why the last attempt failed, as of the attempts before; or why the task ended, if none had failed."""
    troubles = error.details.get("troubles") or [f"{error.code}: {error.text}"]
    return str(troubles[-1])[:TROUBLE_CHARACTERS]


def unfinished(connection: sqlite3.Connection, now: float, now_ns: int, grace_s: float) -> tuple[list[Restored], list[Any]]:
    """Read every task that has not ended, and every key.

    Args:
        connection: to the store.
        now: monotonic seconds.
        now_ns: ns since 1970 UTC.
        grace_s: seconds that a running one is left alone, for its worker to say that it is still at it.
    Returns:
        the tasks, the oldest first; and rows of (key, task, posted_ns).
    """
    rows = connection.execute(
        "SELECT id, service, action, args, retries, priority, state, attempt, posted_ns, due_ns, expires_ns, trouble FROM tasks"
        " WHERE state IN ('queued', 'running', 'waiting') ORDER BY posted_ns"
    ).fetchall()
    found = []
    for task_id, service, action, args, retries, priority, state, attempt, posted_ns, due_ns, expires_ns, trouble in rows:
        deadline = math.inf if expires_ns is None else now + (expires_ns - now_ns) / 1e9
        task = CalledTask(
            id=task_id,
            client=b"",
            service=service,
            action=action,
            args=unpack(args),
            retries=retries,
            since=now - (now_ns - posted_ns) / 1e9,
            deadline=deadline,
            attempt=attempt,
            troubles=[trouble] if trouble else [],
            priority=priority,
            posted=True,
        )
        due_s = max(0.0, (due_ns - now_ns) / 1e9) if state == State.WAITING.value else 0.0
        found.append(Restored(task, max(due_s, grace_s if state == State.RUNNING.value else 0.0)))
    keys = connection.execute("SELECT key, id, posted_ns FROM tasks WHERE key IS NOT NULL").fetchall()
    return found, keys


def read(connection: sqlite3.Connection, task: bytes) -> dict[str, Any] | None:
    """Read one task: its row as a map, with `value` or `error` if it has ended; None if there is none of that id."""
    row = connection.execute(f"SELECT {COLUMNS}, answer FROM tasks WHERE id = ?", (task,)).fetchone()  # noqa: S608
    if row is None:
        return None
    told = _plain(row[:-1])
    if told["ended_ns"] is not None:
        answer = unpack(row[-1]) if row[-1] is not None else None
        told["kept"] = row[-1] is not None
        if told["state"] == State.DONE.value:
            told["value"] = answer
        elif answer is not None:
            told["error"] = {"code": answer[0], "text": answer[1], "details": answer[2]}
    return told


def posting(connection: sqlite3.Connection, task: bytes) -> tuple[str, str, dict[str, Any], int] | None:
    """Read what a dead letter was posted with: service, action, args, retries."""
    row = connection.execute(
        "SELECT service, action, args, retries FROM tasks WHERE id = ? AND state = 'failed'", (task,)
    ).fetchone()
    return None if row is None else (row[0], row[1], unpack(row[2]), row[3])


def rows(connection: sqlite3.Connection, state: str | None, service: str | None, most: int) -> list[dict[str, Any]]:
    """List tasks, the newest first, of one state or service if given."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM tasks WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR service = ?2)"  # noqa: S608
        " ORDER BY posted_ns DESC LIMIT ?3",
        (state, service, most),
    ).fetchall()
    return [_plain(row) for row in found]


def drop(connection: sqlite3.Connection, task: bytes) -> bool:
    """Delete a dead letter; false if there is none of that id."""
    return connection.execute("DELETE FROM tasks WHERE id = ? AND state = 'failed'", (task,)).rowcount == 1


def clean(connection: sqlite3.Connection, results_ns: int, keys_ns: int, dead_ns: int) -> None:
    """Let results, keys and dead letters go that are older than these moments, ns since 1970 UTC."""
    connection.execute(
        "UPDATE tasks SET answer = NULL WHERE ended_ns < ? AND state != 'failed' AND answer NOTNULL", (results_ns,)
    )
    connection.execute("UPDATE tasks SET key = NULL WHERE posted_ns < ? AND key NOTNULL", (keys_ns,))
    connection.execute("DELETE FROM tasks WHERE ended_ns < ? AND state != 'failed'", (keys_ns,))
    connection.execute("DELETE FROM tasks WHERE ended_ns < ? AND state = 'failed'", (dead_ns,))


def _plain(row: tuple[Any, ...]) -> dict[str, Any]:
    names = COLUMNS.split(", ")
    told = dict(zip(names, row, strict=True))
    told["task"] = told.pop("id")
    return told
