"""The tables of the store, and the upgrades from earlier versions.

`PRAGMA user_version` is the version. Tasks are listed by their rowid: it grows with each task, independent of the clocks, and
is the last column of each index.
"""

import sqlite3

from hulak.bus.errors import DatabaseUnreadable

FIRST = (
    """
CREATE TABLE IF NOT EXISTS tasks (
    id BLOB PRIMARY KEY,
    key TEXT UNIQUE,
    service TEXT NOT NULL,
    action TEXT NOT NULL,
    args BLOB NOT NULL,         -- msgpack map
    retries INTEGER NOT NULL,
    priority INTEGER NOT NULL,  -- 0 high, 1 normal, 2 low
    state TEXT NOT NULL,        -- queued, running, waiting, done, failed, expired, cancelled; unreadable: set aside
    attempt INTEGER NOT NULL,
    posted_ns INTEGER NOT NULL, -- these four: ns since 1970 UTC
    due_ns INTEGER NOT NULL,    -- of the next attempt
    expires_ns INTEGER,
    ended_ns INTEGER,
    worker TEXT NOT NULL DEFAULT '',
    trouble TEXT NOT NULL DEFAULT '',
    answer BLOB                 -- msgpack: the value of a done task, else [code, text, details]
)""",
    """
CREATE TABLE IF NOT EXISTS displays (
    id TEXT PRIMARY KEY,
    symbol TEXT NOT NULL,
    init BLOB NOT NULL,         -- msgpack map
    first INTEGER NOT NULL,     -- number of the first tick that counts
    worker TEXT,
    token INTEGER NOT NULL
)""",
    """
CREATE TABLE IF NOT EXISTS targets (
    service TEXT PRIMARY KEY,
    workers INTEGER NOT NULL    -- set by hand
)""",
    """
CREATE TABLE IF NOT EXISTS config_values (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,        -- msgpack
    PRIMARY KEY (scope, key)
) WITHOUT ROWID""",
    """
CREATE TABLE IF NOT EXISTS config_versions (
    version INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,     -- ns since 1970 UTC
    by TEXT NOT NULL,
    note TEXT NOT NULL,
    changes BLOB NOT NULL       -- msgpack: array of [scope, key, before, after]
)""",
)
NEVER = "9e99"  # an age later than any other: such a row counts from when it is found, see `bus.broker.storage.row_retention`
STEPS: tuple[tuple[str, ...], ...] = (  # from version 0 to 1, ...
    (
        "ALTER TABLE tasks ADD COLUMN due_boot TEXT",  # these two: as due_ns and expires_ns, see bus.core.tasks.moments
        "ALTER TABLE tasks ADD COLUMN expires_boot TEXT",
        f"ALTER TABLE tasks ADD COLUMN posted_age_s REAL NOT NULL DEFAULT {NEVER}",  # these: bus.core.journal.broker_clock
        f"ALTER TABLE tasks ADD COLUMN ended_age_s REAL NOT NULL DEFAULT {NEVER}",
        "DROP INDEX IF EXISTS tasks_by_state",
        "CREATE INDEX tasks_in_state ON tasks (state)",
        # Of ended tasks only, so that changes of state before the end do not touch this index.
        "CREATE INDEX tasks_of_service ON tasks (service, state) WHERE ended_ns NOTNULL",
        "CREATE INDEX tasks_keyed ON tasks (posted_age_s) WHERE key NOTNULL",
        "CREATE INDEX tasks_answered ON tasks (ended_age_s) WHERE ended_ns NOTNULL AND answer NOTNULL AND state != 'failed'",
        "CREATE INDEX tasks_bare ON tasks (ended_age_s) WHERE ended_ns NOTNULL AND answer IS NULL AND state != 'failed'",
        "CREATE INDEX tasks_dead ON tasks (ended_age_s) WHERE ended_ns NOTNULL AND state = 'failed'",
        # Unreadable rows of the other tables, so that they are not lost and the others can be used.
        "CREATE TABLE set_aside (source TEXT NOT NULL, name TEXT NOT NULL, content BLOB, why TEXT NOT NULL)",
    ),
    ("ALTER TABLE tasks ADD COLUMN retried_as BLOB",),  # of a dead letter: the id of the task that it was last posted again as
    (
        """
CREATE TABLE positions (
    name TEXT PRIMARY KEY,      -- of a subscriber
    owner TEXT NOT NULL,        -- name of the key that created it; empty: the broker's owner
    token INTEGER NOT NULL,     -- grows each time that it is opened
    number INTEGER NOT NULL,    -- of the last tick that was processed, in the global order; 0: none yet
    epoch INTEGER NOT NULL,     -- of that number
    saved_ns INTEGER NOT NULL   -- ns since 1970 UTC
)""",
    ),
    (
        """
CREATE TABLE schedules (        -- times in seconds since 1970 UTC
    id BLOB PRIMARY KEY,        -- of the request that added it
    name TEXT NOT NULL UNIQUE,
    service TEXT NOT NULL,
    definition BLOB NOT NULL,   -- msgpack map: the arguments of hulak.schedule.add, the zone filled in
    owner TEXT NOT NULL,        -- name of the key that added it; empty: the broker's owner
    state TEXT NOT NULL,        -- active, paused, ended
    why TEXT NOT NULL,          -- why it has no next run
    created_s INTEGER NOT NULL,
    start_s INTEGER NOT NULL,   -- the first due time; of a cron expression, when it was added
    until_s INTEGER,            -- none is after it
    delay_s INTEGER NOT NULL,   -- from a due time to the post of its run
    after_s INTEGER NOT NULL,   -- due times up to this one have been handled
    due_s INTEGER,              -- the next one
    check_s INTEGER,            -- when the broker handles it next, by the wall clock
    posted INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0, -- runs that failed or expired since the last one that was done
    last_due_s INTEGER,
    last_task BLOB,             -- id of the task of its last run
    last_state TEXT,            -- of that task, as far as it was read
    ended_age_s REAL            -- as in tasks
)""",
        "CREATE INDEX schedules_to_check ON schedules (check_s) WHERE check_s NOTNULL",
        """
CREATE TABLE calendars (
    name TEXT PRIMARY KEY,
    content BLOB NOT NULL,      -- msgpack map: the arguments of hulak.calendar.set
    set_ns INTEGER NOT NULL     -- ns since 1970 UTC
)""",
    ),
    ("ALTER TABLE tasks ADD COLUMN runs BLOB",),  # msgpack: the last attempts, see bus.core.effects.Run
    (
        """
CREATE TABLE alerts (
    id BLOB PRIMARY KEY,        -- of the request that added it
    name TEXT NOT NULL UNIQUE,
    definition BLOB NOT NULL,   -- msgpack map: the arguments of hulak.alert.add that it has
    owner TEXT NOT NULL,        -- name of the key that added it; empty: the broker's owner
    enabled INTEGER NOT NULL,   -- 0: it is not evaluated
    created_ns INTEGER NOT NULL -- ns since 1970 UTC
)""",
    ),
    (
        """
CREATE TABLE layouts (
    name TEXT PRIMARY KEY,
    view TEXT NOT NULL,         -- of the page, as in the document
    version INTEGER NOT NULL,   -- grows with each change
    by TEXT NOT NULL,           -- author of the last change
    at_ns INTEGER NOT NULL,     -- when; ns since 1970 UTC
    request BLOB NOT NULL,      -- ids of the last requests that did, the newest first
    document BLOB NOT NULL      -- msgpack map
)""",
    ),
    (
        """
CREATE TABLE layout_floor (     -- at most one row: the versions of new layouts begin above those that were removed
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL
)""",
    ),
)
VERSION = len(STEPS)


