"""What of the store is let go, and when: by the broker's own clock, some rows at a time, each found by an index."""

import sqlite3
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowRetention:
    """How long things are kept, in seconds."""

    result_s: float
    key_s: float  # also the rows
    dead_s: float


# Where ended tasks stand, by what is next to be let go of them. The conditions are those of the indices, so that these are used.
ANSWERED = "tasks INDEXED BY tasks_answered WHERE ended_ns NOTNULL AND answer NOTNULL AND state != 'failed' AND ended_age_s"
BARE = "tasks INDEXED BY tasks_bare WHERE ended_ns NOTNULL AND answer IS NULL AND state != 'failed' AND ended_age_s"
DEAD = "tasks INDEXED BY tasks_dead WHERE ended_ns NOTNULL AND state = 'failed' AND ended_age_s"
KEYED = "tasks INDEXED BY tasks_keyed WHERE key NOTNULL AND posted_age_s"
# What is let go -> how, of what is older than an age.
WAYS = {
    "answers": f"UPDATE tasks SET answer = NULL WHERE rowid IN (SELECT rowid FROM {ANSWERED} < ? LIMIT ?)",  # noqa: S608 - these are constants
    "keys": f"UPDATE tasks SET key = NULL WHERE rowid IN (SELECT rowid FROM {KEYED} < ? LIMIT ?)",  # noqa: S608
    "rows": f"DELETE FROM tasks WHERE rowid IN (SELECT rowid FROM {BARE} < ? LIMIT ?)",  # noqa: S608
    "dead_letters": f"DELETE FROM tasks WHERE rowid IN (SELECT rowid FROM {DEAD} < ? LIMIT ?)",  # noqa: S608
}
# What has an age later than the present one counts from now on: a former version knew no ages, or the clock was lost.
SETTLE = [
    f"UPDATE tasks SET {name} = ?1 WHERE rowid IN (SELECT rowid FROM {where} > ?1 LIMIT ?2)"  # noqa: S608
    for name, where in (("ended_age_s", ANSWERED), ("ended_age_s", BARE), ("ended_age_s", DEAD), ("posted_age_s", KEYED))
]


def clean(connection: sqlite3.Connection, keep: RowRetention, age_s: float, most: int) -> tuple[Counter[str], bool]:
    """Let go what is older than it is kept, `most` rows of each kind at most.

    Args:
        connection: to the store.
        keep: how long.
        age_s: the present one.
        most: rows of each kind.
    Returns:
        how much was let go; and whether there may be more.
    """
    older = {"answers": min(keep.result_s, keep.key_s), "keys": keep.key_s, "rows": keep.key_s, "dead_letters": keep.dead_s}
    settled = [connection.execute(how, (age_s, most)).rowcount for how in SETTLE]
    gone = Counter({name: connection.execute(how, (age_s - older[name], most)).rowcount for name, how in WAYS.items()})
    return +gone, max(*settled, *gone.values()) >= most
