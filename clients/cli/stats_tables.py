"""Queues and losses in the broker's statistics, for `hulak stats` and `hulak top`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hulak.bus.histogram import TASK_BOUNDS, quantile
from hulak.clients.durations import age
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
    ("schedules.missed", "runs of schedules that were missed"),
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


def queues(stats: Mapping[str, Any]) -> list[tuple[str, int, int, int, float | None]]:
    """List the queues: service, tasks queued, waiting (for another attempt) and running, age in s of the oldest queued one.

    The sum of all services comes first.
    """
    tasks = stats["tasks"]
    rows = [("all", tasks), *sorted(tasks["services"].items())]
    counts = ((service, row, (int(row[name]) for name in ("queued", "waiting", "running"))) for service, row in rows)
    return [(service, *numbers, number(row.get("oldest_s"))) for service, row, numbers in counts]


@dataclass(frozen=True, slots=True)
class ActionTimes:
    """The tasks of one action since the start of the broker."""

    service: str
    action: str
    runs: int  # attempts that have ended
    failed: int  # of these
    seconds: float  # that they took together
    wait_us: tuple[float | None, float | None]  # p50 and p99 of the time in the queue, microseconds
    run_us: tuple[float | None, float | None]  # p50 and p99 of the duration of attempts, microseconds


def actions(stats: Mapping[str, Any]) -> list[ActionTimes]:
    """List the actions of tasks, those first that took most of the workers' time; none for an earlier broker."""
    rows = [_action(row) for row in stats["tasks"].get("actions", []) if isinstance(row, Mapping)]
    return sorted(rows, key=lambda row: (-row.seconds, row.service, row.action))


def _action(row: Mapping[str, Any]) -> ActionTimes:
    runs = row.get("run_totals")
    figures = runs if isinstance(runs, Mapping) else {}
    return ActionTimes(
        service=str(row.get("service")),
        action=str(row.get("action")) or "-",
        runs=int(number(figures.get("count")) or 0),
        failed=int(number(row.get("failed")) or 0),
        seconds=(number(figures.get("sum_us")) or 0.0) / 1e6,
        wait_us=_quantiles(row.get("wait_totals")),
        run_us=_quantiles(runs),
    )


def _quantiles(totals: Any) -> tuple[float | None, float | None]:
    return quantile(totals, TASK_BOUNDS, 0.5), quantile(totals, TASK_BOUNDS, 0.99)


def slow_subscribers(stats: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List the slow subscribers: name, process id or address, and what is known."""
    rows = [row for row in stats.get("subscribers", {}).get("slow", []) if isinstance(row, Mapping)]
    return [(str(row.get("name")), _where(row), _state(row)) for row in rows]


def _where(row: Mapping[str, Any]) -> str:
    return f"pid {row['pid']}" if number(row.get("pid")) else str(row.get("address") or "-")


def _state(row: Mapping[str, Any]) -> str:
    blocked_s, unread = number(row.get("blocked_s")), number(row.get("unread_bytes")) or 0
    parts = [] if blocked_s is None else [f"has not read for {age(blocked_s)}, {unread / 1e6:.1f} MB"]
    counted = (("cut_off", "disconnected {:,} times"), ("missed", "missed {:,} messages"), ("lost", "lost {:,}"))
    parts += [text.format(int(count)) for name, text in counted if (count := number(row.get(name)))]
    age_s = number(row.get("age_s"))
    return ", ".join(parts) + ("" if age_s is None else f", {age(age_s)} ago")
