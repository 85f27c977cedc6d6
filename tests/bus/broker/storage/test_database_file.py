"""Any file in the place of the store: a broker always has a store, and an unreadable one is set aside."""

import os
import sqlite3
import stat

import pytest

from hulak.bus.broker import scale_service
from hulak.bus.broker.storage import config_rows, database_schema, display_rows, row_retention, task_rows, unfinished_tasks
from hulak.bus.broker.storage.database_file import DatabaseFile
from hulak.bus.broker.storage.unfinished_tasks import MemoryRoom
from hulak.bus.core.display_assignment import Display
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.wire.codec import pack

NOW = Moment(100.0, 10**18, 50.0)
ALL = MemoryRoom(1_000_000, 1 << 40)


def task(number):
    return number.to_bytes(16)


def insert(connection, number, **how):
    fields = {
        "key": None,
        "service": "nepse",
        "action": "x",
        "args": {"n": number},
        "retries": 3,
        "expires_s": float("inf"),
        **how,
    }
    task_rows.post(connection, Posting(task(number), **{**fields, "args": pack(fields["args"])}), NOW, 1000.0)


def prepared(folder):
    file = DatabaseFile(folder)
    file.prepare()
    return file, file.connect()


def numbers(connection):
    batch = unfinished_tasks.read(connection, 0, ALL, NOW, 1.5)
    return [int.from_bytes(entry.task.id) for entry in batch.tasks]


def filled(folder, count):
    """Make a store with `count` tasks on several pages, all in its one file."""
    _, connection = prepared(folder)
    connection.execute("BEGIN")
    for number in range(1, count + 1):
        insert(connection, number, args={"data": b"%08d" % number * 30})
    connection.execute("COMMIT")
    connection.close()


def other_layout(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)")
    connection.close()


def later_version(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE tasks (id BLOB PRIMARY KEY)")
        connection.execute(f"PRAGMA user_version = {database_schema.VERSION + 1}")
    connection.close()


def wal_alone(path):
    path.with_name("tasks.db-wal").write_bytes(b"what was written last" * 100)


STRANGE = {
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 64),
    "zeros": lambda path: path.write_bytes(bytes(16_384)),
    "text": lambda path: path.write_text("this is no database, and never was one\n" * 40),
    "a header alone": lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(84)),
    "other layout": other_layout,
    "later version": later_version,
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a log without its file": wal_alone,
}


@pytest.mark.parametrize("kind", STRANGE)
def test_a_file_that_is_no_store_is_set_aside_and_another_one_made(tmp_path, kind):
    STRANGE[kind](tmp_path / "tasks.db")
    content = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    for name in ("tasks.db.aside-1", "tasks.db.aside-2-wal"):  # these names are taken
        (tmp_path / name).touch()
    file, connection = prepared(tmp_path)
    insert(connection, 1)
    assert numbers(connection) == [1]
    assert file.why_aside
    assert "tasks.db.aside-3" in file.aside
    aside = {path.name.replace(".aside-3", ""): path.lstat().st_size for path in tmp_path.glob("*.aside-3*")}
    assert aside.items() >= content.items() or kind == "a folder"
    connection.close()
    again = DatabaseFile(tmp_path)
    again.prepare()
    assert (again.why_aside, again.aside) == ("", file.aside)  # reported while it exists


def test_an_empty_file_is_a_new_store_and_a_link_is_followed(tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / "tasks.db").symlink_to(tmp_path / "elsewhere")
    file, connection = prepared(tmp_path)
    assert (file.why_aside, numbers(connection)) == ("", [])
    assert (tmp_path / "elsewhere").stat().st_size
    connection.close()


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_the_files_are_closed_to_other_users_also_if_they_existed_before(tmp_path, mask):
    before = os.umask(mask)
    try:
        (tmp_path / "tasks.db").touch(0o644)
        _, connection = prepared(tmp_path)
        insert(connection, 1)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        connection.close()
    finally:
        os.umask(before)
    assert modes == {"tasks.db": 0o600, "tasks.db-wal": 0o600, "tasks.db-shm": 0o600}