def prepare(connection: sqlite3.Connection) -> None:
    """Upgrade a file to the present version, if it is empty or of an earlier version.

    Raises:
        DatabaseUnreadable: it is of a later version, or of another program.
        sqlite3.Error: it cannot be used.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise DatabaseUnreadable(f"its schema has version {version}, must be at most {VERSION}")
    if version < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        for statement in FIRST:
            connection.execute(statement)
        _check(connection, version)
        for step in STEPS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    _check(connection, VERSION)


def set_aside(connection: sqlite3.Connection, source: str, name: str, content: object, why: Exception) -> None:
    """Move an unreadable row to the table `set_aside`, for people to inspect; the caller deletes the row."""
    stored = content if isinstance(content, bytes | str | int | float | None) else repr(content)
    connection.execute("INSERT INTO set_aside VALUES (?, ?, ?, ?)", (source, str(name), stored, f"{type(why).__name__}: {why}"))


def columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the names of the columns of each table."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
    return {name: [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))] for (name,) in tables}


def _check(connection: sqlite3.Connection, version: int) -> None:
    there = columns(connection)
    for table, wanted in LAYOUTS[version].items():
        missing = [name for name in wanted if name not in there.get(table, ())]
        if missing:
            raise DatabaseUnreadable(f"its table {table} has no column {missing[0]}, so it is of another program")


def _layouts() -> list[dict[str, list[str]]]:
    """Return the tables and columns of each version."""
    model = sqlite3.connect(":memory:")
    layouts = []
    for step in (FIRST, *STEPS):
        for statement in step:
            model.execute(statement)
        layouts.append(columns(model))
    model.close()
    return layouts


LAYOUTS = _layouts()
