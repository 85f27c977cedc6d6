"""The judge: facts in, a verdict with findings out. Pure. The situations are in `clients.judge.situations`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hulak.clients.durations import age
from hulak.clients.judge import bridges, members, ticks, work
from hulak.clients.judge.facts import Facts, Finding, finding, one_line
from hulak.clients.judge.perf import measure, performance, summary
from hulak.clients.judge.processes import Process, processes
from hulak.clients.judge.situations import (
    BROKER_SILENT_S,
    LIMITS,
    SILENT,
    SITUATIONS,
    START_S,
    STATS_LATE_S,
    STATS_SILENT_S,
    Level,
    Limit,
)

ALL_WELL = "all is well"
BY_LIMIT = {  # name of a limit -> the situation that only this limit decides
    "queue": "tasks_queued",
    "latency": "tick_latency",
    "display_latency": "display_latency",
    "display_stale": "display_stale",
    "growth": "memory_growth",
    "disk": "disk_space",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the judge."""

    level: Level
    findings: tuple[Finding, ...]  # the worst one, then those about frozen or dead processes, then the others by level
    summary: str  # of the system, in one line
    perf: str  # performance data of monitoring plugins
    silent: tuple[Process, ...] = ()  # the processes that are frozen or dead

    def line(self) -> str:
        """Format the line of a monitoring plugin: HULAK LEVEL - findings or summary | performance data."""
        text = "; ".join(finding.text for finding in self.findings) or self.summary
        return f"HULAK {self.level.name} - {text}" + (f" | {self.perf}" if self.perf else "")

    def headline(self) -> str:
        """Return one short line: the level, the number of findings and the worst one, or that all is well."""
        if not self.findings:
            return ALL_WELL
        more = f" ({len(self.findings)} problems)" if len(self.findings) > 1 else ""
        return f"{self.level.name}{more}: {self.findings[0].text}"

    def count(self) -> str:
        """Return the level and the number of findings, or that all is well."""
        number = len(self.findings)
        return f"{self.level.name}, {number} problem{'' if number == 1 else 's'}" if number else ALL_WELL

    def lines(self, most: int) -> list[tuple[Level, str]]:
        """Return a line for each finding, at most `most` lines; if there are more findings, the last line counts the others."""
        shown = len(self.findings) if len(self.findings) <= most else max(0, most - 1)
        lines = [(row.level, f"{row.level.name}: {row.text}") for row in self.findings[:shown]]
        if rest := self.findings[shown:]:
            lines.append((max(row.level for row in rest), f"and {len(rest)} more problem{'' if len(rest) == 1 else 's'}"))
        return lines[:most]

    def unready(self) -> list[str]:
        """List the findings that make `/readyz` fail."""
        return [finding.text for finding in self.findings if finding.unready]

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict in plain values: `level`, `problems` of `what`, `severity`, `text`, and `silent` processes."""
        rows = [{"what": row.what, "severity": row.level.name.lower(), "text": row.text} for row in self.findings]
        silent = [{"kind": row.kind, "name": row.name, "pid": row.pid, "title": row.title} for row in self.silent]
        return {"level": self.level.name, "problems": rows, "silent": silent}


def failed(level: Level, why: str) -> Verdict:
    """Return a verdict with one error, without facts to judge."""
    return Verdict(level, (Finding("", level, one_line(why), unready=True),), "", "")


def judge(facts: Facts, limits: Mapping[str, Limit] = LIMITS) -> Verdict:
    """Judge facts.

    Args:
        facts: data of one moment.
        limits: all of `LIMITS`, with the values of the operator.
    """
    if facts.stats is None or facts.stats_age_s >= STATS_LATE_S or _is_silent(facts):
        findings, line, perf = [*_silent_broker(facts), *members.supervised(facts, None)], "", ""
        known: Sequence[Process] = ()  # their reports are outdated
    else:
        known = processes(facts.stats, facts.stats_age_s)
        values = measure(facts, known, limits)
        findings = list(_findings(facts, known, limits, values))
        line, perf = summary(facts, known), performance(facts, known, values, limits)
    up_s = _uptime_s(facts)
    settles = up_s < START_S and not _is_silent(facts)  # a broker that has sent heartbeats is no longer starting
    if settles and (early := [row for row in findings if SITUATIONS[row.what].settles]):
        findings = [replace(row, level=Level.WARNING) if row in early else row for row in findings]
        findings = [finding("starting", Level.WARNING, f"starting, up {age(up_s)}"), *findings]
    findings.sort(key=lambda row: -row.level)
    findings[1:] = sorted(findings[1:], key=lambda row: row.what not in SILENT)
    level = max((row.level for row in findings), default=Level.OK)
    silent = tuple(process for process in known if process.is_silent(limits["silence"]))
    return Verdict(level, tuple(findings), line, perf, silent)


def _uptime_s(facts: Facts) -> float:
    """Return the uptime of the broker: from its statistics, else from supervisord, else the time for which it was requested."""
    if facts.stats is not None:
        return facts.figure("broker.uptime_s") + facts.stats_age_s
    row = _supervised_broker(facts)
    return facts.asked_s if row is None else min(float(row["uptime_s"]), facts.asked_s)


def _is_silent(facts: Facts) -> bool:
    return facts.broker_silence_s is not None and facts.broker_silence_s >= BROKER_SILENT_S


def _silent_broker(facts: Facts) -> Iterator[Finding]:
    if _is_silent(facts):
        yield finding("broker_silent", Level.CRITICAL, members.silence("broker", facts.broker_silence_s or 0.0))
        return
    if facts.stats is None:
        yield finding("broker_silent", Level.CRITICAL, _unanswered(facts))
        return
    level = Level.CRITICAL if facts.stats_age_s >= STATS_SILENT_S else Level.WARNING
    yield finding("broker_silent", level, f"no statistics from the broker for {age(facts.stats_age_s)}")


def _unanswered(facts: Facts) -> str:
    """Return why there are no statistics: advice to start a broker is only for a home without one."""
    row = _supervised_broker(facts)
    if row is None:
        return facts.why or "no statistics from the broker yet"
    if row["uptime_s"] < START_S:
        return "the broker does not answer yet"
    return f"the broker runs for {age(row['uptime_s'])} as process {row['pid']} and does not answer; see its log"


def _supervised_broker(facts: Facts) -> Mapping[str, Any] | None:
    """Return the broker's row of supervisord; None if it runs none."""
    return next((row for row in facts.supervised if row["name"] == "broker" and row["state"] in ("starting", "running")), None)


