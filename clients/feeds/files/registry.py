"""The kinds of tick files: each is recognised by its first bytes, and has a reader.

| first bytes                     | kind                                             | reader                   |
|---------------------------------|--------------------------------------------------|--------------------------|
| `5D 00 00`, or a name in `.bi5` | Dukascopy's .bi5                                 | `files.bi5`              |
| `DBN`, or a name in `.dbn.zst`  | Databento's DBN; needs the extra `dbn`           | `files.dbn`              |
| `PAR1`                          | Parquet, as Nautilus's; needs the extra `parquet`| `files.parquet`          |
| any other                       | lines of text: CSV or JSON                       | `tick_files.TickLines`   |
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.file_lines import begins_with, lines_of, open_content
from hulak.clients.feeds.files.bi5 import read_bi5
from hulak.clients.feeds.files.dbn import read_dbn
from hulak.clients.feeds.files.parquet import read_parquet
from hulak.clients.feeds.files.reader import FileOptions, TickReader
from hulak.clients.feeds.tick_files import TickLines

Reader = Callable[[BufferedReader, str, str, FileOptions], TickReader]
_NONE = FileOptions()


@dataclass(frozen=True, slots=True)
class TickPath:
    """A file of ticks, or one in a .zip."""

    path: Path
    member: str | None = None


def open_ticks(file: Path | TickPath, options: FileOptions = _NONE) -> TickReader:
    """Open a tick file and check its beginning.

    Args:
        file: plain, .gz, or in a .zip; `-` is standard input.
        options: the user's, about it.
    Raises:
        FeedError: it cannot be opened, or is refused; the text says why.
    """
    file = file if isinstance(file, TickPath) else TickPath(file)
    name, content = open_content(file.path, file.member)
    return _reader_of(name, content)(content, name, file.path.absolute().parent.as_posix(), options)


def _reader_of(name: str, content: BufferedReader) -> Reader:
    lower = name.lower()
    if lower.endswith(".bi5"):
        return read_bi5  # an empty one is an hour without ticks
    begins = begins_with(name, content)
    if begins.startswith(b"]\0\0"):
        return read_bi5
    if begins.startswith(b"DBN") or (begins.startswith(b"(\xb5/\xfd") and lower.endswith(".dbn.zst")):
        return read_dbn
    return read_parquet if begins.startswith(b"PAR1") else _read_text


def _read_text(content: BufferedReader, name: str, path: str, options: FileOptions) -> TickReader:
    return TickLines(lines_of(name, content), name, path, options)


def read_ticks(path: Path | TickPath, *, on_error: Callable[[FeedError], None] | None = None, **options: Any) -> Iterator[Tick]:
    """Read the ticks of one file lazily, in the order of its rows, in constant memory.

    Args:
        path: the file.
        on_error: called with each bad row's error; the row is skipped. None raises at the first one.
        options: of `FileOptions`.
    Raises:
        FeedError: as `open_ticks`; or a bad row and no `on_error`. The text names file and row.
    """
    yield from open_ticks(path, FileOptions(**options)).ticks(on_error)
