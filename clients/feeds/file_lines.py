"""The lines of a tick file: its kind is detected from its first bytes; .gz and .zip are decompressed in constant memory."""

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

MAX_LINE = 1 << 16  # characters; bounds the memory for a file without line ends
STDIN = Path("-")
COPIED_BYTES = 1 << 20  # of a pipe at a time
SAMPLE_BYTES = 256  # bytes from which the kind is detected
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)

_KINDS = (  # first bytes of files that hold no lines of text
    (b"]\x00\x00", "an LZMA stream, as Dukascopy's .bi5 of an hour: binary; use dukascopy-node to write it as CSV"),
    (b"DBN", "Databento's DBN: binary; write it as CSV"),
    (b"(\xb5/\xfd", "compressed by zstd: unpack it first"),
    (b"BZh", "compressed by bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "compressed by xz: unpack it first"),
    (b"7z\xbc\xaf'\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"PAR1", "a Parquet file: binary; write it as CSV"),
    (b"ARROW1", "an Arrow file: binary; write it as CSV"),
    (b"\x89HDF", "an HDF5 file: binary; write it as CSV"),
    (b"SQLite format 3", "an SQLite database: binary; write it as CSV"),
    (b"%PDF", "a PDF document"),
    (b"[", "JSON in one piece, must be one object a line, or CSV"),
    (b"<!", "a page of HTML, not CSV"),
    (b"<html", "a page of HTML, not CSV"),
    (b"<?xml", "XML, not CSV"),
)
_UTF16 = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def open_lines(path: Path) -> tuple[str, Iterator[str]]:
    """Open a file of lines, plain, or compressed as .gz or alone in a .zip. A pipe is read to its end first.

    Args:
        path: the file; `-` is standard input.
    Returns:
        the file's name, with that of the file inside; and its lines, with their ends.
    Raises:
        FeedError: it cannot be opened, or its first bytes show that it holds no lines; raised later, from the lines, if the file
            is damaged or a line is longer than `MAX_LINE`.
    """
    try:
        file = _open(path)
    except OSError as error:
        raise FeedError(f"tick file {path} cannot be opened: {error.strerror or error}") from error
    try:
        name, inside = _decompressed(file, "stdin" if path == STDIN else path.name)
        return name, _lines(name, inside, _encoding(name, inside))
    except FeedError:
        file.close()
        raise
    except _BROKEN as error:
        file.close()
        raise FeedError(f"{path.name} is damaged: {error}") from error


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


def _decompressed(file: BinaryIO, name: str) -> tuple[str, io.BufferedReader]:
    """Return the content of a compressed file, else the file itself."""
    begins = file.read(4)
    file.seek(0)
    if begins.startswith(b"\x1f\x8b"):
        return name, io.BufferedReader(gzip.GzipFile(fileobj=file))
    if begins.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        archive = zipfile.ZipFile(file)
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise FeedError(
                f"{name} is a ZIP archive of {len(members)} files, must hold one: unpack it, and give one of its files"
            )
        return f"{name}/{members[0].filename}", io.BufferedReader(archive.open(members[0]))  # type: ignore[arg-type]  # it has every method that is called
    return name, io.BufferedReader(file)  # type: ignore[arg-type]


def _encoding(name: str, file: io.BufferedReader) -> str:
    begins = file.peek(SAMPLE_BYTES)[:SAMPLE_BYTES]
    if not begins:
        hour = ": an hour without ticks in Dukascopy's archive" if name.endswith(".bi5") else ""
        raise FeedError(f"{name} is empty{hour}")
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
            except (*_BROKEN, UnicodeError) as error:
                raise FeedError(f"{name} is damaged: {error}") from error
            if not line:
                return
            if len(line) >= MAX_LINE:
                raise FeedError(f"{name} has a line of more than {MAX_LINE} characters, must be lines of columns")
            yield line
