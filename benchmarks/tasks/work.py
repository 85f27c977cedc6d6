"""The task of all systems: it returns its number, and counts its execution in shared memory.

The count is one byte for each task. It costs a tenth of a microsecond, the same for all, and shows for every task whether it
was executed once, never or several times, whatever its caller received.
"""

import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLACE = "BENCHMARK_TALLY"  # variable with the path of the tally's file
MAX_TASKS = 1 << 24  # tasks of one cell; the file is sparse
NOTE = "benchmark"  # makes an argument of about 25 bytes

_tally: mmap.mmap | None = None


def make_tally(path: Path) -> None:
    """Create a tally's file, all zeros."""
    with path.open("wb") as file:
        file.truncate(MAX_TASKS)


def read_tally(path: Path, count: int) -> dict[str, int]:
    """Return how many of the tasks 0 to count - 1 were `never` executed, and how many `twice` or more."""
    with path.open("rb") as file:
        done = file.read(count)
    return {"never": done.count(0), "twice": count - done.count(0) - done.count(1)}


def mark(number: int) -> None:
    """Count the execution of a task; does nothing without a tally."""
    global _tally  # noqa: PLW0603 - mapped once in each process
    if _tally is None:
        path = os.environ.get(PLACE)
        if path is None:
            return
        with Path(path).open("r+b") as file:
            _tally = mmap.mmap(file.fileno(), MAX_TASKS)
    _tally[number] = min(255, _tally[number] + 1)


def argument(number: int) -> dict[str, Any]:
    """Return a task's argument."""
    return {"n": number, "note": NOTE}


def noop(given: Mapping[str, Any]) -> int:
    """Run a task, given its argument as one map."""
    number: int = given["n"]
    mark(number)
    return number
