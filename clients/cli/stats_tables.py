"""Queues and losses in the broker's statistics, for `hulak stats` and `hulak top`. Pure."""

from collections.abc import Mapping
from typing import Any

from hulak.clients.judge.processes import number

LOSSES = (  # path in the statistics, meaning; each is 0 in a healthy system
    ("journal.lost", "ticks published and not journalled"),
    ("ticks.early", "ticks refused because an earlier one was missing"),
    ("ticks.duplicates", "duplicate ticks"),
    ("ticks.unopened", "ticks of feeds that had not sent HELLO"),
    ("tasks.failed", "tasks failed permanently"),
    ("tasks.expired", "tasks expired"),
    ("tasks.lost_workers", "workers that died or froze, of all services"),
    ("tasks.unanswered", "replies whose client was gone"),
    ("tasks.refused", "requests refused"),
    ("displays.lost_workers", "display workers that died or froze"),
    ("rejected.total", "frames refused"),
    ("connections.refused", "connections refused"),
    ("internal.total", "internal errors that the broker survived"),
)


def losses(stats: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """List the counters of lost, refused and duplicate items: name, meaning, count."""
    return [(name, meaning, int(number(_at(stats, name)) or 0)) for name, meaning in LOSSES]


def _at(stats: Mapping[str, Any], path: str) -> Any:
    value: Any = stats
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def ticking(stats: Mapping[str, Any]) -> int:
    """Return the number of symbols that tick now; for an earlier broker, which does not count them, that of all symbols."""
    ticks = stats["ticks"]
    return int(ticks.get("ticking", ticks["symbols"]))


def symbols(stats: Mapping[str, Any]) -> str:
    """Return "28 symbols" if all of them tick now, else "20 of 28 symbols ticking"."""
    now, ever = ticking(stats), stats["ticks"]["symbols"]
    return f"{ever:,} symbols" if now == ever else f"{now:,} of {ever:,} symbols ticking"


def queues(stats: Mapping[str, Any]) -> list[tuple[str, int, int, int]]:
    """List the queues: service, tasks queued, waiting (for another attempt) and running; the sum of all first."""
    tasks = stats["tasks"]
    rows = [("all", tasks), *sorted(tasks["services"].items())]
    return [(service, int(counts["queued"]), int(counts["waiting"]), int(counts["running"])) for service, counts in rows]
