"""Whether all is well, as monitoring plugins say it: OK, WARNING, CRITICAL or UNKNOWN, a sentence, performance data. Pure."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clients.cli.overview import Process, number, processes
from clients.cli.status import age

APPLIES_S = 5.0  # so long a process may take to apply a new configuration
STARTS_S = 10.0  # so long a process may take to report after its start
BAD_FEEDS = {"degraded": 1, "stale": 2, "backoff": 2}  # feeds' states that are no good, as levels
BAD_STATES = ("backoff", "fatal", "unknown")  # supervisord's
SIMULATED = "sim-"  # processes of the simulated world do not report


class Level(enum.IntEnum):
    """The exit codes of monitoring plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Limit:
    """A quantity that may not become too large."""

    unit: str  # as in performance data
    warn: float
    critical: float
    what: str

    def level(self, value: float) -> Level:
        """Judge a value."""
        return Level.CRITICAL if value >= self.critical else Level.WARNING if value >= self.warn else Level.OK


LIMITS = {
    "feed_age": Limit("s", 10, 60, "age of a feed's newest quote"),
    "queue": Limit("%", 50, 90, "tasks in the broker, of broker.max_tasks"),
    "latency": Limit("ms", 50, 200, "feed to broker, p99"),
    "display_latency": Limit("ms", 100, 500, "feed to a display's state, p99, of the slowest worker"),
    "display_stale": Limit("s", 10, 60, "how long displays have been catching up"),
    "silence": Limit("s", 3, 8, "age of a process's report, or since its main loop last went round"),
    "growth": Limit("MB", 20, 100, "memory of the process that grows most, in ten minutes"),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is judged."""

    stats: Mapping[str, Any]  # PROTOCOL.md section 7.2
    supervised: Sequence[Mapping[str, Any]]  # as `bus.supervisor.list_processes`; empty without a supervisord
    config_version: int
    config_age_s: float  # since it was set
    max_tasks: int
    feeds: int  # that there must be at least
    workers: int  # of each scaled service that there must be at least


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not well."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a monitoring system."""

    level: Level
    findings: tuple[Finding, ...]  # the worst first
    summary: str  # of what stands
    perf: str

    def line(self) -> str:
        """Write the one line: HULAK LEVEL - what is not well, or what stands | performance data."""
        said = "; ".join(finding.text for finding in self.findings) or self.summary
        return f"HULAK {self.level.name} - {said}" + (f" | {self.perf}" if self.perf else "")


def failed(level: Level, why: str) -> Verdict:
    """Give the verdict where there is nothing to judge."""
    return Verdict(level, (Finding(level, why.replace("\n", " ").replace("|", "/")),), "", "")


def judge(facts: Facts, limits: Mapping[str, Limit]) -> Verdict:
    """Decide.

    Args:
        facts: of one moment.
        limits: all of `LIMITS`, with the operator's own values.
    """
    known = processes(facts.stats)
    values = measure(facts, known)
    checks = (
        _stores(facts.stats),
        _internal(facts.stats),
        _feeds(facts, limits["feed_age"]),
        _workers(facts),
        _quantities(values, limits),
        _silent(known, limits["silence"]),
        _supervised(facts, known),
        _config(facts, known),
    )
    findings = sorted((finding for check in checks for finding in check), key=lambda finding: -finding.level)
    level = max((finding.level for finding in findings), default=Level.OK)
    return Verdict(level, tuple(findings), _summary(facts, known), _perf(facts, values, limits))


def measure(facts: Facts, known: Sequence[Process]) -> dict[str, float | None]:
    """Find the value of each of `LIMITS`; None where there is none."""
    tasks, lag = facts.stats["tasks"], facts.stats["ticks"]["feed_to_broker_us"]
    ages = [age_s for row in _feed_rows(facts.stats) if (age_s := number(row.get("data_age_s"))) is not None]
    slow = [one.p99_us / 1000 for one in known if one.kind == "display" and one.p99_us is not None]
    workers = [row for row in facts.stats["processes"] if row["kind"] == "display"]
    stale = [stale_s for row in workers if (stale_s := number(row.get("stale_s"))) is not None]
    growth = [one.rss_per_min * 10 / 1e6 for one in known if one.rss_per_min is not None]
    return {
        "feed_age": max(ages, default=None),
        "queue": 100 * (tasks["queued"] + tasks["waiting"] + tasks["running"]) / facts.max_tasks,
        "latency": lag["p99"] / 1000 if lag else None,
        "display_latency": max(slow, default=None),
        "display_stale": max(stale, default=None),
        "silence": max((_silence(one) for one in known), default=None),
        "growth": max(growth, default=None),
    }


def _stores(stats: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("journal", "store"):
        state = stats[name].get("state", "live")
        if state != "live":
            yield Finding(Level.CRITICAL, f"{name} is {state}: {stats[name].get('why') or 'no reason told'}")
    store = stats["store"]
    if store.get("aside"):
        yield Finding(Level.WARNING, f"a store that could not be read was set aside: {', '.join(store['aside'])}")
    if store.get("unreadable"):
        yield Finding(
            Level.WARNING, f"{store['unreadable']} rows of the store cannot be read: see hulak task ls --state unreadable"
        )
    aside, corrupt = stats["journal"].get("aside"), stats["journal"].get("corrupt_bytes")
    if aside:
        yield Finding(Level.WARNING, f"journal files set aside at the start: {', '.join(aside)}")
    if corrupt:
        yield Finding(Level.WARNING, f"journal had {corrupt} damaged bytes at the start, `hulak journal verify` tells where")


def _internal(stats: Mapping[str, Any]) -> Iterator[Finding]:
    told = stats.get("internal", {})
    if recent := told.get("recent", 0):
        yield Finding(Level.WARNING, f"internal errors: {recent} in the last minute, the last {told['last']}".replace("|", "/"))


def _feed_rows(stats: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in stats["processes"] if row["kind"] == "feed"]


def _feeds(facts: Facts, limit: Limit) -> Iterator[Finding]:
    rows = _feed_rows(facts.stats)
    if len(rows) < facts.feeds:
        yield Finding(Level.CRITICAL, f"{len(rows)} of {facts.feeds} feeds report")
    for row in rows:
        state, data_age_s = row.get("state"), number(row.get("data_age_s"))
        waits_s = (number(row.get("since_s")) or 0.0) if data_age_s is None else data_age_s
        level = max(Level(BAD_FEEDS.get(str(state), 0)), limit.level(waits_s))
        if level is not Level.OK:
            since = f"no quote for {waits_s:.0f} s" if data_age_s is None else f"newest quote {waits_s:.0f} s old"
            yield Finding(level, f"feed {row['name']} is {state}, {since}")


def _workers(facts: Facts) -> Iterator[Finding]:
    for service in facts.stats["scaling"]:
        there = sum(one["service"] == service and one["state"] != "retiring" for one in facts.stats["workers"])
        if there < facts.workers:
            yield Finding(Level.CRITICAL, f"{there} of at least {facts.workers} workers of {service}")


def _quantities(values: Mapping[str, float | None], limits: Mapping[str, Limit]) -> Iterator[Finding]:
    for name in ("queue", "latency", "display_latency", "display_stale", "growth"):
        limit, value = limits[name], values[name]
        if value is not None and (level := limit.level(value)) is not Level.OK:
            bound = limit.critical if level is Level.CRITICAL else limit.warn
            yield Finding(level, f"{limit.what}: {value:.3g} {limit.unit}, should be below {bound:g} {limit.unit}")


def _silence(one: Process) -> float:
    return max(one.age_s, one.loop_age_s or 0.0)


def _silent(known: Sequence[Process], limit: Limit) -> Iterator[Finding]:
    for one in known:
        if (level := limit.level(_silence(one))) is not Level.OK:
            what = "reported" if one.age_s >= (one.loop_age_s or 0.0) else "went round its loop"
            yield Finding(level, f"{one.kind} {one.name} last {what} {_silence(one):.0f} s ago")


def _supervised(facts: Facts, known: Sequence[Process]) -> Iterator[Finding]:
    pids = {one.pid for one in known}
    for row in facts.supervised:
        if row["state"] in BAD_STATES:
            yield Finding(Level.CRITICAL, f"process {row['name']} is {row['state']}")
        elif _is_due(row) and row["pid"] not in pids:
            yield Finding(Level.WARNING, f"process {row['name']} runs and does not report")


def _is_due(row: Mapping[str, Any]) -> bool:
    """Tell whether a process that supervisord keeps must have reported by now."""
    is_ours = not str(row["name"]).startswith(SIMULATED)
    return is_ours and row["state"] == "running" and bool(row["uptime_s"] >= STARTS_S)


def _config(facts: Facts, known: Sequence[Process]) -> Iterator[Finding]:
    behind = [one.name for one in known if one.config_version is not None and one.config_version < facts.config_version]
    if behind and facts.config_age_s >= APPLIES_S:
        yield Finding(Level.WARNING, f"config {facts.config_version} is not applied by {', '.join(behind)}")


def _summary(facts: Facts, known: Sequence[Process]) -> str:
    stats = facts.stats
    ticks, tasks = stats["ticks"], stats["tasks"]
    said = [
        f"broker {stats['broker']['version']} up {age(stats['broker']['uptime_s'])}",
        f"feeds {len(_feed_rows(stats))}",
        f"symbols {ticks['symbols']} at {ticks['per_s']:,.0f} ticks/s",
        f"workers {len(stats['workers'])}",
        f"tasks queued {tasks['queued']}",
        f"processes {len(known)}",
        f"config {facts.config_version}",
    ]
    return ", ".join(said)


def _perf(facts: Facts, values: Mapping[str, float | None], limits: Mapping[str, Limit]) -> str:
    """Write performance data: 'name'=value[unit];warn;critical;least."""
    said = []
    for name, limit in limits.items():
        value = values[name]
        if value is not None:
            said.append(f"{name}={value:.6g}{limit.unit};{limit.warn:g};{limit.critical:g};0")
    stats = facts.stats
    counts = {
        "ticks_per_s": stats["ticks"]["per_s"],
        "ticks": f"{stats['ticks']['taken']}c",
        "tasks_done": f"{stats['tasks']['done']}c",
        "tasks_failed": f"{stats['tasks']['failed']}c",
        "workers": len(stats["workers"]),
        "processes": len(stats["processes"]),
        "journal_lost": f"{stats['journal'].get('lost', 0)}c",
        "broker_rss": f"{stats['broker'].get('rss_bytes', 0)}B",
    }
    return " ".join([*said, *(f"{name}={value}" for name, value in counts.items())])
