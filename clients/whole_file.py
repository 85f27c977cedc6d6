"""Files that are there when they are whole and on disk: written beside their place, and moved there at the end."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Return the path of an empty file in the same folder, for a block; move it to `path` at the end of the block.

    If the block raises, or deletes its file, nothing is moved, and a file at `path` is kept. Of a link, the file
    that it points to is replaced.

    Raises:
        OSError: it cannot be written, or is a folder or a device; its `filename` is set.
    """
    part: Path | None = None
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():  # a device such as /dev/null would be gone for all programs
            raise FileExistsError(errno.EEXIST, "it is not a regular file")
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(descriptor)
        part = Path(name)
        yield part
        if part.exists():
            part.chmod(0o666 & ~_umask())
            _sync(part)
            part.replace(target)
            _sync(target.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