def test_a_store_that_is_damaged_in_its_middle_keeps_the_rows_around(tmp_path):
    filled(tmp_path, 400)
    path = tmp_path / "tasks.db"
    with sqlite3.connect(path) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'tasks'").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    leaf = content.find(b"%08d" % 200 * 30) // 4096
    assert leaf != root - 1
    content[leaf * 4096 : (leaf + 1) * 4096] = bytes(4096)
    path.write_bytes(content)
    file = DatabaseFile(tmp_path)
    file.prepare()  # its head is whole
    connection = file.connect()
    with pytest.raises(sqlite3.DatabaseError):
        numbers(connection)
    connection.close()
    file.replace("malformed")
    kept = numbers(file.connect())
    assert kept == sorted(kept)
    assert {1, 400} <= set(kept)
    assert 370 <= len(kept) < 400
    assert (file.salvaged, file.aside) == (len(kept), ["tasks.db.aside-1"])


# Versions

VERSION_0 = [
    """CREATE TABLE tasks (id BLOB PRIMARY KEY, key TEXT UNIQUE, service TEXT NOT NULL, action TEXT NOT NULL, args BLOB NOT NULL,
    retries INTEGER NOT NULL, priority INTEGER NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL,
    posted_ns INTEGER NOT NULL, due_ns INTEGER NOT NULL, expires_ns INTEGER, ended_ns INTEGER,
    worker TEXT NOT NULL DEFAULT '', trouble TEXT NOT NULL DEFAULT '', answer BLOB)""",
    "CREATE INDEX tasks_by_state ON tasks (state, posted_ns)",
    """CREATE TABLE displays (id TEXT PRIMARY KEY, symbol TEXT NOT NULL, init BLOB NOT NULL, first INTEGER NOT NULL, worker TEXT,
    token INTEGER NOT NULL)""",
    "CREATE TABLE targets (service TEXT PRIMARY KEY, workers INTEGER NOT NULL)",
    "INSERT INTO targets VALUES ('nepse', 3)",
    "INSERT INTO displays VALUES ('gold', 'XAUUSD', x'80', 7, NULL, 0)",
]


def version_0(path):
    """Make a store of the first version: a task that waits, one that was done, a dead letter."""
    with sqlite3.connect(path) as connection:
        for statement in VERSION_0:
            connection.execute(statement)
        insert = "INSERT INTO tasks VALUES (?, ?, 'nepse', 'x', x'80', 3, 1, ?, 1, 5, 5, NULL, ?, '', '', ?)"
        connection.execute(insert, (task(1), "k", "queued", None, None))
        connection.execute(insert, (task(2), "old", "done", 6, b"\x05"))
        connection.execute(insert, (task(3), None, "failed", 6, b"\x93\xa1X\xa1y\x80"))
    connection.close()


def test_a_store_of_the_first_version_is_upgraded_and_its_rows_count_from_now_on(tmp_path):
    version_0(tmp_path / "tasks.db")
    file, connection = prepared(tmp_path)
    assert file.aside == []
    assert connection.execute("PRAGMA user_version").fetchone() == (database_schema.VERSION,)
    assert numbers(connection) == [1]
    keep = row_retention.RowRetention(100.0, 200.0, 300.0)
    assert row_retention.clean(connection, keep, 50.0, 10) == ({}, False)
    assert row_retention.clean(connection, keep, 150.0, 10) == ({}, False)
    assert row_retention.clean(connection, keep, 151.0, 10) == ({"answers": 1}, False)
    assert task_rows.read(connection, task(3))["error"]["code"] == "X"
    assert (scale_service.read(connection), [row.id for row in display_rows.rows(connection)]) == ({"nepse": 3}, ["gold"])
    insert(connection, 4, key="k")
    assert task_rows.read(connection, task(4)) is None
    connection.close()
    again, connection = prepared(tmp_path)
    assert (again.aside, numbers(connection)) == ([], [1])
    connection.close()


def test_the_schema_is_the_same_for_every_version_that_a_file_began_with(tmp_path):
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
    version_0(tmp_path / "old" / "tasks.db")
    layouts = []
    for name in ("new", "old"):
        _, connection = prepared(tmp_path / name)
        layouts.append((database_schema.columns(connection), _indices(connection)))
        connection.close()
    assert layouts[0][1] == layouts[1][1]
    assert {name: sorted(columns) for name, columns in layouts[0][0].items()} == {
        name: sorted(columns) for name, columns in layouts[1][0].items()
    }


