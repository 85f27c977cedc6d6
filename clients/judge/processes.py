"""The processes in the broker's statistics; malformed reports raise no errors. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hulak.clients.judge.situations import BROKER_LATE_S, LIMITS, Level

STATES = {Level.OK: "ok", Level.WARNING: "late", Level.CRITICAL: "hangs"}
MOST = 1e18  # larger figures are ignored: their sums could be infinite
# Losses in the report of a process: a number each, or a map of numbers.
REPORTED = ("dropped", "gaps", "malformed", "refused", "too_slow", "errors")


@dataclass(frozen=True, slots=True)
class Process:
    """One process; None for values that it does not report."""

    kind: str
    name: str
    pid: int
    age_s: float  # age of its report
    loop_age_s: float | None  # since the last iteration of its main loop
    rss_bytes: float | None
    rss_per_min: float | None  # bytes, over ten minutes
    cores: float | None  # CPU seconds per second
    cpu_s: float | None  # CPU seconds since its start
    uptime_s: float | None
    config_version: int | None
    restarts: int
    p50_us: float | None  # latency: of a display worker from the feed's receipt to the state; of the broker from feed to broker
    p99_us: float | None
    losses: tuple[tuple[str, int], ...]  # name, count above 0
    is_known: bool = True  # False: the broker is silent, so the state is unknown

    @property
    def silence_s(self) -> float:
        """Seconds since its last report or the last iteration of its loop, the longer of both."""
        return max(self.age_s, self.loop_age_s or 0.0)

    @property
    def state(self) -> str:
        """State: ok, late, hangs (frozen or dead), or unknown."""
        return STATES[LIMITS["silence"].level(self.silence_s)] if self.is_known else "unknown"


def number(value: Any) -> float | None:
    """Return a reported value if it is a number, else None."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and -MOST <= value <= MOST  # nan is not
    return value if fits else None


def processes(stats: Mapping[str, Any], stats_age_s: float = 0.0) -> list[Process]:
    """List the broker and every process that reports, by kind and name; other workers come from the roster.

    Args:
        stats: PROTOCOL.md section 7.2.
        stats_age_s: age of the statistics; if they are too old, the state of all processes but the broker is unknown.
    """
    broker = {"kind": "broker", "name": "broker", "age_s": stats_age_s, "latency_us": stats["ticks"]["feed_to_broker_us"]}
    rows = [{**broker, **stats["broker"]}, *stats["processes"]]
    known = {row.get("pid") for row in rows}
    silent = [worker for worker in stats["workers"] if worker.get("pid") not in known]
    rows += [{**worker, "kind": worker["service"], "uptime_s": worker["age_s"], "age_s": 0.0} for worker in silent]
    result = [process(row) for row in rows]
    if stats_age_s >= BROKER_LATE_S:
        result = [result[0], *(replace(item, is_known=False) for item in result[1:])]
    return sorted(result, key=lambda item: (item.kind != "broker", item.kind, item.name))


def process(row: Mapping[str, Any]) -> Process:
    """Parse a report."""
    latency = row.get("latency_us")
    quantiles = latency if isinstance(latency, Mapping) else {}
    version = number(row.get("config_version"))
    return Process(
        kind=str(row["kind"]),
        name=str(row["name"]),
        pid=int(number(row.get("pid")) or 0),
        age_s=float(row["age_s"]),
        loop_age_s=number(row.get("loop_age_s")),
        rss_bytes=number(row.get("rss_bytes")),
        rss_per_min=number(row.get("rss_per_min")),
        cores=number(row.get("cores")),
        cpu_s=number(row.get("cpu_s")),
        uptime_s=number(row.get("uptime_s")),
        config_version=None if version is None else int(version),
        restarts=int(number(row.get("restarts")) or 0),
        p50_us=number(quantiles.get("p50")),
        p99_us=number(quantiles.get("p99")),
        losses=tuple(_losses_of(row)),
    )


def _losses_of(row: Mapping[str, Any]) -> list[tuple[str, int]]:
    losses = []
    for name in REPORTED:
        value = row.get(name)
        count = sum(number(item) or 0 for item in value.values()) if isinstance(value, Mapping) else number(value) or 0
        if count:
            losses.append((name, int(count)))
    return losses
