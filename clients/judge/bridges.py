"""Judges the ways of bridges to and from other sites. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from hulak.clients.durations import age
from hulak.clients.judge.facts import Facts, Finding, finding
from hulak.clients.judge.processes import number
from hulak.clients.judge.situations import Level

WELL = ("sending", "receiving", "waiting", "standing by")
LATE_S, BROKEN_S = 10.0, 60.0  # for which a way is interrupted, or by which it is behind: WARNING, CRITICAL


def ways(stats: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each way of each bridge in the broker's statistics: its values, with site and way.

    Ways: `out` and `in`, of ticks; `tasks`, of a service whose tasks another site does; `serves`, of the tasks of other sites;
    `config`, of the live configuration, with the name of its owner as site.

    A bridge that has not reached NATS yet is a row with way `-`.
    """
    rows: list[dict[str, Any]] = []
    for report in stats.get("processes", ()):
        if not isinstance(report, Mapping) or report.get("kind") != "bridge":
            continue
        send, receive = report.get("send"), report.get("receive")
        begun = [("out", str(report.get("name")), send)] if isinstance(send, Mapping) else []
        begun += [("in", str(site), row) for site, row in sorted(receive.items())] if isinstance(receive, Mapping) else []
        tasks, serves = report.get("tasks"), report.get("serves")
        begun += [("tasks", str(name), row) for name, row in sorted(tasks.items())] if isinstance(tasks, Mapping) else []
        begun += [("serves", str(report.get("name")), serves)] if isinstance(serves, Mapping) else []
        config = report.get("config")
        begun += [("config", str(config.get("owner")), config)] if isinstance(config, Mapping) else []
        begun = begun or [("-", str(report.get("name")), report)]
        rows += [
            {**row, "site": site, "way": way, "age_s": report.get("age_s")}
            for way, site, row in begun
            if isinstance(row, Mapping)
        ]
    return rows


def bridges(facts: Facts) -> Iterator[Finding]:
    """Judge whether each way runs, is up to date, and has all ticks."""
    for row in ways(facts.values):
        name = f"bridge {row['site']} {row['way']}"
        since_s, lag_s = number(row.get("since_s")) or 0.0, number(row.get("lag_s")) or 0.0
        if row.get("state") not in WELL and (level := _level(since_s)) is not Level.OK:
            text = f"{name} is {row.get('state')} for {age(since_s)}: {row.get('why') or 'no reason reported'}"
            yield finding("bridge_interrupted", level, text)
        elif (level := _level(lag_s)) is not Level.OK:
            yield finding("bridge_behind", level, f"{name} is {age(lag_s)} behind, {number(row.get('lag')) or 0:,.0f} wait")
        if missing := number(row.get("missing")):
            yield finding("bridge_missing", Level.WARNING, f"{name}: {missing:,.0f} ticks are missing, see hulak bridge status")


def _level(seconds: float) -> Level:
    return Level.CRITICAL if seconds >= BROKEN_S else Level.WARNING if seconds >= LATE_S else Level.OK