def _indices(connection):
    return sorted(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'").fetchall(), key=str)


# Single rows

BAD_ROWS = {
    "args that are no map": ("args", b"\x05"),
    "args that are not msgpack": ("args", b"\xc1"),
    "no args": ("args", b""),
    "args as text": ("args", "x"),
    "a text that is none": ("service", b"\xff\xfe"),
    "an unknown state": ("state", "sleeping"),
    "a state that is a number": ("state", 5),
    "a short id": ("id", b"short"),
    "a text for a number": ("attempt", "many"),
    "a number below zero": ("retries", -1),
    "an unknown priority": ("priority", 9),
    "a fraction": ("due_ns", 0.5),
    "a limit that is none": ("expires_boot", "a/nan"),
    "a limit that is nonsense": ("expires_boot", "boot/nonsense"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_an_unreadable_row_is_set_aside_alone(tmp_path, kind):
    _, connection = prepared(tmp_path)
    for number in (1, 2, 3):
        insert(connection, number, expires_s=60.0)
    name, value = BAD_ROWS[kind]
    if kind == "a text that is none":
        connection.execute("UPDATE tasks SET service = CAST(? AS TEXT) WHERE rowid = 2", (value,))
    else:
        connection.execute(f"UPDATE tasks SET {name} = ? WHERE rowid = 2", (value,))
    connection.execute("UPDATE tasks SET expires_ns = 10 WHERE rowid = 2 AND expires_boot IS NOT NULL")
    unfinished_tasks.set_aside_unknown(connection)
    now = Moment(100.0, 10**18, 50.0, "a" if kind == "a limit that is none" else "boot", 1.0)
    batch = unfinished_tasks.read(connection, 0, ALL, now, 1.5)
    assert [int.from_bytes(entry.task.id) for entry in batch.tasks] == [1, 3]
    assert batch.unreadable == 1
    (row,) = task_rows.rows(connection, "unreadable", None, 10)
    assert row["state"] == "unreadable"
    assert unfinished_tasks.read(connection, 0, ALL, now, 1.5).bad == []
    assert task_rows.drop(connection, row["task"])
    connection.close()


def test_unreadable_displays_targets_and_configuration_are_set_aside_one_by_one(tmp_path):
    _, connection = prepared(tmp_path)
    for number, init in enumerate((b"\x80", b"\xc1", b"\x05")):
        connection.execute("INSERT INTO displays VALUES (?, 'X', ?, 1, NULL, 0)", (f"d{number}", init))
    connection.execute("INSERT INTO displays VALUES ('d3', 'lower', x'80', 1, NULL, 0)")
    connection.execute("INSERT INTO displays VALUES ('d4', 'X', x'80', 'first', NULL, 0)")
    connection.execute("INSERT INTO targets VALUES ('nepse', 'many'), ('other', 2)")
    values = [("global", "log_level", b"\xa4info"), ("global", "log_level2", b"\xa4info"), ("kind:nepse", "cache_s", b"\xc1")]
    values += [("kind:nepse", "rate_per_s", b"\xa3abc"), ("nowhere", "cache_s", b"\x01")]
    connection.executemany("INSERT INTO config_values VALUES (?, ?, ?)", values)
    versions = [(1, 5, "a", "n", b"\x90"), (2, 5, "a", "n", b"\xc1"), (3, 5, "a", "n", b"\x90"), (4, 5, "a", "n", b"\x91\x05")]
    connection.executemany("INSERT INTO config_versions VALUES (?, ?, ?, ?, ?)", versions)
    assert display_rows.rows(connection) == [Display("d0", "X", {}, 1)]
    assert scale_service.read(connection) == {"other": 2}
    book = config_rows.load(connection)
    assert book.scopes == {"global": {"log_level": "info"}}
    assert [version.version for version in book.versions] == [4]  # its number stays in use
    assert unfinished_tasks.count_unreadable(connection) == 8
    assert (display_rows.rows(connection), config_rows.load(connection)) == ([Display("d0", "X", {}, 1)], book)
    assert unfinished_tasks.count_unreadable(connection) == 8
    connection.close()
