"""Writes and reads of posted tasks as values, so that a transaction can run many of one kind with few statements.

One job has the tasks that were posted, begun, ended or asked for together: the work for a job is shared by them.

The sqlite3 module releases the interpreter's lock around each row of each statement. While the loop is busy, getting it back
costs more than the write. So writes of many tasks go into statements of up to `MOST_ROWS` rows. The result is that of the writes
one by one.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import Any, ClassVar, TypeVar

import msgspec

from hulak.bus.broker.storage import task_rows
from hulak.bus.broker.storage.database import NotTogether
from hulak.bus.broker.storage.task_rows import PostingOutcome
from hulak.bus.core.effects import Begun, Ended
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.core.tasks.task_queue import TaskState

MOST_ROWS = 32  # of a statement; each number of rows is another one, which the connection keeps prepared
UPDATES_FROM = sqlite3.sqlite_version_info >= (3, 33)  # SQLite has UPDATE ... FROM
Item = TypeVar("Item")


class PostWrite(msgspec.Struct, frozen=True, gc=False):
    """Write new tasks, see `task_rows.post`; its value is the outcome of each, None where there is no room."""

    postings: Sequence[Posting]
    moment: Moment
    keep_s: float
    room: bool = True

    @property
    def size(self) -> int:
        """The number of tasks."""
        return len(self.postings)

    def __call__(self, connection: sqlite3.Connection) -> list[PostingOutcome | None]:
        """Run it alone, task by task."""
        return [task_rows.post(connection, posting, self.moment, self.keep_s, room=self.room) for posting in self.postings]

    @staticmethod
    def together(connection: sqlite3.Connection, writes: Sequence["PostWrite"]) -> list[list[PostingOutcome | None]]:
        """Run several.

        Raises:
            NotTogether: one of the tasks is known already.
        """
        tasks = [(posting, write.moment) for write in writes for posting in write.postings]
        if not all(write.room for write in writes) or any(posting.key is not None for posting, _ in tasks):
            return [write(connection) for write in writes]
        for some in _parts(tasks):
            rows = ", ".join([task_rows.NEW_VALUES] * len(some))
            values = [value for posting, moment in some for value in task_rows.new_values(posting, moment)]
            if connection.execute(f"{task_rows.NEW_ROW} {rows} ON CONFLICT DO NOTHING", values).rowcount != len(some):
                raise NotTogether
        queued = TaskState.QUEUED.value
        return [[PostingOutcome(posting.id, queued, new=True) for posting in write.postings] for write in writes]


class BeginWrite(msgspec.Struct, frozen=True, gc=False):
    """Write that attempts were given to workers, see `task_rows.begun`.

    No client waits for it, so it waits for other writes; the end of a task in the same transaction makes its part superfluous.
    """

    lazy: ClassVar[bool] = True

    begun: Sequence[Begun]

    @property
    def size(self) -> int:
        """The number of tasks."""
        return len(self.begun)

    def without(self, covering: AbstractSet[bytes]) -> "BeginWrite":
        """Return the same without the tasks that others cover, see `EndWrite.covers`."""
        return BeginWrite([begin for begin in self.begun if begin.task not in covering])

    def apart(self) -> list["BeginWrite"]:
        """Return a write for each task."""
        return [BeginWrite([begin]) for begin in self.begun]

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Run it alone, task by task."""
        for begin in self.begun:
            task_rows.begun(connection, begin.task, begin.attempt, begin.worker)

    @staticmethod
    def together(connection: sqlite3.Connection, writes: Sequence["BeginWrite"]) -> list[None]:
        """Run several."""
        begun = [begin for write in writes for begin in write.begun]
        for (attempt, worker), alike in groupby(begun, key=lambda begin: (begin.attempt, begin.worker)):
            for some in _parts([begin.task for begin in alike]):
                which = f"id IN ({_marks(len(some))}) AND {task_rows.STILL_OPEN}"
                how = f"UPDATE tasks SET state = 'running', attempt = ?, worker = ? WHERE {which}"  # noqa: S608
                connection.execute(how, (attempt, worker, *some))
        return [None] * len(writes)


