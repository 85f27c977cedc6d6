"""The processes in the broker's statistics; malformed reports raise no errors. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hulak.clients.judge.situations import LIMITS, STATS_LATE_S, Level, Limit

DATA_KINDS = ("feed", "display", "gateway")
WITHOUT_BEATS_S = 1.5  # by which a process may be silent for longer that reports once a second, and sends no beats
STATES = {Level.OK: "ok", Level.WARNING: "late", Level.CRITICAL: "hangs"}
SLOT = re.compile(r"_\d+$")  # a slot of supervisord: one process at a time
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
    sign_age_s: float | None = None  # since its last beat or report; None: it sends no beats
    slot: str = ""  # its name without the process id
    serves_data: bool = False  # the displays and prices that the gateway serves are of such processes
    is_known: bool = True  # False: the broker is silent, so the state is unknown

    @property
    def title(self) -> str:
        """Its name for people: "broker", "feed oanda", "display_00"; it has no process id, so it outlives a restart."""
        return _title(self.kind, self.slot)

    @property
    def silence_s(self) -> float:
        """Seconds since its last sign of life or the last iteration of its loop, the longer of both."""
        return max(self.age_s if self.sign_age_s is None else self.sign_age_s, self.loop_age_s or 0.0)

    @property
    def state(self) -> str:
        """State: ok, late, hangs (frozen or dead), or unknown."""
        if not self.is_known:
            return "unknown"
        return "hangs" if self.is_silent(LIMITS["silence"]) else STATES[self.loop_level(LIMITS["loop"])]

    def is_silent(self, limit: Limit) -> bool:
        """Return whether it is frozen or dead: it has sent no sign of life for too long."""
        if self.sign_age_s is None:
            return self.age_s >= limit.warn + WITHOUT_BEATS_S
        return self.sign_age_s >= limit.warn

    def loop_level(self, limit: Limit) -> Level:
        """Judge its loop, which may stand still while other threads of the process send signs of life."""
        return Level.OK if self.loop_age_s is None else limit.level(self.loop_age_s)


def title(row: Mapping[str, Any]) -> str:
    """Return what people call the process of a report; see `Process.title`."""
    return _title(str(row["kind"]), str(row["name"]).partition("/")[0])


def _title(kind: str, slot: str) -> str:
    return slot if slot.startswith(kind) else f"{kind} {slot}"


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
    is_known = stats_age_s < STATS_LATE_S
    latency_us, silent_s = stats["ticks"]["feed_to_broker_us"], 0.0 if is_known else stats_age_s
    broker = {"kind": "broker", "name": "broker", "age_s": stats_age_s, "silent_s": silent_s, "latency_us": latency_us}
    rows = [{**broker, **stats["broker"]}, *stats["processes"]]
    known = {row.get("pid") for row in rows}
    silent = [worker for worker in stats["workers"] if worker.get("pid") not in known]
    rows += [{**worker, "kind": worker["service"], "uptime_s": worker["age_s"], "age_s": 0.0} for worker in silent]
    result = [process(row, slot) for row, slot in zip(rows, slots(rows), strict=True)]
    if not is_known:
        result = [result[0], *(replace(item, is_known=False) for item in result[1:])]
    return sorted(result, key=lambda item: (item.kind != "broker", item.kind, item.name))


def slots(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the slot of each process: its name without the process id, so that it outlives a restart.

    Several processes that were started by hand under one name are numbered, by process id: `nepse`, `nepse#2`.
    """
    named = [(str(row.get("kind")), str(row.get("name")).partition("/")[0], number(row.get("pid")) or 0) for row in rows]
    pids: dict[tuple[str, str], list[float]] = {}
    for kind, slot, pid in named:
        pids.setdefault((kind, slot), []).append(pid)
    result = []
    for kind, slot, pid in named:
        at = 0 if SLOT.search(slot) else sorted(pids[kind, slot]).index(pid)
        result.append(f"{slot}#{at + 1}" if at else slot)
    return result


def process(row: Mapping[str, Any], slot: str = "") -> Process:
    """Parse a report; `slot` is that of `slots`, by default its name without the process id."""
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
        sign_age_s=number(row.get("silent_s")),
        slot=slot or str(row["name"]).partition("/")[0],
        serves_data=row["kind"] in DATA_KINDS and not row.get("program"),
    )


def _losses_of(row: Mapping[str, Any]) -> list[tuple[str, int]]:
    losses = []
    for name in REPORTED:
        value = row.get(name)
        count = sum(number(item) or 0 for item in value.values()) if isinstance(value, Mapping) else number(value) or 0
        if count:
            losses.append((name, int(count)))
    return losses
