"""The store of posted tasks: SQLite in WAL mode, synced before a task is accepted (`synchronous=FULL`).

One thread owns the connection. All jobs that wait when it is free go into one transaction (group commit): a hundred posts cost
one sync. The loop never waits for it: a job is queued with a callback, and `finished` runs the callback in the loop's thread.

A job that fails does not affect the others. When a transaction fails, all its jobs fail with the reason, and the file is
reopened. A file that cannot be used now (a full disk) is tried again each second, and jobs fail until then; jobs that only read
are answered as long as the file can be read.
"""

import contextlib
import itertools
import math
import queue
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hulak.bus.broker.storage import database_schema
from hulak.bus.broker.storage.database_file import DatabaseFile, code_of, is_unreadable
from hulak.bus.errors import PartEnded

MOST = 500  # writes in one transaction, but a job is never split
AGAIN_S = 1.0
LAZY_S = 0.01  # for which a job that no client waits for is kept for the next transaction
# SQLite's error codes of the disk: the store has failed, not only the job.
DISK = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
}
Job = Callable[[sqlite3.Connection], Any]
JobCallback = Callable[[Any, str], None]
JobResult = tuple[Any, str, bool]  # of a job: its value; why it failed; whether the disk is the reason


class NotTogether(Exception):
    """Raised by `together`: these jobs must run one by one."""


class Work(msgspec.Struct, frozen=True):
    """A job, and the callback that gets its value, or the reason why it failed."""

    job: Job
    then: JobCallback
    deferred: bool = False  # waits until the file can be used