class EndWrite(msgspec.Struct, frozen=True, gc=False):
    """Write how tasks ended, and read the rows that are wanted; its value has the row of each task, None where it is not wanted.

    It has all that the `BeginWrite` of its tasks would write. See `task_rows.end_and_read`.
    """

    ends: Sequence[Ended]
    moment: Moment
    wanted: Callable[[bytes], bool]  # whether a client waits for the row of a task: asked in the store's thread
    held: bool = True  # the tasks were in memory: their last attempts are known

    @property
    def size(self) -> int:
        """The number of tasks."""
        return len(self.ends)

    @property
    def covers(self) -> list[bytes]:
        """The tasks of which no `BeginWrite` before it need run, since it writes the same or newer values."""
        return [end.task for end in self.ends] if self.held else []

    def apart(self) -> list["EndWrite"]:
        """Return a write for each task."""
        return [EndWrite([end], self.moment, self.wanted, self.held) for end in self.ends]

    def __call__(self, connection: sqlite3.Connection) -> list[dict[str, Any] | None]:
        """Run it alone, task by task."""
        return [self._end_one(connection, end) for end in self.ends]

    def _end_one(self, connection: sqlite3.Connection, end: Ended) -> dict[str, Any] | None:
        def write(connection: sqlite3.Connection) -> bool:
            return task_rows.ended(connection, *self.values_of(end))

        return task_rows.end_and_read(connection, write, end.task, wanted=self.wanted(end.task))

    def values_of(self, end: Ended) -> tuple[Any, ...]:
        """Return the arguments of `task_rows.ended` and `task_rows.end_values` for a task."""
        attempt = end.attempt if self.held else None
        return end.task, end.state, attempt, end.message, self.moment, end.worker, end.runs

    @staticmethod
    def together(connection: sqlite3.Connection, writes: Sequence["EndWrite"]) -> list[list[dict[str, Any] | None]]:
        """Run several."""
        tasks = [end.task for write in writes for end in write.ends]
        if not UPDATES_FROM or len(set(tasks)) < len(tasks):
            return [write(connection) for write in writes]
        for some in _parts([write.values_of(end) for write in writes for end in write.ends]):
            rows = ", ".join([task_rows.END_VALUES] * len(some))
            connection.execute(task_rows.ENDS.format(rows=rows), [value for end in some for value in task_rows.end_values(*end)])
        wanted = [end.task for write in writes for end in write.ends if write.wanted(end.task)]
        rows_of = {task: row for some in _parts(wanted) for task, row in task_rows.read_many(connection, some).items()}
        return [[rows_of.get(end.task) for end in write.ends] for write in writes]


class RowsRead(msgspec.Struct, frozen=True, gc=False):
    """Read the rows of tasks, see `task_rows.read`; its value has the row of each, None where there is none."""

    tasks: Sequence[bytes]

    @property
    def size(self) -> int:
        """The number of tasks."""
        return len(self.tasks)

    def __call__(self, connection: sqlite3.Connection) -> list[dict[str, Any] | None]:
        """Run it alone, task by task."""
        return [task_rows.read(connection, task) for task in self.tasks]

    @staticmethod
    def together(connection: sqlite3.Connection, reads: Sequence["RowsRead"]) -> list[list[dict[str, Any] | None]]:
        """Run several.

        Raises:
            ProtocolError: a row cannot be read.
        """
        wanted = [task for read in reads for task in read.tasks]
        rows_of = {task: row for some in _parts(wanted) for task, row in task_rows.read_many(connection, some).items()}
        # A missing row may be there, and unreadable.
        return [[rows_of.get(task) or task_rows.read(connection, task) for task in read.tasks] for read in reads]


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Split items into parts of `MOST_ROWS`, and a last one."""
    return (items[at : at + MOST_ROWS] for at in range(0, len(items), MOST_ROWS))


def _marks(count: int) -> str:
    return ", ".join("?" * count)
