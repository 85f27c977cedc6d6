"""What `hulak stats` and `hulak top` show of the broker's statistics: processes, queues, losses, latencies. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST = 1e18  # no figure is as large: sums of those that are might be infinite
LATE_S, DEAD_S = 3.0, 8.0  # a report's age, or the main loop's, from which on a process is late, or counts as hanging
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
    ("internal.total", "bugs that the broker met, and went on"),
)
# Of a process's report: what it lost or left out. A number each, or a map of numbers.
REPORTED = ("dropped", "gaps", "malformed", "refused", "too_slow", "errors")


@dataclass(frozen=True, slots=True)
class Process:
    """One process that is known; None for what it does not tell."""

    kind: str
    name: str
    pid: int
    age_s: float  # of its report
    loop_age_s: float | None  # since its main loop last went round
    rss_bytes: float | None
    rss_per_min: float | None  # bytes, over ten minutes
    cores: float | None  # CPU seconds per second
    cpu_s: float | None  # since its start
    uptime_s: float | None
    config_version: int | None
    restarts: int
    p50_us: float | None  # latency: of a display worker from the feed's receipt to the state, of the broker from feed to broker
    p99_us: float | None
    losses: tuple[tuple[str, int], ...]  # that are not 0

    @property
    def state(self) -> str:
        """How it is by its own word: ok, late or hangs."""
        worst = max(self.age_s, self.loop_age_s or 0.0)
        return "hangs" if worst >= DEAD_S else "late" if worst >= LATE_S else "ok"


def number(value: Any) -> float | None:
    """Take a number out of what anybody may have reported; anything else is None."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and -MOST <= value <= MOST  # nan is not
    return value if fits else None


def processes(stats: Mapping[str, Any]) -> list[Process]:
    """List the broker and every process that reports, by kind and name; workers that do not report are taken from the roster."""
    broker = {"kind": "broker", "name": "broker", "age_s": 0.0, "latency_us": stats["ticks"]["feed_to_broker_us"]}
    rows = [{**broker, **stats["broker"]}, *stats["processes"]]
    known = {row.get("pid") for row in rows}
    silent = [worker for worker in stats["workers"] if worker.get("pid") not in known]
    rows += [{**worker, "kind": worker["service"], "uptime_s": worker["age_s"], "age_s": 0.0} for worker in silent]
    found = [process(row) for row in rows]
    return sorted(found, key=lambda one: (one.kind != "broker", one.kind, one.name))


def process(row: Mapping[str, Any]) -> Process:
    """Read one report."""
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
    found = []
    for name in REPORTED:
        value = row.get(name)
        count = sum(number(one) or 0 for one in value.values()) if isinstance(value, Mapping) else number(value) or 0
        if count:
            found.append((name, int(count)))
    return found


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
