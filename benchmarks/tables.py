"""How fast a journal becomes tables: ticks per second of the export and of queries, and the memory of all processes.

The commands are those of users, in separate processes, so that their start is part of the time. Every count is compared with
that of `hulak journal verify`.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import bulk, machine
from benchmarks.figures import markdown
from benchmarks.system import BenchmarkError
from hulak.bus.process.load_settings import load

SAMPLE_S = 0.1  # between two looks at the memory
COUNT = "select count(*) as ticks from ticks"
ONE_SYMBOL = "select max(bid) as high from ticks where symbol = 'EURUSD'"
MIB = 1 << 20


def run(home: Path, *words: str) -> tuple[Any, float, int]:
    """Run a command with --json; return its result, the seconds it took, and the most bytes of memory its processes had."""
    began, most = time.monotonic(), 0
    command = [*machine.python("hulak"), *words, "--json", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - the words are trusted
        while True:
            try:
                output, _ = process.communicate(timeout=SAMPLE_S)
                break
            except subprocess.TimeoutExpired:
                most = max(most, machine.rss_bytes(machine.family(process.pid)))
    if process.returncode:
        raise BenchmarkError(f"`hulak {' '.join(words)}` failed: {output.decode()[:200]}")
    return json.loads(output), time.monotonic() - began, most


def measure(size: int, folder: Path | None, log: Callable[[str], None]) -> dict[str, Any]:
    """Measure with a journal of `size` bytes.

    Args:
        size: bytes.
        folder: for the files; None: the temporary folder.
        log: called with each line of progress.
    Returns:
        rows {what, seconds, per_s, memory_mib}, and the number of ticks and of bytes of the export.
    Raises:
        BenchmarkError: a command failed, or counted other ticks than `hulak journal verify`.
    """
    with tempfile.TemporaryDirectory(prefix="hulak-tables-", dir=folder) as place:
        home, export = Path(place, "home"), Path(place, "export")
        home.mkdir()
        (home / "hulak.toml").write_text(f"[journal]\nmax_bytes = {2 * size + (1 << 20)}\n")
        made = bulk.fill(home, load(home, None), size)
        log(f"journal of {size:,} bytes: {made.ticks:,} ticks")
        commands: dict[str, list[str]] = {
            "verify": ["journal", "verify"],
            "export to Parquet": ["journal", "export", "--parquet", str(export)],
            "export again, nothing is new": ["journal", "export", "--parquet", str(export)],
            "count by SQL, journal": ["query", COUNT],
            "count by SQL, export": ["query", COUNT, "--export", str(export)],
            "highest bid of one symbol, export": ["query", ONE_SYMBOL, "--export", str(export)],
        }
        rows = []
        for what, words in commands.items():
            result, seconds, most = run(home, *words)
            counted = _count(result)
            if counted not in {None, made.ticks}:
                raise BenchmarkError(f"{what}: {counted} ticks, must be {made.ticks}")
            rows.append({"what": what, "seconds": seconds, "per_s": made.ticks / seconds, "memory_mib": most / MIB})
            log(f"{what}: {seconds:.2f} s")
        written = sum(path.stat().st_size for path in export.rglob("*.parquet"))
    return {"rows": rows, "size": size, "ticks": made.ticks, "written": written}


def _count(result: Any) -> int | None:
    """Return the ticks that a command has counted; None if it counts none."""
    if isinstance(result, list):
        count: int | None = result[0].get("ticks")
        return count
    if "segments" in result:
        return sum(int(segment["ticks"]) for segment in result["segments"])
    return int(result["rows"])


def table(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    heads = ("command", "seconds", "ticks/s", "memory, MiB")
    columns = dict(zip(("what", "seconds", "per_s", "memory_mib"), heads, strict=True))
    size, ticks, written = result["size"] / MIB, result["ticks"], result["written"] / result["ticks"]
    return f"{markdown(result['rows'], columns)}\n\n{size:,.0f} MiB, {ticks:,} ticks; {written:.1f} bytes of Parquet per tick."
