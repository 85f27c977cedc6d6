"""The measurements of `python -m benchmarks scale`, and their result as Markdown."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scale import displays, history, queue, ring_readers, rows, subscribers, subscribing, symbols
from benchmarks.scale.growth import Table, exponents, markdown_of, worse

PARTS = ("subscribing", "symbols", "subscribers", "ring-readers", "queue", "rows", "journal", "displays")


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of each part.

    Args:
        subscriptions: exact subscriptions, and topics.
        symbols: symbols that have a last value.
        subscribers: subscribers of all ticks.
        ring_readers: readers of the ring.
        queued: queued posted tasks.
        rows: retained ended tasks.
        journal_mib: MiB of journal.
        displays: displays.
    """

    subscriptions: tuple[int, ...]
    symbols: tuple[int, ...]
    subscribers: tuple[int, ...]
    ring_readers: tuple[int, ...]
    queued: tuple[int, ...]
    rows: tuple[int, ...]
    journal_mib: tuple[int, ...]
    displays: tuple[int, ...]


def measure(
    parts: Collection[str], sizes: Sizes, folder: Path | None, limit_s: float, log: Callable[[str], None]
) -> dict[str, Any]:
    """Run the measurements.

    Args:
        parts: some of `PARTS`.
        sizes: of each part.
        folder: for the brokers' home folders; on a real disk.
        limit_s: limit of a single measurement, seconds.
        log: called with each line of progress.
    Returns:
        `tables`: for each its title, rows and exponents; `worse`: sentences on what grows worse than linearly; `text`: Markdown.
    """
    ways: dict[str, Callable[[], Table]] = {
        "subscribing": lambda: subscribing.measure(sizes.subscriptions, folder, limit_s, log),
        "symbols": lambda: symbols.measure(sizes.symbols, folder, log),
        "subscribers": lambda: subscribers.measure(sizes.subscribers, folder, log),
        "ring-readers": lambda: ring_readers.measure(sizes.ring_readers, folder, log),
        "queue": lambda: queue.measure(sizes.queued, folder, log),
        "rows": lambda: rows.measure(sizes.rows, folder, log),
        "journal": lambda: history.measure(sizes.journal_mib, folder, limit_s, log),
        "displays": lambda: displays.measure(sizes.displays, folder, log),
    }
    tables = [ways[part]() for part in PARTS if part in parts]
    return {
        "tables": [
            {"title": table.title, "size": table.size, "rows": table.rows, "exponents": exponents(table)} for table in tables
        ],
        "worse": [line for table in tables for line in worse(table)],
        "text": "\n\n".join(map(markdown_of, tables)),
    }


def report(result: dict[str, Any]) -> str:
    """Return the result of `measure` as text."""
    sentences = "\n".join(f"* {line}" for line in result["worse"]) or "Nothing grows worse than linearly."
    return f"{result['text']}\n\n{sentences}"
