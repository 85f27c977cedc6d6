"""The posted tasks that are in the store and not yet in memory: at the start all of them, if there is room for them.

The others stay in the store and are read when there is room, the oldest first; until then new tasks are refused.
"""

import sqlite3
import time
from collections.abc import Callable
from functools import partial

from hulak.bus.broker.storage import unfinished_tasks
from hulak.bus.broker.storage.unfinished_tasks import MemoryRoom, UnfinishedTasks
from hulak.bus.broker.store_effects import BrokerEffect, Load, Store
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.process.log_type import Log

MOST = 1000  # tasks read at a time, while the loop runs
MOST_BYTES = 8 << 20  # of their bodies; a single task may be larger


class TaskBacklog:
    """Tasks of the store that are still to be read into memory.

    Args:
        dispatcher: receives the tasks.
        grace_s: seconds that a task which was running is left to its worker.
        moment: returns the present moment.
        log: of this process.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        grace_s: float,
        moment: Callable[[], Moment],
        log: Log,
    ) -> None:
        self.dispatcher = dispatcher
        self.grace_s = grace_s
        self.moment = moment
        self.log = log
        self.known = False  # true after the store was read
        self.more = False  # tasks in the store wait for room
        self.restored = 0  # tasks read into memory
        self.unreadable = 0  # rows that were set aside
        self._after = 0  # rowid of the last row read
        self._why = ""  # why the store could not be read
        self._reading = False
        self._cancelled: set[bytes] = set()  # tasks cancelled during a read

    def begin(self) -> list[BrokerEffect]:
        """Read the tasks at the start, as soon as the store can be read."""
        self._reading = True
        return [Load(self._first, self._take)]

    def read_more(self) -> list[BrokerEffect]:
        """Read more tasks, if there is room for them."""
        room = self._room()
        if not self.more or self._reading or room.tasks <= 0 or (room.size <= 0 and not room.alone):
            return []
        self._reading = True
        room = MemoryRoom(min(room.tasks, MOST), room.size, room.alone, MOST_BYTES)
        return [Store(partial(self._read, room=room), self._take)]

    def cancel(self, task: bytes) -> None:
        """Record that a task which is not in memory was cancelled in the store: a read may be returning it."""
        if self._reading:
            self._cancelled.add(task)

    def _room(self) -> MemoryRoom:
        dispatcher, policy = self.dispatcher, self.dispatcher.policy
        return MemoryRoom(
            policy.max_tasks - len(dispatcher.tasks), policy.max_task_bytes - dispatcher.size, alone=not dispatcher.size
        )

    def _first(self, connection: sqlite3.Connection) -> UnfinishedTasks:
        unfinished_tasks.set_aside_unknown(connection)
        return self._read(connection, self._room())

    def _read(self, connection: sqlite3.Connection, room: MemoryRoom) -> UnfinishedTasks:
        return unfinished_tasks.read(connection, self._after, room, self.moment(), self.grace_s)

    def _take(self, batch: UnfinishedTasks | None, why: str) -> list[BrokerEffect]:
        self._reading = False
        cancelled, self._cancelled = self._cancelled, set()
        if batch is None:  # tried again later; the tasks are safe in the store
            self.more = True
            if why != self._why:
                self.log.error("posted tasks not read", why=why)
            self._why = why
            return []
        self.known, self.more, self._after, self._why = True, batch.more, batch.after, ""
        self.unreadable = batch.unreadable
        for text in batch.bad:
            self.log.error("row set aside", table="tasks", why=text)
        now = time.monotonic()
        tasks = [entry for entry in batch.tasks if entry.task.id not in cancelled]
        self.restored += len(tasks)
        return [effect for entry in tasks for effect in self.dispatcher.restore(now, entry.task, entry.in_s)]
