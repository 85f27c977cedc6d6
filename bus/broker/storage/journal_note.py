"""The journal's record of its state, beside its segments: live, closed or degraded, and the last tick written.

The note is in the journal's folder and is overwritten in place, which needs no space. If that disk cannot be written at all, a
flag on another disk records that ticks were published which are not in the journal.
"""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import zlib
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from hulak.bus.core.journal.broker_clock import Aged, Clocks

LIVE, CLOSED, DEGRADED = "live", "closed", "degraded"
WORD_BYTES = 17  # the word, blanks, a line feed
NOTE_BYTES = 448  # less than a sector: it is written whole or not at all


class Noted(Struct, frozen=True):
    """The position of a journal."""

    journal: str = ""  # its id
    epoch: int = 0
    ticks: int = 0  # number of the last tick in it
    age_s: float = 0.0
    boot: str = ""
    boottime_s: float = 0.0
    time_ns: int = 0

    def aged(self) -> Aged | None:
        """Return the age at that moment; None if none was recorded."""
        return Aged(self.age_s, Clocks(self.boot, self.boottime_s, self.time_ns)) if self.time_ns else None


class NoteFile:
    """The file `note` of a journal's folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "note"

    def read(self) -> tuple[str, Noted]:
        """Read the word and the position; an empty word if there is no note, zeros for a malformed position."""
        try:
            with self.path.open("rb") as file:
                data = file.read(NOTE_BYTES)
        except OSError:
            return "", Noted()
        word, _, rest = data.partition(b"\n")
        return word.decode("ascii", "replace").strip(), _noted(rest)

    def write(self, word: str, noted: Noted, *, sync: bool = False) -> None:
        """Write the word and the position; raises OSError if that fails."""
        self._put(f"{word.ljust(WORD_BYTES - 1)}\n{_line(noted)}".encode(), 0, sync=sync)

    def refresh(self, noted: Noted) -> None:
        """Write the position, and keep the word; raises OSError if that fails."""
        self._put(_line(noted).encode(), WORD_BYTES, sync=False)

    def _put(self, data: bytes, offset: int, *, sync: bool) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, data, offset)
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)


def _line(noted: Noted) -> str:
    text = json.dumps(asdict(noted))
    return f"{zlib.crc32(text.encode()):08x} {text}".ljust(NOTE_BYTES - WORD_BYTES - 1) + "\n"


def _noted(line: bytes) -> Noted:
    crc, _, text = line.partition(b" ")
    try:
        if int(crc, 16) != zlib.crc32(text.rstrip()):
            return Noted()
        fields: Any = json.loads(text)
        return Noted(**fields)
    except (ValueError, TypeError):
        return Noted()


class DegradedFlag:
    """A file outside the journal's disk; while it exists, the journal counts as degraded.

    Args:
        folder: of the journal: each journal has a separate flag.
        places: folders that may hold it, the first writable one is used; if None, memory and the temporary folder.
    """

    def __init__(self, folder: Path, places: list[Path] | None = None) -> None:
        name = f"hulak-{os.getuid()}-{hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:16]}"
        self.paths = [place / name for place in places or [Path("/dev/shm"), Path(tempfile.gettempdir())]]  # noqa: S108

    def set(self) -> bool:
        """Set it; false if no place is writable."""
        return any(_set(path) for path in self.paths)

    def is_set(self) -> bool:
        """Return whether it is set; a file of another user does not count."""
        return any(map(_is_own, self.paths))

    def clear(self) -> None:
        """Delete it."""
        for path in filter(_is_own, self.paths):
            with contextlib.suppress(OSError):
                path.unlink()


def _set(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError:
        return False
    os.close(fd)
    return _is_own(path)


def _is_own(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid()


class JournalNotes:
    """The note and the flag of a journal, together."""

    def __init__(self, folder: Path, places: list[Path] | None = None) -> None:
        self.note = NoteFile(folder)
        self.flag = DegradedFlag(folder, places)

    def live(self, noted: Noted, *, sync: bool = False) -> str:
        """Record that the journal is live; if that fails, set the flag and return the reason, else return an empty text."""
        try:
            self.note.write(LIVE, noted, sync=sync)
        except OSError as error:
            self.flag.set()
            return str(error)
        self.flag.clear()
        return ""

    def degraded(self, noted: Noted) -> bool:
        """Record that ticks are published which are not in the journal; false if neither note nor flag could be written."""
        flagged = self.flag.set()
        try:
            self.note.write(DEGRADED, noted)
        except OSError:
            return flagged
        return True

    def refresh(self, noted: Noted) -> None:
        """Record the position of the journal; if that fails, the next start has an older one."""
        with contextlib.suppress(OSError):
            self.note.refresh(noted)
