"""The file of a ring: made by the broker, opened read-only by its readers. PROTOCOL.md section 13.

It is in memory (tmpfs) where the machine has such a folder. The broker holds a lock on it, which ends with the broker, however
that ends: a file of this user without a lock is left over, and removed at the next start of any broker.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from hulak.bus.errors import ConfigError, ProtocolError
from hulak.bus.wire import ring_format
from hulak.bus.wire.ring_format import HEADER_BYTES, RingTerms

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - files there are made without a name, and get one that is random
NAME = re.compile(r"hulak-[0-9a-f]{16}\.ring")
SMALLEST = 1 << 16  # bytes of records
IN_MEMORY = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)  # all pages at once: no page fault while ticks arrive


def capacity_of(wanted: int) -> int:
    """Return the bytes of records for a setting above 0: whole pages, at least `SMALLEST`."""
    return max(SMALLEST, -(-wanted // mmap.PAGESIZE) * mmap.PAGESIZE)


class OwnRing:
    """A ring that this process has made, and writes.

    Args:
        path: of the file.
        memory: the whole file, mapped.
        terms: as in its header.
        fd: holds the lock.
    """

    def __init__(self, path: Path, memory: mmap.mmap, terms: RingTerms, fd: int) -> None:
        self.path = path
        self.memory = memory
        self.terms = terms
        self._fd = fd

    def remove(self) -> None:
        """Remove the file's name and its lock; a reader that has it open keeps its content."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        os.close(self._fd)


def make(folders: Iterable[Path], terms: RingTerms) -> OwnRing:
    """Make a ring in the first of these folders that allows it. Its memory is reserved at once: a write never meets a full disk.

    Raises:
        ConfigError: none of them does.
    """
    reasons = []
    for folder in folders:
        try:
            return _make(folder, terms)
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror}")
    raise ConfigError(f"a ring of {terms.capacity} bytes cannot be made: {'; '.join(reasons)}")


def _make(folder: Path, terms: RingTerms) -> OwnRing:
    path, size = folder / f"hulak-{terms.id:016x}.ring", HEADER_BYTES + terms.capacity
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.posix_fallocate(fd, 0, size)
        memory = mmap.mmap(fd, size, flags=IN_MEMORY)
        header = terms.pack()
        memory[: len(header)] = header
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd)  # with a src_dir_fd, else Python does not follow this link
    except OSError:
        os.close(fd)
        raise
    return OwnRing(path, memory, terms, fd)


def remove_leftovers(folders: Iterable[Path]) -> list[Path]:
    """Remove the rings of this user whose broker has ended without removing them; return their paths."""
    removed = []
    for folder in folders:
        with contextlib.suppress(OSError):
            removed += [path for path in folder.iterdir() if NAME.fullmatch(path.name) and _was_left(path)]
    return removed


def _was_left(path: Path) -> bool:
    """Remove a ring, if no broker holds its lock."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def open_ring(path: str, ring: int) -> tuple[mmap.mmap, RingTerms]:
    """Map a ring read-only.

    Args:
        path: of the file.
        ring: its id, which the file must have.
    Raises:
        ConfigError: there is no such file, it is not readable, or it is not that ring; the text has the reason.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        where = "; the broker may be on another machine or in another container" if error.errno == errno.ENOENT else ""
        raise ConfigError(f"the ring {path} cannot be opened: {error.strerror}{where}") from error
    try:
        return _map(path, fd, ring)
    except OSError as error:
        raise ConfigError(f"the ring {path} cannot be mapped: {error.strerror}") from error
    except ProtocolError as error:
        raise ConfigError(f"the ring {path} is none: {error}") from error
    finally:
        os.close(fd)


def _map(path: str, fd: int, ring: int) -> tuple[mmap.mmap, RingTerms]:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"the ring {path} is no regular file")
    terms = ring_format.read_terms(os.pread(fd, ring_format.HEADER.size, 0))
    if terms.id != ring:
        raise ConfigError(f"the ring {path} has the id {terms.id:016x}, and the broker's has {ring:016x}")
    if status.st_size != HEADER_BYTES + terms.capacity:
        raise ConfigError(f"the ring {path} has {status.st_size} bytes, must have {HEADER_BYTES + terms.capacity}")
    return mmap.mmap(fd, status.st_size, flags=IN_MEMORY, prot=mmap.PROT_READ), terms
