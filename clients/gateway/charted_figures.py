"""The figures of the page's charts, from the broker's statistics, which come once a second. Pure. PROTOCOL.md section 12.7.

Counters become rates: the difference of two statistics by the time between them. A counter that is smaller than before, after a
restart, gives none.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hulak.clients.gateway.figure_history import Key
from hulak.clients.gateway.metrics import by_slot
from hulak.clients.judge.processes import number

MOST_PROCESSES = 100
MOST_ACTIONS = 20
LONGEST_S = 10.0  # between two statistics, for a rate
LOSSES = (("gaps", "gaps"), ("missed", "missed messages"), ("lost", "lost messages"), ("cut_off", "cut off"))


def figures_of(stats: Mapping[str, Any], before: Mapping[str, Any] | None, seconds: float) -> dict[Key, float]:
    """Return the values of all lines.

    Args:
        stats: of the broker (PROTOCOL.md section 7.2).
        before: the statistics before these; None: these are the first ones.
        seconds: between the two.
    """
    values = {key: value for key, value in _now(stats) if value is not None}
    if before is not None and 0 < seconds <= LONGEST_S and _at(before, "broker.epoch") == _at(stats, "broker.epoch"):
        values |= {key: value for key, value in _rates(stats, before, seconds) if value is not None}
    return values


def _now(stats: Mapping[str, Any]) -> Iterator[tuple[Key, float | None]]:
    yield ("ticks", "ticks/s"), _at(stats, "ticks.per_s")
    for share in ("p50", "p99"):
        yield ("feed_latency", share), _by(_at(stats, f"ticks.feed_to_broker_us.{share}"), 1000)
    rows = by_slot(stats.get("processes", []))
    for share in ("p50", "p99"):
        latencies = [_at(row, f"latency_us.{share}") for _, row in rows if row.get("kind") == "display"]
        known = [value for value in latencies if value is not None]
        yield ("display_latency", share), _by(max(known), 1000) if known else None
    for state in ("queued", "waiting", "running"):
        yield ("queue", state), _at(stats, f"tasks.{state}")
    yield ("memory", "broker"), _by(_at(stats, "broker.rss_bytes"), 1e6)
    for labels, row in rows[:MOST_PROCESSES]:
        if row.get("kind") != "broker":
            yield ("memory", labels["slot"]), _by(number(row.get("rss_bytes")), 1e6)
    yield ("slow_subscribers", "not reading"), _at(stats, "subscribers.blocked")
    slow = stats.get("subscribers", {}).get("slow")
    yield ("slow_subscribers", "with a loss"), float(len(slow)) if isinstance(slow, list) else None


def _rates(stats: Mapping[str, Any], before: Mapping[str, Any], seconds: float) -> Iterator[tuple[Key, float | None]]:
    def rate(path: str) -> float | None:
        return _by(_grown(_at(stats, path), _at(before, path)), seconds)

    yield ("tasks", "done/s"), rate("tasks.done")
    yield ("tasks", "failed/s"), rate("tasks.failed")
    yield ("repairs", "replays"), _grown(_at(stats, "journal.replays_served"), _at(before, "journal.replays_served"))
    for key, name in LOSSES:
        yield ("repairs", name), _grown(_losses(stats, key), _losses(before, key))
    yield from _run_times(stats, before)


def _run_times(stats: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[tuple[Key, float | None]]:
    """Yield the mean run time of the attempts of each action that have ended since; none of an action without any."""
    former = {(row.get("service"), row.get("action")): row for row in _rows(before)}
    for row in _rows(stats)[:MOST_ACTIONS]:
        old = former.get((row.get("service"), row.get("action")), {})
        count = _grown(_at(row, "run_totals.count"), _at(old, "run_totals.count") or 0.0)
        spent_us = _grown(_at(row, "run_totals.sum_us"), _at(old, "run_totals.sum_us") or 0.0)
        if count and spent_us is not None:
            yield ("run_times", f"{row.get('service')} {row.get('action')}".strip()[:200]), spent_us / count / 1000


def _rows(stats: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = stats.get("tasks", {}).get("actions", [])
    return [row for row in rows if isinstance(row, Mapping)]


def _losses(stats: Mapping[str, Any], key: str) -> float | None:
    """Return a loss of all subscribers since the broker's start."""
    programs = stats.get("subscribers", {}).get("programs")
    if not isinstance(programs, Mapping):
        return None
    return sum(number(row.get(key)) or 0.0 for row in programs.values() if isinstance(row, Mapping))


def _grown(value: float | None, before: float | None) -> float | None:
    return None if value is None or before is None or value < before else value - before


def _by(value: float | None, divisor: float) -> float | None:
    return None if value is None else value / divisor


def _at(values: Mapping[str, Any], path: str) -> float | None:
    value: Any = values
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return number(value)
