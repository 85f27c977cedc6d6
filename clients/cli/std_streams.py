"""Standard input and output as they may be: closed, full, or of an encoding that has not all characters."""

import codecs
import contextlib
import io
import json
import os
import sys
from typing import Any

FAILED = 1


class OutputFailed(OSError):
    """Standard output does not take what is printed; not for a reader that has had enough, which is a `BrokenPipeError`."""


class _Output(io.FileIO):
    """Standard output's descriptor."""

    def write(self, data: Any, /) -> int:
        """Write; raises `OutputFailed`."""
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(error.errno, error.strerror) from error


def prepare() -> None:
    """Make sure that there are three standard streams, and that whatever is printed can be, or is told as `OutputFailed`.

    A descriptor that was closed would be given to the next file or socket that is opened. In its place comes one that cannot be
    written, so that who prints is told. A character that the encoding has not is written as in JSON, `\\u0928`.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)  # the lowest number that is free: this one
    codecs.register_error("as-in-json", _as_in_json)
    before = sys.stdout
    encoding, by_line, at_once = "utf-8", False, False
    if isinstance(before, io.TextIOWrapper):
        encoding, by_line, at_once = before.encoding, before.line_buffering, before.write_through
    raw = io.BufferedWriter(_Output(1, "w", closefd=False))
    sys.stdout = io.TextIOWrapper(raw, encoding, "as-in-json", line_buffering=by_line, write_through=at_once)
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", errors="backslashreplace")


def _as_in_json(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def give_up(error: OutputFailed) -> int:
    """Say that standard output cannot be written, and have nothing more written to it; returns the exit code."""
    with contextlib.suppress(OSError):
        print(f"hulak: standard output cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201 - click's own way is out
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.close(sink)
    return FAILED
