"""The store of posted tasks: SQLite in WAL mode, synced before anything is called accepted (`synchronous=FULL`).

One thread owns the connection. What waits when it is free goes into one transaction (group commit): a hundred posts cost one
sync. Nothing in the loop waits for it: a job is put in with what to do then, and `finished` does it in the loop's thread.
"""

import contextlib
import queue
import socket
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.errors import ConfigError

MOST = 500  # jobs in one transaction
SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    id BLOB PRIMARY KEY,
    key TEXT UNIQUE,
    service TEXT NOT NULL,
    action TEXT NOT NULL,
    args BLOB NOT NULL,         -- msgpack map
    retries INTEGER NOT NULL,
    priority INTEGER NOT NULL,  -- 0 high, 1 normal, 2 low
    state TEXT NOT NULL,        -- queued, running, waiting, done, failed, expired, cancelled
    attempt INTEGER NOT NULL,
    posted_ns INTEGER NOT NULL, -- these four: ns since 1970 UTC
    due_ns INTEGER NOT NULL,    -- of the next attempt
    expires_ns INTEGER,
    ended_ns INTEGER,
    worker TEXT NOT NULL DEFAULT '',
    trouble TEXT NOT NULL DEFAULT '',
    answer BLOB                 -- msgpack: the value of a done task, else [code, text, details]
);
CREATE INDEX IF NOT EXISTS tasks_by_state ON tasks (state, posted_ns);
CREATE TABLE IF NOT EXISTS displays (
    id TEXT PRIMARY KEY,
    symbol TEXT NOT NULL,
    init BLOB NOT NULL,         -- msgpack map
    first INTEGER NOT NULL,     -- number of the first tick that counts
    worker TEXT,
    token INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS targets (
    service TEXT PRIMARY KEY,
    workers INTEGER NOT NULL    -- set by hand
);
"""
Job = Callable[[sqlite3.Connection], Any]
Then = Callable[[Any, str], None]


@dataclass(frozen=True, slots=True)
class Work:
    """A job, and what to do with its value, or with the reason why it failed."""

    job: Job
    then: Then


class Store:
    """The tasks of one broker.

    Args:
        folder: of the broker's home.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tasks.db"
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Then, Any, str]] = queue.SimpleQueue()
        self.reader, self._writer = socket.socketpair()  # readable when something has finished
        self.reader.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self.commits = 0
        self.failed = ""  # why the last transaction failed; empty if it did not

    def open(self, first: Job) -> Any:
        """Make the file if there is none, do a first job, and start the thread.

        Returns:
            the job's value.
        Raises:
            ConfigError: the file cannot be used.
        """
        try:
            with contextlib.closing(self._connect()) as connection:
                connection.executescript(SCHEMA)
                value = first(connection)
        except sqlite3.Error as error:
            raise ConfigError(f"store {self.path} cannot be used: {error}; move it away, or choose another home") from error
        self._thread.start()
        return value

    def now(self, job: Job) -> Any:
        """Do a job at once, over a connection of its own: for what is read at the start, before the loop runs.

        Returns:
            the job's value.
        Raises:
            ConfigError: the file cannot be used.
        """
        try:
            with contextlib.closing(self._connect()) as connection:
                return job(connection)
        except sqlite3.Error as error:
            raise ConfigError(f"store {self.path} cannot be used: {error}; move it away, or choose another home") from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=5.0)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def put(self, job: Job, then: Then) -> None:
        """Have a job done in the next transaction; then `then(value, "")`, or `then(None, why)` if it is not in the store."""
        self._work.put(Work(job, then))

    def finished(self) -> None:
        """Do what is to be done for jobs that have finished; called in the loop when `reader` is readable."""
        with contextlib.suppress(BlockingIOError):
            while self.reader.recv(4096):
                pass
        with contextlib.suppress(queue.Empty):
            while True:
                then, value, why = self._done.get_nowait()
                then(value, why)

    def close(self) -> None:
        """Finish what was put in, and end the thread."""
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join(10)

    # In the thread

    def _run(self) -> None:
        with contextlib.closing(self._connect()) as connection:
            while (work := self._work.get()) is not None:
                batch = [work]
                ending = False
                with contextlib.suppress(queue.Empty):
                    while len(batch) < MOST:
                        following = self._work.get_nowait()
                        if following is None:
                            ending = True
                            break
                        batch.append(following)
                self._commit(connection, batch)
                if ending:
                    return

    def _commit(self, connection: sqlite3.Connection, batch: list[Work]) -> None:
        results: list[tuple[Any, str]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [self._one(connection, work.job) for work in batch]
            connection.execute("COMMIT")
            self.commits += 1
            self.failed = ""
        except sqlite3.Error as error:
            self.failed = str(error)
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            results = [(None, str(error))] * len(batch)
        for work, (value, why) in zip(batch, results, strict=True):
            self._done.put((work.then, value, why))
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"!")

    def _one(self, connection: sqlite3.Connection, job: Job) -> tuple[Any, str]:
        """Do one job so that its failure is its own."""
        connection.execute("SAVEPOINT one")
        try:
            value = job(connection)
        except sqlite3.IntegrityError as error:
            connection.execute("ROLLBACK TO one")
            connection.execute("RELEASE one")
            return None, str(error)
        connection.execute("RELEASE one")
        return value, ""
