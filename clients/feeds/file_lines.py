"""The content of a file, and its lines: .gz and .zip are decompressed in constant memory, files without lines are recognised."""

import gzip
import io
import lzma
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hulak.bus.errors import FeedError
from hulak.clients.feeds.files.reader import EmptyFile

MAX_LINE = 1 << 16  # characters; bounds the memory for a file without line ends
STDIN = Path("-")
COPIED_BYTES = 1 << 20  # of a pipe at a time
MAX_MEMBERS = 100_000  # files in a .zip
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # first bytes
BESIDE = (".txt", ".htm", ".html", ".pdf", ".md")  # of files that lie beside a table of ticks, as HistData's report of gaps
SAMPLE_BYTES = 256  # bytes from which the kind is detected
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)

_KINDS = (  # first bytes of files that hold no lines of text
    (b"(\xb5/\xfd", "compressed by zstd: unpack it first (Databento's .dbn.zst is read as it is)"),
    (b"BZh", "compressed by bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "compressed by xz: unpack it first"),
    (b"7z\xbc\xaf'\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"ARROW1", "an Arrow file: binary; write it as Parquet or CSV"),
    (b"\x89HDF", "an HDF5 file: binary; write it as CSV"),
    (b"SQLite format 3", "an SQLite database: binary; write it as CSV"),
    (b"%PDF", "a PDF document"),
    (b"[", "JSON in one piece, must be one object a line, or CSV"),
    (b"<!", "a page of HTML, not CSV"),
    (b"<html", "a page of HTML, not CSV"),
    (b"<?xml", "XML, not CSV"),
)
_UTF16 = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def open_content(path: Path, member: str | None = None) -> tuple[str, io.BufferedReader]:
    """Open a file; .gz, and a file in a .zip, are decompressed. A pipe is read to its end first.

    Args:
        path: the file; `-` is standard input.
        member: the file in a .zip; None if that holds one file only.
    Returns:
        the file's name, with that of the file inside; and its content, which can be read from its beginning only.
    Raises:
        FeedError: it cannot be opened.
    """
    try:
        file = _open(path)
    except OSError as error:
        raise FeedError(f"tick file {path} cannot be opened: {error.strerror or error}") from error
    try:
        return _decompressed(file, "stdin" if path == STDIN else path.name, member)
    except FeedError:
        file.close()
        raise
    except BROKEN as error:
        file.close()
        raise FeedError(f"{path.name} is damaged: {error}") from error


def begins_with(name: str, file: io.BufferedReader) -> bytes:
    """Return the first bytes of a file, without reading it. Raises `FeedError` if it is empty or damaged."""
    try:
        begins = file.peek(SAMPLE_BYTES)[:SAMPLE_BYTES]
    except BROKEN as error:
        raise FeedError(f"{name} is damaged: {error}") from error
    if not begins:
        raise EmptyFile(f"{name} is empty")
    return begins


def lines_of(name: str, file: io.BufferedReader) -> Iterator[str]:
    """Return the lines of an open file, with their ends; it is closed with the iterator.

    Raises:
        FeedError: its first bytes show that it holds no lines; raised later, from the lines, if the file is damaged or a line is
            longer than `MAX_LINE`.
    """
    return _lines(name, file, _encoding(name, begins_with(name, file)))


def members_of(path: Path) -> list[str]:
    """Return the names of the files in a .zip that may hold ticks; none if the file is no .zip.

    Raises:
        FeedError: it cannot be opened, is damaged, or holds too many files.
    """
    try:
        with path.open("rb") as file:
            if not file.read(4).startswith(ZIP):
                return []
            with zipfile.ZipFile(file) as archive:
                names = [member.filename for member in archive.infolist() if not member.is_dir()]
    except BROKEN as error:
        raise FeedError(f"{path.name} is damaged, or cannot be opened: {error}") from error
    if len(names) > MAX_MEMBERS:
        raise FeedError(f"{path.name} is a ZIP archive of {len(names)} files, must hold at most {MAX_MEMBERS}")
    tables = [name for name in names if not name.lower().endswith(BESIDE) and not name.startswith("__MACOSX/")]
    return tables or names


def _open(path: Path) -> BinaryIO:
    """Open a file. A pipe is copied to a temporary file, because an archive is read from its end."""
    file = sys.stdin.buffer if path == STDIN and sys.stdin is not None else path.open("rb")
    if file.seekable():
        return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    with file:
        shutil.copyfileobj(file, copy, COPIED_BYTES)
    copy.seek(0)
    return copy


def _decompressed(file: BinaryIO, name: str, member: str | None) -> tuple[str, io.BufferedReader]:
    """Return the content of a compressed file, else the file itself."""
    begins = file.read(4)
    file.seek(0)
    if begins.startswith(b"\x1f\x8b"):
        return name, io.BufferedReader(gzip.GzipFile(fileobj=file))
    if begins.startswith(ZIP):
        archive = zipfile.ZipFile(file)
        members = [info for info in archive.infolist() if not info.is_dir() and member in {None, info.filename}]
        if len(members) != 1:
            raise FeedError(f"{name} is a ZIP archive of {len(members)} files, must hold one where it comes from a pipe")
        return f"{name}/{members[0].filename}", io.BufferedReader(archive.open(members[0]))  # type: ignore[arg-type]  # it has every method that is called
    return name, io.BufferedReader(file)  # type: ignore[arg-type]


def _encoding(name: str, begins: bytes) -> str:
    for magic, codec in _UTF16:
        if begins.startswith(magic):
            return codec
    text = begins.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, kind in _KINDS:
        if text.startswith(magic):
            raise FeedError(f"{name} is {kind}")
    if (len(begins) > 1 and not any(begins[1::2])) or not any(begins[::2]):  # ASCII in UTF-16 has a zero in each second byte
        return "utf-16-be" if begins[0] == 0 else "utf-16-le"
    if b"\0" in begins:
        raise FeedError(f"{name} is binary, of an unknown kind, must be lines of text")
    return "utf-8-sig"


def _lines(name: str, file: io.BufferedReader, encoding: str) -> Iterator[str]:
    with io.TextIOWrapper(file, encoding=encoding, errors="replace") as text:
        while True:
            try:
                line = text.readline(MAX_LINE)
            except (*BROKEN, UnicodeError) as error:
                raise FeedError(f"{name} is damaged: {error}") from error
            if not line:
                return
            if len(line) >= MAX_LINE:
                raise FeedError(f"{name} has a line of more than {MAX_LINE} characters, must be lines of columns")
            yield line
