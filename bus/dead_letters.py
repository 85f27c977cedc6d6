"""How many dead letters the store has: counted now and then by the store's thread, for the statistics."""

import sqlite3

from bus.retention import DEAD
from bus.store import Store

COUNT_S = 10.0  # between two counts


def count(connection: sqlite3.Connection) -> int:
    """Count the posted tasks that failed for good and are still there, by their index."""
    found = connection.execute(f"SELECT count(*) FROM {DEAD} NOTNULL").fetchone()  # noqa: S608 - it is a constant
    return int(found[0])


class DeadLetters:
    """Their number, as of the last count.

    Args:
        store: that has them.
    """

    def __init__(self, store: Store) -> None:
        self.count = 0
        self._store = store
        self._due = 0.0

    def look(self, now: float) -> None:
        """Have them counted, if the last count was long ago; `now` in monotonic seconds."""
        if now >= self._due:
            self._due = now + COUNT_S
            self._store.put(count, self._counted)

    def _counted(self, found: int | None, why: str) -> None:
        del why  # it is tried again soon
        if found is not None:
            self.count = found
