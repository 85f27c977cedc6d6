"""Standard streams that are closed, full, or have an encoding without some characters."""

import codecs
import contextlib
import io
import json
import os
import sys
from typing import Any

FAILED = 1


class OutputFailed(OSError):
    """Writing to standard output failed; a reader that has ended is a `BrokenPipeError` instead."""


class _Output(io.FileIO):
    """File descriptor of standard output."""

    def write(self, data: Any, /) -> int:
        """Write bytes. Raises `OutputFailed`."""
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(error.errno, error.strerror) from error


def prepare() -> None:
    """Open missing standard streams, and make failed writes to standard output raise `OutputFailed`.

    The next file or socket would get a closed descriptor, so a closed one is replaced by one that is not writable. A character
    that the encoding lacks is written as in JSON, `\\u0928`.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)  # the lowest free number: this one
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
    """Print that standard output cannot be written, discard further output, and return the exit code."""
    with contextlib.suppress(OSError):
        print(f"hulak: standard output cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201 - click's echo writes to the failed stream
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.close(sink)
    return FAILED
