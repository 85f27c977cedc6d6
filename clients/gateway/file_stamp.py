"""The stamp of a file: it is read again when the stamp has changed. Reads the state of files, no other I/O."""

from pathlib import Path

Stamp = tuple[int, int, int, int] | None


def stamp(path: Path) -> Stamp:
    """Return a value that changes when a file is written, replaced, or has other rights; None if it cannot be found."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
