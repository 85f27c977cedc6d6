"""The judge: facts of one moment in, what is not well out. Pure. Which situations there are: `clients.judge.situations`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clients.judge import members, ticks, work
from clients.judge.facts import Facts, Finding, finding, one_line
from clients.judge.perf import age, measure, performance, summary
from clients.judge.processes import Process, processes
from clients.judge.situations import BROKER_LATE_S, BROKER_SILENT_S, LIMITS, SITUATIONS, START_S, Level, Limit

ALL_WELL = "all is well"
BY_LIMIT = {  # name of a limit -> the situation that it alone decides
    "queue": "tasks_queued",
    "latency": "tick_latency",
    "display_latency": "display_latency",
    "display_stale": "display_stale",
    "growth": "memory_growth",
    "disk": "disk_space",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer."""

    level: Level
    findings: tuple[Finding, ...]  # the worst first
    summary: str  # of what stands
    perf: str  # performance data of monitoring plugins

    def line(self) -> str:
        """Write the one line of a monitoring plugin: HULAK LEVEL - what is not well, or what stands | performance data."""
        said = "; ".join(one.text for one in self.findings) or self.summary
        return f"HULAK {self.level.name} - {said}" + (f" | {self.perf}" if self.perf else "")

    def headline(self) -> str:
        """Say it in one short line: the level and the worst, or that all is well; how many more there are comes before it."""
        if not self.findings:
            return ALL_WELL
        more = f" ({len(self.findings)} things)" if len(self.findings) > 1 else ""
        return f"{self.level.name}{more}: {self.findings[0].text}"

    def unready(self) -> list[str]:
        """List what speaks against readiness; none: what is served is whole and fresh."""
        return [one.text for one in self.findings if one.unready]

    def told(self) -> dict[str, Any]:
        """Say it in plain values: `level`, and `problems` of `what`, `severity`, `text`."""
        rows = [{"what": one.what, "severity": one.level.name.lower(), "text": one.text} for one in self.findings]
        return {"level": self.level.name, "problems": rows}


def failed(level: Level, why: str) -> Verdict:
    """Give the verdict where there is nothing to judge."""
    return Verdict(level, (Finding("", level, one_line(why), unready=True),), "", "")


def judge(facts: Facts, limits: Mapping[str, Limit] = LIMITS) -> Verdict:
    """Decide.

    Args:
        facts: of one moment.
        limits: all of `LIMITS`, with the operator's own values.
    """
    if facts.stats is None or facts.heard_s >= BROKER_LATE_S:
        found, line, perf = [*_silent_broker(facts), *members.supervised(facts.supervised, None)], "", ""
    else:
        known = processes(facts.stats, facts.heard_s)
        values = measure(facts, known, limits)
        found = list(_findings(facts, known, limits, values))
        line, perf = summary(facts, known), performance(facts, values, limits)
    up_s = _uptime_s(facts)
    if up_s < START_S and (early := [one for one in found if SITUATIONS[one.what].settles]):
        found = [replace(one, level=Level.WARNING) if one in early else one for one in found]
        found = [finding("starting", Level.WARNING, f"starting, up {age(up_s)}"), *found]
    found.sort(key=lambda one: -one.level)
    level = max((one.level for one in found), default=Level.OK)
    return Verdict(level, tuple(found), line, perf)


def _uptime_s(facts: Facts) -> float:
    """Say how long the broker has run: by its own word, else by supervisord's, or for how long it has been asked."""
    if facts.stats is not None:
        return facts.figure("broker.uptime_s") + facts.heard_s
    known = [
        float(row["uptime_s"]) for row in facts.supervised if row["name"] == "broker" and row["state"] in ("starting", "running")
    ]
    return min((*known, facts.asked_s))


def _silent_broker(facts: Facts) -> Iterator[Finding]:
    if facts.stats is None:
        yield finding("broker_silent", Level.CRITICAL, facts.why or "the broker has not been heard yet")
        return
    level = Level.CRITICAL if facts.heard_s >= BROKER_SILENT_S else Level.WARNING
    yield finding("broker_silent", level, f"no word from the broker for {facts.heard_s:.0f} s")


def _findings(
    facts: Facts, known: Sequence[Process], limits: Mapping[str, Limit], values: Mapping[str, float | None]
) -> Iterator[Finding]:
    yield from ticks.journal(facts)
    yield from work.store(facts)
    yield from members.reports(facts)
    yield from ticks.feeds(facts, limits)
    yield from ticks.topics(facts, values["topics"], limits["topics"])
    yield from members.connections(facts, values["connections"], limits["connections"])
    yield from work.displays(facts)
    yield from work.workers(facts)
    yield from work.failures(facts, values, limits)
    for name, what in BY_LIMIT.items():
        limit, value = limits[name], values[name]
        if value is not None and (level := limit.level(value)) is not Level.OK:
            bound = limit.critical if level is Level.CRITICAL else limit.warn
            unit = f" {limit.unit}".rstrip()
            yield finding(what, level, f"{limit.what}: {value:.3g}{unit}, should be below {bound:g}{unit}")
    yield from members.silent(known, limits["silence"])
    yield from members.supervised(facts.supervised, known)
    yield from members.config(facts, known, limits["silence"])
