"""Dead letters in the store: how one is posted again, and their number. PROTOCOL.md section 6.2."""

import sqlite3

from hulak.bus.broker.storage import task_rows
from hulak.bus.broker.storage.row_retention import DEAD
from hulak.bus.broker.store_effects import BrokerEffect, Store
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting

COUNT_S = 10.0  # between two counts
DOES_ITS_WORK = """
    SELECT id, state FROM tasks
    WHERE id = (SELECT retried_as FROM tasks WHERE id = ?) AND state NOT IN ('failed', 'expired', 'cancelled', 'unreadable')
"""


def read(connection: sqlite3.Connection, task: bytes, new_id: bytes) -> Posting | None:
    """Read the posting of a dead letter, to post it again under another id; it never expires."""
    row = connection.execute(
        "SELECT service, action, args, retries, priority FROM tasks WHERE id = ? AND state = 'failed'", (task,)
    ).fetchone()
    if row is None:
        return None
    service, action, args, retries, priority = row
    return Posting(new_id, None, service, action, args, retries, float("inf"), priority)


def post(
    connection: sqlite3.Connection, letter: bytes, posting: Posting, moment: Moment, keep_s: float, *, room: bool
) -> task_rows.PostingOutcome | None:
    """Post a dead letter again, and record the new task's id in its row; otherwise as `task_rows.post`.

    While the task that it was posted again as is not done, or is done well, that one is returned: two operators that see one
    letter post one task.
    """
    row = connection.execute(DOES_ITS_WORK, (letter,)).fetchone()
    if row is not None:
        task, state = row
        return task_rows.PostingOutcome(task, state, new=False)
    is_there = connection.execute("SELECT 1 FROM tasks WHERE id = ? AND state = 'failed'", (letter,)).fetchone() is not None
    posted = task_rows.post(connection, posting, moment, keep_s, room=room and is_there)
    if posted is None and not is_there:  # it was dropped since it was read
        return task_rows.PostingOutcome(letter, "", new=False, is_gone=True)
    if posted is not None and posted.new:
        connection.execute("UPDATE tasks SET retried_as = ? WHERE id = ?", (posted.task, letter))
    return posted


def count(connection: sqlite3.Connection) -> int:
    """Count the dead letters, by their index."""
    row = connection.execute(f"SELECT count(*) FROM {DEAD} NOTNULL").fetchone()  # noqa: S608 - it is a constant
    return int(row[0])


class DeadLetters:
    """The number of dead letters at the last count."""

    def __init__(self) -> None:
        self.count = 0
        self._due = 0.0

    def poll(self, now: float) -> list[BrokerEffect]:
        """Return a job that counts them, if a count is due; `now` in monotonic seconds."""
        if now < self._due:
            return []
        self._due = now + COUNT_S
        return [Store(count, self._counted)]

    def _counted(self, number: int | None, why: str) -> list[BrokerEffect]:
        del why  # counted again soon
        if number is not None:
            self.count = number
        return []