def _figure(value: float) -> str:
    """Return a figure in three digits, or whole from 1,000 on: "2,570"."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _findings(
    facts: Facts, known: Sequence[Process], limits: Mapping[str, Limit], values: Mapping[str, float | None]
) -> Iterator[Finding]:
    yield from members.silent(known, limits)  # first: it explains others
    yield from ticks.journal(facts)
    yield from work.store(facts)
    yield from members.reports(facts)
    yield from ticks.feeds(facts, known, limits)
    yield from ticks.topics(facts, values["topics"], limits["topics"])
    yield from members.connections(facts, values["connections"], limits["connections"])
    yield from members.subscribers(facts)
    yield from bridges.bridges(facts)
    yield from work.displays(facts)
    yield from work.workers(facts)
    yield from work.failures(facts, values, limits)
    yield from work.schedules(facts)
    for name, what in BY_LIMIT.items():
        limit, value = limits[name], values[name]
        if value is not None and (level := limit.level(value)) is not Level.OK:
            bound = limit.critical if level is Level.CRITICAL else limit.warn
            unit = f" {limit.unit}".rstrip()
            yield finding(what, level, f"{limit.what}: {_figure(value)}{unit}, should be below {bound:g}{unit}")
    yield from members.supervised(facts, known)
    yield from members.config(facts, known, limits["silence"])
