"""The retention of the store's rows: by the broker's clock, a bounded number of rows at a time, each found by an index."""

import sqlite3
from collections import Counter

from msgspec import Struct


class RowRetention(Struct, frozen=True):
    """How long rows and their parts are kept, in seconds."""

    result_s: float
    key_s: float  # also the time of the rows
    dead_s: float


# Ended tasks, by the part that is deleted next. The conditions are those of the indices, so that SQLite uses them.
ANSWERED = "tasks INDEXED BY tasks_answered WHERE ended_ns NOTNULL AND answer NOTNULL AND state != 'failed' AND ended_age_s"
BARE = "tasks INDEXED BY tasks_bare WHERE ended_ns NOTNULL AND answer IS NULL AND state != 'failed' AND ended_age_s"
DEAD = "tasks INDEXED BY tasks_dead WHERE ended_ns NOTNULL AND state = 'failed' AND ended_age_s"
KEYED = "tasks INDEXED BY tasks_keyed WHERE key NOTNULL AND posted_age_s"
# Part -> the statement that deletes it where it is older than an age.
WAYS = {
    "answers": f"UPDATE tasks SET answer = NULL WHERE rowid IN (SELECT rowid FROM {ANSWERED} < ? LIMIT ?)",  # noqa: S608 - these are constants
    "keys": f"UPDATE tasks SET key = NULL WHERE rowid IN (SELECT rowid FROM {KEYED} < ? LIMIT ?)",  # noqa: S608
    "rows": f"DELETE FROM tasks WHERE rowid IN (SELECT rowid FROM {BARE} < ? LIMIT ?)",  # noqa: S608
    "dead_letters": f"DELETE FROM tasks WHERE rowid IN (SELECT rowid FROM {DEAD} < ? LIMIT ?)",  # noqa: S608
}
# A row whose age is later than the present one counts from now on: an earlier version stored no ages, or the clock was lost.
SETTLE = [
    f"UPDATE tasks SET {name} = ?1 WHERE rowid IN (SELECT rowid FROM {where} > ?1 LIMIT ?2)"  # noqa: S608
    for name, where in (("ended_age_s", ANSWERED), ("ended_age_s", BARE), ("ended_age_s", DEAD), ("posted_age_s", KEYED))
]


def clean(connection: sqlite3.Connection, keep: RowRetention, age_s: float, most: int) -> tuple[Counter[str], bool]:
    """Delete the rows and parts that are older than their time, `most` of each kind at most.

    Args:
        connection: to the store.
        keep: the times.
        age_s: the present age.
        most: rows of each kind.
    Returns:
        the number deleted of each kind; and whether there may be more.
    """
    older = {"answers": min(keep.result_s, keep.key_s), "keys": keep.key_s, "rows": keep.key_s, "dead_letters": keep.dead_s}
    settled = [connection.execute(how, (age_s, most)).rowcount for how in SETTLE]
    gone = Counter({name: connection.execute(how, (age_s - older[name], most)).rowcount for name, how in WAYS.items()})
    return +gone, max(*settled, *gone.values()) >= most
