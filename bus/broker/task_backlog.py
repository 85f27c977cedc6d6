"""The posted tasks that are in the store and not yet in memory: at a start all of them, as far as there is room for them at once.

Those beyond stay in the store, and come when there is room, the oldest first; new ones are not taken meanwhile.
"""

import sqlite3
import time
from collections.abc import Callable
from functools import partial

import structlog

from hulak.bus.broker.storage import unfinished_tasks
from hulak.bus.broker.storage.unfinished_tasks import MemoryRoom, UnfinishedTasks
from hulak.bus.broker.store_effects import BrokerEffect, Load, Store
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.moments import Moment

MOST = 1000  # tasks in one reading, while the loop runs
MOST_BYTES = 8 << 20  # of them; one may be larger


class TaskBacklog:
    """What of the store is still to be taken into memory.

    Args:
        dispatcher: takes the tasks.
        grace_s: seconds that a task which ran is left to its worker.
        moment: tells the present one.
        log: of this process.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        grace_s: float,
        moment: Callable[[], Moment],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self.dispatcher = dispatcher
        self.grace_s = grace_s
        self.moment = moment
        self.log = log
        self.known = False  # the store was read: what is in it is not new
        self.more = False  # there are tasks that wait for room
        self.restored = 0  # taken into memory
        self.unreadable = 0  # rows that are set aside
        self._after = 0  # rowid of the last one that was read
        self._why = ""  # it could not be read
        self._reading = False
        self._cancelled: set[bytes] = set()  # while they were being read

    def begin(self) -> list[BrokerEffect]:
        """Read what there is at a start, as soon as the store can be read."""
        self._reading = True
        return [Load(self._first, self._take)]

    def look(self) -> list[BrokerEffect]:
        """Read some more, if there is room for it."""
        room = self._room()
        if not self.more or self._reading or room.tasks <= 0 or (room.size <= 0 and not room.alone):
            return []
        self._reading = True
        room = MemoryRoom(min(room.tasks, MOST), room.size, room.alone, MOST_BYTES)
        return [Store(partial(self._read, room=room), self._take)]

    def cancel(self, task: bytes) -> None:
        """Note that a task which is not in memory was cancelled in the store: it may be on its way here."""
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

    def _take(self, found: UnfinishedTasks | None, why: str) -> list[BrokerEffect]:
        self._reading = False
        cancelled, self._cancelled = self._cancelled, set()
        if found is None:  # it is tried again; tasks are safe where they are
            self.more = True
            if why != self._why:
                self.log.error("posted tasks not read", why=why)
            self._why = why
            return []
        self.known, self.more, self._after, self._why = True, found.more, found.after, ""
        self.unreadable = found.unreadable
        for text in found.bad:
            self.log.error("row set aside", table="tasks", why=text)
        now = time.monotonic()
        tasks = [one for one in found.tasks if one.task.id not in cancelled]
        self.restored += len(tasks)
        return [effect for one in tasks for effect in self.dispatcher.restore(now, one.task, one.in_s)]
