"""Reads the tasks that had not ended at the last stop, a bounded number at a time; unreadable rows are set aside."""

import heapq
import itertools
import math
import sqlite3
from collections.abc import Container
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import Struct

from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.task_queue import PRIORITIES, STATES, UNREADABLE, CalledTask, TaskState
from hulak.bus.wire.failures import MAX_RETRY_AFTER_S
from hulak.bus.wire.messages import ID_BYTES

OPEN = (TaskState.QUEUED.value, TaskState.RUNNING.value, TaskState.WAITING.value)
TOGETHER = f"SELECT worker FROM tasks WHERE state = '{TaskState.RUNNING.value}' GROUP BY worker HAVING count(*) > 1"  # noqa: S608
IN_DOUBT = "the broker was restarted while {worker} held it and others; not counted, since it may not have been begun"
read_map = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode  # raises a ValueError for other values
SELECT = (
    "SELECT rowid, worker, id, service, action, args, retries, priority, state, attempt, posted_ns, due_ns, due_boot, expires_ns,"
    " expires_boot, trouble FROM tasks INDEXED BY tasks_in_state WHERE state = ? AND rowid > ? ORDER BY rowid"
)


class UnfinishedTask(Struct, frozen=True):
    """A task that had not ended when the broker stopped."""

    task: CalledTask
    in_s: float  # until it is due


@dataclass(slots=True)
class UnfinishedTasks:
    """A batch of the tasks that have not ended, the oldest first."""

    after: int  # rowid of the last one
    tasks: list[UnfinishedTask] = field(default_factory=list)
    more: bool = False  # there are more tasks after these
    bad: list[str] = field(default_factory=list)  # why rows were set aside
    unreadable: int = 0  # rows set aside, of all tables, earlier ones included


class MemoryRoom(Struct, frozen=True):
    """The room for tasks in memory."""

    tasks: int
    size: int  # bytes of arguments, packed
    alone: bool = False  # no task is in memory, so there will never be more room: the first task is read, whatever its size
    batch: float = math.inf  # bytes after which to pause


def read(connection: sqlite3.Connection, after: int, room: MemoryRoom, moment: Moment, grace_s: float) -> UnfinishedTasks:
    """Read tasks that have not ended, as far as there is room; set unreadable rows aside.

    Args:
        connection: to the store.
        after: rowid after which to begin.
        room: for the tasks.
        moment: the present one.
        grace_s: seconds that a running task waits for its worker to report it.
    """
    batch = UnfinishedTasks(after)
    bad: list[tuple[str, int]] = []
    size = 0
    before, connection.text_factory = connection.text_factory, bytes  # a malformed text affects its row only
    try:
        together = {worker for (worker,) in connection.execute(TOGETHER)}
        cursors = [connection.execute(SELECT, (state, after)) for state in OPEN]
        for row in heapq.merge(*cursors, key=itemgetter(0)):
            try:
                restored = _restored(row, moment, grace_s, together)
            except (ValueError, TypeError, OverflowError) as error:  # UnicodeDecodeError is a ValueError
                bad.append((UNREADABLE, row[0]))
                batch.bad.append(f"row {row[0]}: {error}")
                batch.after = row[0]
                continue
            size += restored.task.size
            fits = size <= room.size or (room.alone and not batch.tasks)
            if not fits or len(batch.tasks) >= room.tasks:
                batch.more = True
                break
            batch.tasks.append(restored)
            batch.after = row[0]
            if size >= room.batch:
                batch.more = True
                break
    finally:
        connection.text_factory = before
    connection.executemany("UPDATE tasks SET state = ? WHERE rowid = ?", bad)
    batch.unreadable = count_unreadable(connection)
    return batch


def _restored(row: tuple[Any, ...], moment: Moment, grace_s: float, together: Container[bytes]) -> UnfinishedTask:
    _, worker, task_id, service, action, args, retries, priority, state, attempt, posted_ns, due_ns, due_boot, *rest = row
    expires_ns, expires_boot, trouble = rest
    if type(task_id) is not bytes or len(task_id) != ID_BYTES:
        raise ValueError(f"id {task_id!r:.60} is not {ID_BYTES} bytes")
    read_map(args)
    for number in (retries, attempt, posted_ns, due_ns, 0 if expires_ns is None else expires_ns):
        if type(number) is not int or number < 0:
            raise ValueError(f"{number!r:.60} is not a number of at least 0")
    if priority not in PRIORITIES:
        raise ValueError(f"priority {priority!r:.60} is not one of {PRIORITIES}")
    left_s = math.inf if expires_ns is None else moment.left_s(expires_ns, _text(expires_boot))
    due_s = moment.left_s(due_ns, _text(due_boot)) if state == b"waiting" else 0.0
    if math.isnan(left_s) or math.isnan(due_s):
        raise ValueError("the time of its next attempt or of its end is not a number")
    last_trouble = _text(trouble)
    task = CalledTask(
        id=task_id,
        client=b"",
        service=service.decode(),
        action=action.decode(),
        args=msgspec.Raw(args),
        retries=retries,
        since=moment.now - (moment.now_ns - posted_ns) / 1e9,
        deadline=moment.now + left_s,
        attempt=attempt,
        troubles=[last_trouble] if last_trouble else [],
        priority=priority,
        posted=True,
        size=len(args),
    )
    if state == b"running":
        task.suspect = True
        if attempt and worker in together:  # the rule for a lost worker: an attempt counts only if it held no other task
            task.attempt, task.spared = attempt - 1, 1
            task.troubles.append(IN_DOUBT.format(worker=worker.decode(errors="replace")))
    due_s = min(max(0.0, due_s), MAX_RETRY_AFTER_S)  # so that a wall clock that was set back cannot delay it without limit
    return UnfinishedTask(task, max(due_s, grace_s) if state == b"running" else due_s)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def set_aside_unknown(connection: sqlite3.Connection) -> int:
    """Set aside the rows with an unknown state; returns their number."""
    count = 0
    for low, high in itertools.pairwise(
        (None, *sorted(STATES), None)
    ):  # by ranges: an index finds them, independent of the number of rows
        bounds = [f"state {sign} ?" for sign, bound in ((">", low), ("<", high)) if bound is not None]
        how = f"UPDATE tasks SET state = '{UNREADABLE}' WHERE {' AND '.join(bounds)}"  # noqa: S608 - constants
        count += connection.execute(how, [bound for bound in (low, high) if bound is not None]).rowcount
    return count


def count_unreadable(connection: sqlite3.Connection) -> int:
    """Count the rows that are set aside, of all tables."""
    (tasks,) = connection.execute("SELECT count(*) FROM tasks WHERE state = ?", (UNREADABLE,)).fetchone()
    (others,) = connection.execute("SELECT count(*) FROM set_aside").fetchone()
    return int(tasks + others)
