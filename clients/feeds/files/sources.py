"""The files that a command means: files, folders with the files below them, and .zip archives with several files."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from hulak.bus.errors import FeedError
from hulak.clients.feeds.file_lines import STDIN, members_of
from hulak.clients.feeds.files.registry import TickPath

MAX_FILES = 100_000  # eleven years of hours of one instrument
SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".gz", ".zip", ".bi5", ".dbn", ".dbn.zst", ".parquet")  # of files in folders


def expand(paths: Sequence[Path]) -> list[TickPath]:
    """Return the files, those of a folder in the order of their names.

    Args:
        paths: files, folders, or standard input alone.
    Raises:
        FeedError: a folder or an archive cannot be read, a folder has no files of ticks, or there are too many of them.
    """
    if STDIN in paths and len(paths) > 1:
        raise FeedError("standard input (-) is given beside other files, must be the only one")
    files: list[TickPath] = []
    for path in paths:
        before = len(files)
        for file in map(_no_pipe, _below(path)) if path.is_dir() else (path,):
            members = members_of(file) if file != STDIN and file.is_file() else []
            files += [TickPath(file, member) for member in members] or [TickPath(file)]
            if len(files) > MAX_FILES:
                raise FeedError(f"{path} and the paths before it have more than {MAX_FILES} files, must be at most as many")
        if len(files) == before:
            raise FeedError(f"folder {path} has no files of ticks, whose names end with {', '.join(SUFFIXES)}")
    return files


def _no_pipe(file: Path) -> Path:
    """Return the path of a file in a folder; raises `FeedError` if it is a pipe or a device, which may never end."""
    if file.exists() and not file.is_file():
        raise FeedError(f"{file} is a pipe or a device, must be a file; give it by its name, or remove it from the folder")
    return file


def _below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise FeedError(f"folder {error.filename} cannot be read: {error.strerror}") from error

    for at, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(at) / name for name in sorted(names) if name.lower().endswith(SUFFIXES) and not name.startswith("."))
