"""The file of the store: opened if it can be, set aside if it cannot be read, so that a broker always has one to begin with."""

import contextlib
import os
import re
import sqlite3
import stat
from pathlib import Path

from hulak.bus.broker.storage import database_salvage, database_schema
from hulak.bus.errors import DatabaseUnreadable

BESIDE = ("", "-wal", "-shm")  # what SQLite keeps beside a file has these ends of its name
# SQLite's codes for a file whose content it does not take. All others are the disk's, or of the moment: tried again.
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
        folder: of the broker's home.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tasks.db"
        self.why_aside = ""  # why a file was set aside in this life; empty: none was
        self.salvaged = 0  # rows taken over from it
        self.aside = self._named_aside()  # files that were set aside, now and before, and are still there

    def _named_aside(self) -> list[str]:
        found = (path.name for path in self.path.parent.glob(f"{self.path.name}.aside-*"))
        return sorted({re.sub("-(wal|shm)$", "", name) for name in found})

    def prepare(self) -> None:
        """Make the file if there is none; bring one of a former version to the present one; set one aside that cannot be read.

        Raises:
            sqlite3.Error, OSError: it cannot be used now; perhaps later.
        """
        try:
            self._look()
            with contextlib.closing(self.connect()) as connection:
                database_schema.prepare(connection)
        except (DatabaseUnreadable, sqlite3.Error) as error:
            if not is_unreadable(error):
                raise
            self.replace(str(error))

    def replace(self, why: str) -> None:
        """Set the file aside, and begin another one with what can be read of it. Raises as `prepare`."""
        self.why_aside = why
        old = self._set_aside()
        self.aside = self._named_aside()
        with contextlib.closing(self.connect()) as connection:
            database_schema.prepare(connection)
            if old is not None:
                self.salvaged = database_salvage.take_over(old, connection)

    def connect(self) -> sqlite3.Connection:
        """Open the file, for its owner only."""
        if not self.path.exists():  # never opened by hand while SQLite has it open: closing it would drop SQLite's locks
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        for end in BESIDE:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                Path(f"{self.path}{end}").chmod(0o600)
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=5.0)
        try:
            connection.text_factory = _text
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -16384")  # KiB
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _look(self) -> None:
        """Refuse what SQLite would wait for, or take for empty though there was something."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise DatabaseUnreadable("it is no file")
        wal = Path(f"{self.path}-wal")
        if wal.exists() and wal.stat().st_size and not (self.path.exists() and self.path.stat().st_size):
            raise DatabaseUnreadable("it is gone or empty, and what was written last is still there")

    def _set_aside(self) -> Path | None:
        """Rename the file, and what stands beside it; gives its new name, None if only what stood beside it was there."""
        number = 1
        while any(os.path.lexists(f"{self.path}.aside-{number}{end}") for end in BESIDE):
            number += 1
        there = os.path.lexists(self.path)
        for end in reversed(BESIDE):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self.path}{end}", f"{self.path}.aside-{number}{end}")  # noqa: PTH104 - paths with an end
        return Path(f"{self.path}.aside-{number}") if there else None


def is_unreadable(error: Exception) -> bool:
    """Tell whether an error is of a file whose content cannot be read, not of the disk or of the moment."""
    return isinstance(error, DatabaseUnreadable) or code_of(error) in UNREADABLE


def code_of(error: Exception) -> int:
    """Find SQLite's primary code of an error; 0 if it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
