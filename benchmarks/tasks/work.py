"""The task that all systems carry out: nothing but to give its number back, and to count in shared memory that it was done.

The count is one byte for each task. It costs a tenth of a microsecond, the same for all, and tells of every task whether it
was carried out once, never or several times, whatever its caller was told.
"""

import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLACE = "BENCHMARK_TALLY"  # variable with the path of the tally's file
MOST = 1 << 24  # tasks of one cell; the file is sparse
NOTE = "benchmark"  # makes an argument of about 25 bytes

_tally: mmap.mmap | None = None


def make_tally(path: Path) -> None:
    """Make a tally's file, all zeros."""
    with path.open("wb") as file:
        file.truncate(MOST)


def read_tally(path: Path, count: int) -> dict[str, int]:
    """Say how many of the tasks 0 to count - 1 were `never` carried out, and how many `twice` or more."""
    with path.open("rb") as file:
        done = file.read(count)
    return {"never": done.count(0), "twice": count - done.count(0) - done.count(1)}


def mark(number: int) -> None:
    """Count that a task was carried out; without a tally nothing happens."""
    global _tally  # noqa: PLW0603 - mapped once in each process
    if _tally is None:
        path = os.environ.get(PLACE)
        if path is None:
            return
        with Path(path).open("r+b") as file:
            _tally = mmap.mmap(file.fileno(), MOST)
    _tally[number] = min(255, _tally[number] + 1)


def argument(number: int) -> dict[str, Any]:
    """Make a task's argument."""
    return {"n": number, "note": NOTE}


def noop(given: Mapping[str, Any]) -> int:
    """Carry a task out, given its argument as one map."""
    number: int = given["n"]
    mark(number)
    return number
