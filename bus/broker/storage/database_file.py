"""The file of the store: opened if possible, set aside if it is unreadable, so that a broker always has a store."""

import contextlib
import os
import re
import sqlite3
import stat
from pathlib import Path

from hulak.bus.broker.storage import database_salvage, database_schema
from hulak.bus.errors import DatabaseUnreadable

BESIDE = ("", "-wal", "-shm")  # suffixes of the names of SQLite's files
STATEMENTS = 256  # kept prepared: those of `task_writes` have up to 32 sizes each
# SQLite's error codes for unreadable content. All others are of the disk or temporary: tried again.
UNREADABLE = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
}


class DatabaseFile:
    """The file `tasks.db` of a home.

    Args:
        folder: the broker's home.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tasks.db"
        self.why_aside = ""  # why a file was set aside by this broker; empty: none was
        self.salvaged = 0  # rows copied from it
        self.aside = self._named_aside()  # names of the files that were ever set aside and still exist

    def _named_aside(self) -> list[str]:
        names = (path.name for path in self.path.parent.glob(f"{self.path.name}.aside-*"))
        return sorted({re.sub("-(wal|shm)$", "", name) for name in names})

    def prepare(self) -> None:
        """Make the file if there is none; upgrade one of an earlier version; set an unreadable one aside.

        Raises:
            sqlite3.Error, OSError: it cannot be used now, but perhaps later.
        """
        try:
            self._check_files()
            with contextlib.closing(self.connect()) as connection:
                database_schema.prepare(connection)
        except (DatabaseUnreadable, sqlite3.Error) as error:
            if not is_unreadable(error):
                raise
            self.replace(str(error))

    def replace(self, why: str) -> None:
        """Set the file aside, and make another one with the rows that are readable. Raises as `prepare`."""
        self.why_aside = why
        old = self._set_aside()
        self.aside = self._named_aside()
        with contextlib.closing(self.connect()) as connection:
            database_schema.prepare(connection)
            if old is not None:
                self.salvaged = database_salvage.take_over(old, connection)

    def connect(self) -> sqlite3.Connection:
        """Open the file, for its owner only."""
        if not self.path.exists():  # never opened here while SQLite has it open: closing it would drop SQLite's locks
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        for end in BESIDE:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                Path(f"{self.path}{end}").chmod(0o600)
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=5.0, cached_statements=STATEMENTS)
        try:
            connection.text_factory = _text
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -16384")  # KiB
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _check_files(self) -> None:
        """Refuse files for which SQLite would block, or which it would treat as empty though they were not."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise DatabaseUnreadable("it is not a file")
        wal = Path(f"{self.path}-wal")
        if wal.exists() and wal.stat().st_size and not (self.path.exists() and self.path.stat().st_size):
            raise DatabaseUnreadable("it is gone or empty, and its write-ahead log is still there")

    def _set_aside(self) -> Path | None:
        """Rename the file and its `-wal` and `-shm`; return its new name, None if only those existed."""
        number = 1
        while any(os.path.lexists(f"{self.path}.aside-{number}{end}") for end in BESIDE):
            number += 1
        existed = os.path.lexists(self.path)
        for end in reversed(BESIDE):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self.path}{end}", f"{self.path}.aside-{number}{end}")  # noqa: PTH104 - paths with a suffix
        return Path(f"{self.path}.aside-{number}") if existed else None


def is_unreadable(error: Exception) -> bool:
    """Return whether an error means unreadable content, not a fault of the disk or a temporary one."""
    return isinstance(error, DatabaseUnreadable) or code_of(error) in UNREADABLE


def code_of(error: Exception) -> int:
    """Return SQLite's primary code of an error; 0 if it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
