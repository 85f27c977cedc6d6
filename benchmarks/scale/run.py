"""All that `python -m benchmarks scale` measures, and its result as Markdown."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scale import history, queue, rows, subscribing
from benchmarks.scale.growth import Table, exponents, markdown_of, worse

PARTS = ("subscribing", "queue", "rows", "journal")


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is measured at which sizes.

    Args:
        subscriptions: exact subscriptions, and topics.
        queued: posted tasks that wait.
        rows: ended tasks that are kept.
        journal_mib: MiB of journal.
    """

    subscriptions: tuple[int, ...]
    queued: tuple[int, ...]
    rows: tuple[int, ...]
    journal_mib: tuple[int, ...]


def measure(
    parts: Collection[str], sizes: Sizes, folder: Path | None, limit_s: float, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measure.

    Args:
        parts: some of `PARTS`.
        sizes: of each part.
        folder: where the brokers' homes are made; on a real disk.
        limit_s: seconds after which a single measurement is given up.
        tell: told what is measured now.
    Returns:
        `tables`: for each its title, rows and exponents; `worse`: in words, what grows worse than linear; `text`: Markdown.
    """
    ways: dict[str, Callable[[], Table]] = {
        "subscribing": lambda: subscribing.measure(sizes.subscriptions, folder, limit_s, tell),
        "queue": lambda: queue.measure(sizes.queued, folder, tell),
        "rows": lambda: rows.measure(sizes.rows, folder, tell),
        "journal": lambda: history.measure(sizes.journal_mib, folder, limit_s, tell),
    }
    tables = [ways[part]() for part in PARTS if part in parts]
    return {
        "tables": [{"title": one.title, "size": one.size, "rows": one.rows, "exponents": exponents(one)} for one in tables],
        "worse": [line for one in tables for line in worse(one)],
        "text": "\n\n".join(map(markdown_of, tables)),
    }


def report(result: dict[str, Any]) -> str:
    """Write what `measure` returned."""
    said = "\n".join(f"* {line}" for line in result["worse"]) or "Nothing grows worse than linear."
    return f"{result['text']}\n\n{said}"
