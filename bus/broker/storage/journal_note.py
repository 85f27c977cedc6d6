"""What a journal notes of itself beside its segments: whether it is written, closed or degraded, and how far it is.

The note lies in the journal's folder and is written in place, which needs no space. Where that disk cannot be written at all, a
flag outside it says that ticks were published which are not in the journal.
"""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hulak.bus.core.journal.broker_clock import Aged, Clocks

LIVE, CLOSED, DEGRADED = "live", "closed", "degraded"
WORD_BYTES = 17  # the word, blanks, a line feed
NOTE_BYTES = 448  # less than a sector: it is written whole or not at all


@dataclass(frozen=True, slots=True)
class Noted:
    """How far a journal is."""

    journal: str = ""  # its id
    epoch: int = 0
    ticks: int = 0  # number of the last tick in it
    age_s: float = 0.0
    boot: str = ""
    boottime_s: float = 0.0
    time_ns: int = 0

    def aged(self) -> Aged | None:
        """Return the age at that moment; None if nothing was noted."""
        return Aged(self.age_s, Clocks(self.boot, self.boottime_s, self.time_ns)) if self.time_ns else None


class NoteFile:
    """The file `note` of a journal's folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "note"

    def read(self) -> tuple[str, Noted]:
        """Read the word, and how far the journal was; an empty word if there is no note, zeros for what cannot be read."""
        try:
            with self.path.open("rb") as file:
                data = file.read(NOTE_BYTES)
        except OSError:
            return "", Noted()
        word, _, rest = data.partition(b"\n")
        return word.decode("ascii", "replace").strip(), _noted(rest)

    def write(self, word: str, noted: Noted, *, sync: bool = False) -> None:
        """Write all of it; raises OSError if that fails."""
        self._put(f"{word.ljust(WORD_BYTES - 1)}\n{_line(noted)}".encode(), 0, sync=sync)

    def refresh(self, noted: Noted) -> None:
        """Write how far the journal is, and leave the word as it is; raises OSError if that fails."""
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
        told: Any = json.loads(text)
        return Noted(**told)
    except (ValueError, TypeError):
        return Noted()


class DegradedFlag:
    """A file outside the journal's disk; as long as it is there, the journal was degraded.

    Args:
        folder: of the journal: each has its own flag.
        places: folders that may hold it, the first that can be written is taken; memory and the temporary folder if None.
    """

    def __init__(self, folder: Path, places: list[Path] | None = None) -> None:
        name = f"hulak-{os.getuid()}-{hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:16]}"
        self.paths = [place / name for place in places or [Path("/dev/shm"), Path(tempfile.gettempdir())]]  # noqa: S108

    def hoist(self) -> bool:
        """Set it; false if it could be set nowhere."""
        return any(_set(path) for path in self.paths)

    def hoisted(self) -> bool:
        """Tell whether it is set; what others have put there is not believed."""
        return any(map(_ours, self.paths))

    def lower(self) -> None:
        """Take it away."""
        for path in filter(_ours, self.paths):
            with contextlib.suppress(OSError):
                path.unlink()


def _set(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError:
        return False
    os.close(fd)
    return _ours(path)


def _ours(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()


class JournalNotes:
    """The note and the flag of a journal, together."""

    def __init__(self, folder: Path, places: list[Path] | None = None) -> None:
        self.note = NoteFile(folder)
        self.flag = DegradedFlag(folder, places)

    def live(self, noted: Noted, *, sync: bool = False) -> str:
        """Note that the journal is written; returns why that cannot be, which the flag stands for then, else empty."""
        try:
            self.note.write(LIVE, noted, sync=sync)
        except OSError as error:
            self.flag.hoist()
            return str(error)
        self.flag.lower()
        return ""

    def degraded(self, noted: Noted) -> bool:
        """Note that ticks are published which are not in the journal; false if nothing can say so to the next start."""
        hoisted = self.flag.hoist()
        try:
            self.note.write(DEGRADED, noted)
        except OSError:
            return hoisted
        return True

    def refresh(self, noted: Noted) -> None:
        """Note how far the journal is; if that cannot be written, the next start knows less."""
        with contextlib.suppress(OSError):
            self.note.refresh(noted)