class Database:
    """The tasks of one broker.

    Args:
        folder: of the broker's home.
    """

    def __init__(self, folder: Path) -> None:
        self.file = DatabaseFile(folder)
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Work, Any, str]] = queue.SimpleQueue()
        self.reader, self._writer = socket.socketpair()  # readable when a job has finished
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._ready = False  # the file was opened once
        self._deferred: list[Work] = []
        self.commits = 0
        self.failed = ""  # why nothing can be written; empty if it can
        self.dead = ""  # why the thread ended, which is an error

    # Called in the loop's thread

    def open(self) -> None:
        """Open the file, or set `failed` to the reason why it cannot be used yet."""
        try:
            self.file.prepare()
            self._ready = True
        except (sqlite3.Error, OSError) as error:
            self.failed = reason(error)

    def start(self) -> None:
        """Start the thread, after the services have called `load`."""
        self._thread.start()

    def load(self, job: Job, then: JobCallback) -> None:
        """Run a job that reads a service's rows at the start: at once if the file can be used, else as soon as it can."""
        if not self._ready:
            self._work.put(Work(job, then, deferred=True))
            return
        try:
            value = self.now(job)
        except sqlite3.Error as error:
            if not is_unreadable(error):
                self._work.put(Work(job, then, deferred=True))
                return
            self.file.replace(reason(error))
            value = self.now(job)
        then(value, "")

    def now(self, job: Job) -> Any:
        """Run a job at once, on a separate connection, and return its value."""
        with contextlib.closing(self.file.connect()) as connection:
            return job(connection)

    def put(self, job: Job, then: JobCallback) -> None:
        """Run a job in the next transaction; then call `then(value, "")`, or `then(None, why)` if it failed."""
        self._work.put(Work(job, then))

    def finished(self) -> None:
        """Run the callbacks of finished jobs, which must not fail; called when `reader` is readable."""
        with contextlib.suppress(BlockingIOError):
            while self.reader.recv(4096):
                pass
        with contextlib.suppress(queue.Empty):
            while True:
                work, value, why = self._done.get_nowait()
                work.then(value, why)

    def check(self) -> None:
        """Check that the thread is running.

        Raises:
            PartEnded: it is not.
        """
        if self.dead:
            raise PartEnded(f"the store's thread ended: {self.dead}")

    def close(self) -> None:
        """Finish the queued jobs, and end the thread."""
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join(10)

    # Run by the store's thread

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # noqa: BLE001 - the loop must know of every kind of error
            self.dead = reason(error)
        self._wake()

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        ending = False
        while not ending:
            batch, ending = self._next()
            if connection is None:
                connection = self._connect()
            if connection is None:
                self._defer(batch)
            else:
                batch, self._deferred = self._deferred + batch, []
                if not self._commit(connection, batch):
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()

    def _next(self) -> tuple[list[Work], bool]:
        """Wait for jobs, but no longer than a second while a failed disk is to be tried again."""
        batch: list[Work] = []
        writes = 0
        until = 0.0  # lazy jobs alone wait until then for others
        with contextlib.suppress(queue.Empty):
            work = self._work.get(timeout=AGAIN_S if self.failed else None)
            while work is not None:
                batch.append(work)
                writes += getattr(work.job, "size", 1)
                if writes >= MOST:
                    break
                if not getattr(work.job, "lazy", False):
                    until = math.inf
                elif not until:
                    until = time.monotonic() + LAZY_S
                left_s = 0.0 if until == math.inf or not self._work.empty() else until - time.monotonic()
                work = self._work.get(timeout=left_s) if left_s > 0 else self._work.get_nowait()
            return batch, work is None
        return batch, False

    def _connect(self) -> sqlite3.Connection | None:
        try:
            if not self._ready:
                self.file.prepare()
                self._ready = True
            return self.file.connect()
        except (sqlite3.Error, OSError) as error:
            self.failed = reason(error)
            return None

    def _commit(self, connection: sqlite3.Connection, batch: list[Work]) -> bool:
        """Run jobs in one transaction; false if the connection can no longer be used."""
        try:
            connection.execute("BEGIN IMMEDIATE")
            results, wrote = self._all(connection, batch)
            if self.failed:  # test the disk: a transaction that writes nothing does not
                connection.execute(f"PRAGMA user_version = {database_schema.VERSION}")
                wrote = True
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - it fails the transaction, and so all its jobs
            self.failed = reason(error)
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            self._defer(self._only_read(connection, batch))
            return not connection.in_transaction
        self.commits += bool(batch)
        trouble = next((why for _, why, is_disk in results if is_disk), "")
        if trouble or wrote:
            self.failed = trouble
        self._return([(work, value, why) for work, (value, why, _) in zip(batch, results, strict=True)])
        return True

    def _only_read(self, connection: sqlite3.Connection, batch: list[Work]) -> list[Work]:
        """Answer the jobs of a failed transaction that change nothing, from what is in the file; return the others."""
        if connection.in_transaction:
            return batch
        answered: list[tuple[Work, Any, str]] = []
        try:
            connection.execute("PRAGMA query_only = 1")
            for work in batch:
                if not work.deferred:
                    value, why, _ = self._one(connection, work.job)
                    answered += [] if why else [(work, value, "")]
        except sqlite3.Error:
            return batch
        finally:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA query_only = 0")
        self._return(answered)
        done = {id(work) for work, _, _ in answered}
        return [work for work in batch if id(work) not in done]

    def _all(self, connection: sqlite3.Connection, batch: list[Work]) -> tuple[list[JobResult], bool]:
        """Run jobs in the open transaction; return the result of each, and whether any row was written.

        Failures are rare, so jobs run without a savepoint each, which would cost as much as a job; if one fails, all are rolled
        back and run again, each with a savepoint. A job has no effect outside the file.
        """
        before = connection.total_changes
        try:
            done: list[JobResult] = [(value, "", False) for value in run_all(connection, batch)]
        except Exception:  # noqa: BLE001 - the second run shows which job it was
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            before = connection.total_changes
            done = [self._one(connection, work.job) for work in batch]
        return done, connection.total_changes > before

    def _one(self, connection: sqlite3.Connection, job: Job) -> JobResult:
        """Run one job with a savepoint, so that its failure does not affect the others."""
        connection.execute("SAVEPOINT one")
        try:
            value = job(connection)
        except Exception as error:
            if not connection.in_transaction:  # SQLite has rolled all of it back
                raise
            connection.execute("ROLLBACK TO one")
            connection.execute("RELEASE one")
            return None, reason(error), code_of(error) in DISK
        connection.execute("RELEASE one")
        return value, "", False

    def _defer(self, batch: list[Work]) -> None:
        """Keep the jobs that wait for the file; fail the others."""
        self._deferred += [work for work in batch if work.deferred]
        self._return([(work, None, self.failed) for work in batch if not work.deferred])

    def _return(self, results: list[tuple[Work, Any, str]]) -> None:
        for result in results:
            self._done.put(result)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.send(b"!")


def run_all(connection: sqlite3.Connection, batch: Sequence[Work]) -> list[Any]:
    """Run jobs in their order, and return their values.

    Consecutive jobs of a class that has `together(connection, jobs)` run in one call of that, which returns the values that the
    jobs would have one by one; so does a single job of several writes. Writes that the `covers` of other jobs make superfluous
    are left out, by `without`.
    """
    jobs: list[Any] = [work.job for work in batch]
    covering = {task for job in jobs if hasattr(job, "covers") for task in job.covers}
    if covering:
        jobs = [job.without(covering) if hasattr(job, "without") else job for job in jobs]
    values: list[Any] = []
    for kind, alike in itertools.groupby(jobs, key=type):
        some = list(alike)
        together = getattr(kind, "together", None)
        if together is None or (len(some) == 1 and some[0].size == 1):
            values += [job(connection) for job in some]
        else:
            values += together(connection, some)
    return values


def reason(error: BaseException) -> str:
    """Return the reason in one sentence; an error of SQLite or the system already is one."""
    known = isinstance(error, sqlite3.Error | OSError)
    return str(error) if known and str(error) else f"{type(error).__name__}: {error}"
