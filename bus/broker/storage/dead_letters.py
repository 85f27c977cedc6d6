"""Dead letters in the store: how one is posted anew, and how many there are. PROTOCOL.md section 6.2."""

import sqlite3

from hulak.bus.broker.storage import task_rows
from hulak.bus.broker.storage.row_retention import DEAD
from hulak.bus.broker.store_effects import BrokerEffect, Store
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting

COUNT_S = 10.0  # between two counts


def read(connection: sqlite3.Connection, task: bytes, new_id: bytes) -> Posting | None:
    """Read what a dead letter was posted with, to be posted anew under another id; it never expires."""
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
    """Write what a dead letter is posted anew as, and in its row which task that is; else as `task_rows.post`."""
    posted = task_rows.post(connection, posting, moment, keep_s, room=room)
    if posted is not None and posted.new:
        connection.execute("UPDATE tasks SET retried_as = ? WHERE id = ?", (posted.task, letter))
    return posted


def count(connection: sqlite3.Connection) -> int:
    """Count the posted tasks that failed for good and are still there, by their index."""
    found = connection.execute(f"SELECT count(*) FROM {DEAD} NOTNULL").fetchone()  # noqa: S608 - it is a constant
    return int(found[0])


class DeadLetters:
    """Their number, as of the last count."""

    def __init__(self) -> None:
        self.count = 0
        self._due = 0.0

    def look(self, now: float) -> list[BrokerEffect]:
        """Have them counted, if the last count was long ago; `now` in monotonic seconds."""
        if now < self._due:
            return []
        self._due = now + COUNT_S
        return [Store(count, self._counted)]

    def _counted(self, found: int | None, why: str) -> list[BrokerEffect]:
        del why  # it is tried again soon
        if found is not None:
            self.count = found
        return []
