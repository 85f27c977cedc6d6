"""What of the store is let go, and when: by the broker's own clock, some rows at a time, each found by an index."""

import sqlite3
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept, in seconds."""

    result_s: float
    key_s: float  # also the rows
    dead_s: float


# What is let go -> how, of what is older than an age. The conditions are those of the indices, so that these are used.
WAYS = {
    "answers": "UPDATE tasks SET answer = NULL WHERE rowid IN (SELECT rowid FROM tasks INDEXED BY tasks_answered WHERE"
    " ended_age_s < ? AND ended_age_s NOTNULL AND answer NOTNULL AND state != 'failed' LIMIT ?)",
    "keys": "UPDATE tasks SET key = NULL WHERE rowid IN (SELECT rowid FROM tasks INDEXED BY tasks_keyed WHERE"
    " posted_age_s < ? AND key NOTNULL LIMIT ?)",
    "rows": "DELETE FROM tasks WHERE rowid IN (SELECT rowid FROM tasks INDEXED BY tasks_bare WHERE"
    " ended_age_s < ? AND ended_age_s NOTNULL AND answer IS NULL AND state != 'failed' LIMIT ?)",
    "dead_letters": "DELETE FROM tasks WHERE rowid IN (SELECT rowid FROM tasks INDEXED BY tasks_dead WHERE"
    " ended_age_s < ? AND ended_age_s NOTNULL AND state = 'failed' LIMIT ?)",
}


def clean(connection: sqlite3.Connection, keep: Keep, age_s: float, most: int) -> Counter[str]:
    """Let go what is older than it is kept, `most` rows of each kind at most; counts what was let go.

    Args:
        connection: to the store.
        keep: how long.
        age_s: the present one.
        most: rows of each kind.
    """
    older = {"answers": min(keep.result_s, keep.key_s), "keys": keep.key_s, "rows": keep.key_s, "dead_letters": keep.dead_s}
    return Counter({name: connection.execute(how, (age_s - older[name], most)).rowcount for name, how in WAYS.items()})


def settle_ages(connection: sqlite3.Connection, age_s: float) -> None:
    """Count what has an age later than the present one from now on: a former version knew no ages, or the clock was lost."""
    connection.execute("UPDATE tasks SET posted_age_s = ?1 WHERE posted_age_s > ?1 AND key NOTNULL", (age_s,))
    for of in ("answer NOTNULL AND state != 'failed'", "answer IS NULL AND state != 'failed'", "state = 'failed'"):
        how = f"UPDATE tasks SET ended_age_s = ?1 WHERE ended_age_s > ?1 AND ended_age_s NOTNULL AND {of}"  # noqa: S608
        connection.execute(how, (age_s,))
