"""What `hulak stats` and `hulak top` show of the broker's statistics beside the processes: queues and losses. Pure."""

from collections.abc import Mapping
from typing import Any

from clients.judge.processes import number

LOSSES = (  # where in the statistics, and what it means; each is 0 where all is well
    ("journal.lost", "ticks published that will not be journalled"),
    ("ticks.early", "ticks of feeds refused until those before them came"),
    ("ticks.duplicates", "ticks of feeds that came twice"),
    ("ticks.unopened", "ticks of feeds that had not said hello"),
    ("tasks.failed", "tasks failed for good"),
    ("tasks.expired", "tasks expired"),
    ("tasks.lost_workers", "workers that died or froze, of any service"),
    ("tasks.unanswered", "answers nobody was there for"),
    ("tasks.refused", "requests refused"),
    ("displays.lost_workers", "display workers that died or froze"),
    ("rejected.total", "frames refused"),
    ("connections.refused", "connections refused"),
    ("internal.total", "bugs that the broker met, and went on"),
)


def losses(stats: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """List the broker's counters of what was lost, refused or came twice: name, meaning, count."""
    return [(name, meaning, int(number(_at(stats, name)) or 0)) for name, meaning in LOSSES]


def _at(stats: Mapping[str, Any], path: str) -> Any:
    value: Any = stats
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def queues(stats: Mapping[str, Any]) -> list[tuple[str, int, int, int]]:
    """List queue depths: service, tasks queued, waiting (for another attempt) and running; the sum comes first."""
    tasks = stats["tasks"]
    rows = [("all", tasks), *sorted(tasks["services"].items())]
    return [(service, int(told["queued"]), int(told["waiting"]), int(told["running"])) for service, told in rows]
