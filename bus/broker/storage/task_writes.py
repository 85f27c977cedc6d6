"""Writes of posted tasks as values, so that a transaction can run many of one kind with few statements.

The sqlite3 module releases the interpreter's lock around each row of each statement. While the loop is busy, getting it back
costs more than the write. So writes of many tasks go into statements of 64, 16 or 4 rows; the others run alone. The result is
that of the writes one by one.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, ClassVar, TypeVar

import msgspec

from hulak.bus.broker.storage import task_rows
from hulak.bus.broker.storage.database import NotTogether
from hulak.bus.broker.storage.task_rows import PostingOutcome
from hulak.bus.core.effects import Run
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.wire.messages import Error, Reply

SIZES = (64, 16, 4)  # rows of a statement: few sizes, since each is another statement to prepare
UPDATES_FROM = sqlite3.sqlite_version_info >= (3, 33)  # SQLite has UPDATE ... FROM
Item = TypeVar("Item")


class PostWrite(msgspec.Struct, frozen=True, gc=False):
    """Write a new task, see `task_rows.post`."""

    posting: Posting
    moment: Moment
    keep_s: float
    room: bool = True

    def __call__(self, connection: sqlite3.Connection) -> PostingOutcome | None:
        """Run it alone."""
        return task_rows.post(connection, self.posting, self.moment, self.keep_s, room=self.room)

    @staticmethod
    def together(connection: sqlite3.Connection, writes: Sequence["PostWrite"]) -> list[PostingOutcome | None]:
        """Run several.

        Raises:
            NotTogether: one of the tasks is known already.
        """
        if not all(write.room and write.posting.key is None for write in writes):
            return [write(connection) for write in writes]
        for some in _parts(writes):
            rows = ", ".join([task_rows.NEW_VALUES] * len(some))
            values = [value for write in some for value in task_rows.new_values(write.posting, write.moment)]
            if connection.execute(f"{task_rows.NEW_ROW} {rows} ON CONFLICT DO NOTHING", values).rowcount != len(some):
                raise NotTogether
        return [PostingOutcome(write.posting.id, TaskState.QUEUED.value, new=True) for write in writes]


class BeginWrite(msgspec.Struct, frozen=True, gc=False):
    """Write that an attempt was given to a worker, see `task_rows.begun`.

    No client waits for it, so it waits for other writes; the end of the task in the same transaction makes it superfluous.
    """

    lazy: ClassVar[bool] = True

    task: bytes
    attempt: int
    worker: str

    @property
    def covered_by(self) -> bytes:
        """See `EndWrite.covers`."""
        return self.task

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Run it alone."""
        task_rows.begun(connection, self.task, self.attempt, self.worker)

    @staticmethod
    def together(connection: sqlite3.Connection, writes: Sequence["BeginWrite"]) -> list[None]:
        """Run several."""
        for (attempt, worker), alike in groupby(writes, key=lambda write: (write.attempt, write.worker)):
            for some in _parts([write.task for write in alike]):
                which = f"id IN ({_marks(len(some))}) AND {task_rows.STILL_OPEN}"
                how = f"UPDATE tasks SET state = 'running', attempt = ?, worker = ? WHERE {which}"  # noqa: S608
                connection.execute(how, (attempt, worker, *some))
        return [None] * len(writes)


class EndWrite(msgspec.Struct, frozen=True, gc=False):
    """Write how a task ended, and read its row if it is wanted, see `task_rows.end_and_read`.

    It has all that the `BeginWrite` of its task would write.
    """

    task: bytes
    state: str
    attempt: int | None
    message: Reply | Error
    moment: Moment
    wanted: bool  # a client waits for the row
    worker: str = ""
    runs: tuple[Run, ...] = ()

    def __call__(self, connection: sqlite3.Connection) -> dict[str, Any] | None:
        """Run it alone."""
        return task_rows.end_and_read(connection, self._end, self.task, wanted=self.wanted)

    def _end(self, connection: sqlite3.Connection) -> bool:
        what = (self.task, self.state, self.attempt, self.message, self.moment, self.worker, self.runs)
        return task_rows.ended(connection, *what)

    @property
    def covers(self) -> bytes | None:
        """The `covered_by` of jobs before it that need not run, since it writes the same or newer values; None: of none."""
        return None if self.attempt is None else self.task

    @staticmethod
    def together(connection: sqlite3.Connection, writes: Sequence["EndWrite"]) -> list[dict[str, Any] | None]:
        """Run several."""
        if not UPDATES_FROM or len({write.task for write in writes}) < len(writes):
            return [write(connection) for write in writes]
        for some in _parts(writes):
            rows = ", ".join([task_rows.END_VALUES] * len(some))
            values: list[Any] = []
            for write in some:
                what = (write.task, write.state, write.attempt, write.message, write.moment, write.worker, write.runs)
                values += task_rows.end_values(*what)
            connection.execute(task_rows.ENDS.format(rows=rows), values)
        wanted = [write.task for write in writes if write.wanted]
        rows_of = {task: row for some in _parts(wanted) for task, row in task_rows.read_many(connection, some).items()}
        return [rows_of.get(write.task) for write in writes]


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Split items into parts whose lengths are of `SIZES`, or 1."""
    at = 0
    while at < len(items):
        size = next((size for size in SIZES if size <= len(items) - at), 1)
        yield items[at : at + size]
        at += size


def _marks(count: int) -> str:
    return ", ".join("?" * count)
