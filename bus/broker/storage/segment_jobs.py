"""Slow work on closed segments: compress one, or put one into the archive. Run by `UpkeepThread`, never by the loop.

Each makes a file beside or behind a segment and leaves the segment itself alone: the loop removes it when it knows the result.
A file gets its name when it is whole, on the disk, and has been read back and found equal; a kill leaves the segment, and perhaps
a file that ends with `.new`.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hulak.bus.broker.storage.segment_file import SegmentFile
from hulak.bus.broker.storage.sync_thread import write_whole
from hulak.bus.core.journal.compressed_index import shrink
from hulak.bus.core.journal.compressed_segment import CompressedHead, compressor, expand
from hulak.bus.core.journal.record_format import Snapshot
from hulak.bus.core.journal.segment_index import SegmentIndex
from hulak.bus.core.journal.segment_names import compressed_name, index_name, numbers_in
from hulak.bus.errors import ProtocolError

NEW = ".new"  # suffix of a file that is not whole yet
PIECE_BYTES = 1 << 20  # copied and compared at a time
SYNC_BYTES = 4 << 20  # written between two syncs: one large one would hold up the journal's
FORBIDS_LINKS = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES, errno.ENOSYS}
Pause = Callable[[], None]  # between two pieces; raises `Stopped`


class Stopped(Exception):
    """The broker stops: the work is left, and done again after the next start."""


def compress(path: Path, size: int, pause: Pause) -> Path:
    """Write the compressed form of a segment beside it, and check that it holds the same bytes; returns its path.

    Args:
        path: of a closed segment.
        size: its bytes; the file may be longer, if its end is torn.
        pause: called after each piece.
    Raises:
        OSError: the disk cannot be read or written, or does not return what was written.
        Stopped: `pause` asked for it.
    """
    target, index = path.with_name(compressed_name(path.name)), _index(path, size)
    with SegmentFile(path) as file, _new_file(target) as fd:
        head = CompressedHead.of(*_snapshot(file), index, size)
        _write_frames(file, head, fd, pause)
        os.fsync(fd)
        _forget_pages(fd)
        for at in range(len(head.frames)):
            offset, length = head.place(at)
            block = expand(os.pread(fd, length, offset), head.block_size(at))
            if block is None or block != file.read(head.block_size(at), at * head.block_bytes):
                raise OSError(errno.EIO, f"block {at} of {target.name} is not what was written")
            pause()
    if index is not None:
        with contextlib.suppress(OSError):  # the plain one is valid too
            write_whole(path.with_name(index_name(path.name)), shrink(index.encode(size)))
    return target


def _write_frames(file: SegmentFile, head: CompressedHead, fd: int, pause: Pause) -> None:
    compressed, unsynced = compressor(), 0
    _write(fd, bytes(head.start))
    for at in range(len(head.frames)):
        block = file.read(head.block_size(at), at * head.block_bytes)
        if len(block) != head.block_size(at):
            raise OSError(errno.EIO, f"the segment ends at {at * head.block_bytes + len(block)}, and has {head.size} bytes")
        frame = compressed.compress(block)
        head.frames[at] = len(frame)
        _write(fd, frame)
        unsynced += len(frame)
        if unsynced >= SYNC_BYTES:
            os.fdatasync(fd)
            unsynced = 0
        pause()
    head.settle()
    _write(fd, head.table())
    if os.pwrite(fd, head.encode(), 0) != head.start:
        raise OSError(errno.ENOSPC, "its head was not written whole, the disk is full")


def _snapshot(file: SegmentFile) -> tuple[Snapshot | None, int]:
    try:
        return file.snapshot()
    except ProtocolError:
        return None, 0


def _index(path: Path, size: int) -> SegmentIndex | None:
    numbers = numbers_in(path.name)
    assert numbers is not None, "a segment has the name of one"
    try:
        return SegmentIndex.decode(path.with_name(index_name(path.name)).read_bytes(), size, numbers[1] + 1)
    except (OSError, ProtocolError):
        return None


def archive(path: Path, folder: Path, journal: str, pause: Pause) -> Path:
    """Put a segment into the archive, under its journal's id; returns its path there.

    On the same file system it is another name of the same file. Else it is a copy, read back and compared.

    Args:
        path: of a closed segment, of either form.
        folder: the archive. It must exist: a disk that is not mounted must not be taken for an empty one.
        journal: id of the journal: each has its folder, since their segments have the same names.
        pause: called after each piece.
    Raises:
        OSError: the archive cannot be written, or has another segment of this name.
        Stopped: `pause` asked for it.
    """
    if not folder.is_dir():
        raise OSError(errno.ENOENT, f"the archive {folder} does not exist: make it, or mount its disk")
    target = folder / journal / path.name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    if not _is_there(path, target, pause):
        _put(path, target, pause)
    sync_folder(target.parent)
    return target


def _is_there(path: Path, target: Path, pause: Pause) -> bool:
    """Return whether the archive has this segment already: a kill may have come before it was removed here.

    Raises:
        OSError: it has another one of this name, as when two brokers have copies of one home: that one is kept.
    """
    if not target.exists():
        return False
    if target.samefile(path) or (target.stat().st_size == path.stat().st_size and _equal(path, target, pause)):
        return True
    why = f"the archive has another {path.name} already: it is damaged, or a copy of this journal writes there; move it away"
    raise OSError(errno.EEXIST, why)


def _put(path: Path, target: Path, pause: Pause) -> None:
    fresh = target.with_name(target.name + NEW)
    fresh.unlink(missing_ok=True)
    try:
        os.link(path, fresh)
    except OSError as error:
        if error.errno not in FORBIDS_LINKS:
            raise
    else:
        fresh.replace(target)
        return
    with path.open("rb") as source, _new_file(target) as fd:
        unsynced = 0
        while piece := source.read(PIECE_BYTES):
            _write(fd, piece)
            unsynced += len(piece)
            if unsynced >= SYNC_BYTES:
                os.fdatasync(fd)
                unsynced = 0
            pause()
        os.fsync(fd)
        _forget_pages(fd)
        if not _equal(path, fresh, pause):
            raise OSError(errno.EIO, f"{fresh} does not hold what was written to it")


def _equal(path: Path, other: Path, pause: Pause) -> bool:
    with path.open("rb") as first, other.open("rb") as second:
        while True:
            piece = first.read(PIECE_BYTES)
            if piece != second.read(PIECE_BYTES):
                return False
            if not piece:
                return True
            pause()


@contextmanager
def _new_file(target: Path) -> Iterator[int]:
    """Open a file that gets its name when the block ends, and is removed if the block fails."""
    fresh = target.with_name(target.name + NEW)
    fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        yield fd
        fresh.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    sync_folder(target.parent)


def _write(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    if written < len(data):
        raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written, the disk is full")


def _forget_pages(fd: int) -> None:
    """Let what is read back come from the disk, not from memory, where the system can do that."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the names in it survive a power cut; raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files of a broker that was killed."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name.endswith(NEW) and numbers_in(path.name.removesuffix(NEW)) is not None:
                path.unlink(missing_ok=True)
