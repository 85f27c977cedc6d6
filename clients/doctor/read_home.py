"""Read the facts of the home folder and its disk for `hulak doctor`. The disk's speed is measured with a file without a name."""

import contextlib
import os
import re
import statistics
import time
from dataclasses import replace
from pathlib import Path

from hulak.bus.process.home import user_name
from hulak.bus.process.sockets import NAMES
from hulak.clients.doctor.checks.facts import HomeFacts

SYNCS = 7  # small writes that are synced and timed
SPEED_S = 1.5  # most seconds for each of the two measurements
BLOCK = b"\x5a" * (1 << 20)
BLOCKS = 32
MOUNTS = Path("/proc/self/mounts")


def nearest(path: Path) -> Path:
    """Return the path, or the nearest one above it that exists; the one above what this user cannot enter."""
    return next((place for place in (path, *path.parents) if _exists(place)), path.parents[-1] if path.parents else path)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def file_system(path: Path, mounts: str) -> str:
    """Return the kind of file system that a path lies on.

    Args:
        path: absolute, without links.
        mounts: content of /proc/self/mounts.
    """
    kind, depth = "", -1
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) > 2:
            folder = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), words[1]))
            if path.is_relative_to(folder) and len(folder.parts) >= depth:  # a later mount covers an earlier one
                kind, depth = words[2], len(folder.parts)
    return kind


def newest_file_s(home: Path) -> float | None:
    """Return the time of the newest file of the journal, in seconds since 1970; None if there is none."""
    with contextlib.suppress(OSError):
        return max((entry.stat().st_mtime for entry in os.scandir(home / "journal")), default=None)
    return None


def journal_bytes(home: Path) -> int:
    """Return the bytes of the files of the journal."""
    with contextlib.suppress(OSError):
        return sum(entry.stat().st_size for entry in os.scandir(home / "journal"))
    return 0


def speed(folder: Path) -> tuple[float | None, float | None]:
    """Measure the disk of a folder; both are None where no file can be made.

    Returns:
        the median of the milliseconds that a small write and its sync took; the bytes written and synced per second.
    """
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with contextlib.closing(os.fdopen(fd, "wb", buffering=0)) as file:
            return _sync_ms(file.fileno()), _bytes_per_s(file.fileno())
    return None, None


def _sync_ms(fd: int) -> float:
    taken: list[float] = []
    began = time.perf_counter()
    while len(taken) < SYNCS and time.perf_counter() - began < SPEED_S:
        before = time.perf_counter()
        os.write(fd, BLOCK[:4096])
        os.fdatasync(fd)
        taken.append((time.perf_counter() - before) * 1e3)
    return statistics.median(taken)


def _bytes_per_s(fd: int) -> float:
    written, began = 0, time.perf_counter()
    while written < BLOCKS * len(BLOCK) and time.perf_counter() - began < SPEED_S:
        written += os.write(fd, BLOCK)
    os.fdatasync(fd)
    return written / max(1e-9, time.perf_counter() - began)


def read(home: Path) -> HomeFacts:
    """Read the facts of a home folder, which need not exist."""
    place = nearest(home)
    status, user, exists = place.stat(), os.geteuid(), place == home
    facts = HomeFacts(
        path=str(home),
        user=user_name(user),
        exists=exists,
        folder=place.is_dir(),
        owner=user_name(status.st_uid),
        owned=user in (0, status.st_uid),
        mode=status.st_mode & 0o7777,
        writable=os.access(place, os.W_OK | os.X_OK),
        longest_ipc=max(len(bytes(home / "run" / f"{name}.ipc")) for name in (*NAMES, "supervisor")),
        filesystem=file_system(place.resolve(), MOUNTS.read_text(encoding="utf-8", errors="replace")),
    )
    if not facts.folder or not os.access(place, os.R_OK | os.X_OK):
        return facts
    return _with_disk(facts, place)


def _with_disk(facts: HomeFacts, place: Path) -> HomeFacts:
    disk = os.statvfs(place)
    sync_ms, write_bytes_per_s = speed(place) if facts.writable else (None, None)
    return replace(
        facts,
        disk_bytes=disk.f_blocks * disk.f_frsize,
        free_bytes=disk.f_bavail * disk.f_frsize,
        free_files=disk.f_favail if disk.f_files else None,
        journal_bytes=journal_bytes(Path(facts.path)),
        sync_ms=sync_ms,
        write_bytes_per_s=write_bytes_per_s,
    )
