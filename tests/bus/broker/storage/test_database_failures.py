"""Failures of the store's jobs, transactions, disk and thread."""

import contextlib
import sqlite3
from functools import partial

import pytest
from database_fixture import insert, new, row
from waiting import eventually

from hulak.bus.broker.storage import task_rows
from hulak.bus.broker.storage.database import Database
from hulak.bus.errors import PartEnded


@pytest.mark.parametrize(
    "error",
    [
        OverflowError("Python int too large to convert to SQLite INTEGER"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("a bug"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    ],
)
def test_a_job_that_fails_for_any_reason_does_not_affect_the_others_of_its_commit(open_store, error):
    fixture = open_store()

    def fails(connection):
        insert(7)(connection)
        raise error

    first, second, third = fixture.do(insert(1), fails, insert(2))
    assert (first, third) == (new(1), new(2))
    assert second[0] is None
    assert str(error) in second[1]
    assert fixture.do(row(7), insert(3)) == [(None, ""), new(3)]
    fixture.database.check()


def test_numbers_that_sqlite_cannot_hold_are_one_jobs_failure(open_store):
    fixture = open_store()
    bad = partial(task_rows.rows, state=2**63, service=None, most=10)
    worse = partial(task_rows.rows, state={"a": 1}, service=None, most=10)
    results = fixture.do(insert(1), bad, insert(2), worse, insert(3))
    assert [why == "" for _, why in results] == [True, False, True, False, True]


def test_a_failed_transaction_fails_each_of_its_jobs_and_the_store_reports_it_until_the_disk_works(open_store):
    fixture = open_store()

    def lost(connection):  # as SQLite does on a full disk: all of it is rolled back
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    results = fixture.do(insert(1), lost, insert(2))
    assert all(value is None and "disk is full" in why for value, why in results)
    eventually(lambda: not fixture.database.failed, within_s=10)  # it tries by itself
    assert fixture.do(row(1), insert(3)) == [(None, ""), new(3)]


def test_while_the_file_cannot_be_written_jobs_that_only_read_are_answered(open_store):
    fixture = open_store()
    path = fixture.database.file.path
    fixture.do(insert(1), lambda connection: connection.execute("PRAGMA busy_timeout = 0").fetchone())
    known = fixture.do(row(1))[0]
    jobs = {"new": insert(2), "old": row(1), "none": row(2), "again": insert(1)}
    results = {}
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):  # the second time the store has failed already
            results.clear()
            for name, job in jobs.items():
                fixture.database.put(job, lambda value, why, name=name: results.update({name: (value, why)}))
            eventually(lambda: fixture.database.finished() or len(results) == len(jobs), within_s=30)
            assert results["new"] == (None, "database is locked")
            assert (results["old"], results["none"]) == (known, (None, "")), "a row that was not written is not read"
        other.execute("ROLLBACK")
    eventually(lambda: not fixture.database.failed, within_s=10)
    assert fixture.do(insert(3), row(1)) == [new(3), known]


def test_a_disk_error_of_one_job_makes_the_store_failed(open_store):
    fixture = open_store()

    def broken(connection):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    assert fixture.do(insert(1), broken)[0] == new(1)
    assert fixture.database.failed == "disk I/O error"
    eventually(lambda: not fixture.database.failed, within_s=10)


def test_a_thread_that_ends_is_noticed(tmp_path, monkeypatch):
    database = Database(tmp_path)
    database.open()
    database.check()
    monkeypatch.setattr(database, "_commit", None)  # a bug
    database.start()
    database.put(lambda _: 1, lambda *_: None)
    eventually(lambda: database.dead, within_s=10)
    with pytest.raises(PartEnded, match="TypeError"):
        database.check()
