"""Judges processes: their reports, their state in supervisord, and the connections to the broker. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hulak.bus.wire.names import NEPSE_SERVICE
from hulak.clients.durations import age
from hulak.clients.judge.facts import Facts, Finding, finding, some
from hulak.clients.judge.processes import Process, number, title
from hulak.clients.judge.situations import (
    APPLIES_S,
    BLOCKED_S,
    CERTIFICATE_NOW_S,
    CERTIFICATE_SOON_S,
    GATEWAY_LATE_S,
    PROCESS_START_S,
    Level,
    Limit,
)

BAD_STATES = ("backoff", "fatal", "unknown")  # of supervisord
ENDED = ("stopped", "exited")  # of supervisord
UNREPORTED = ("sim-", "archiver")  # beginnings of the names of processes that do not report: they do not serve the bus
SCALED = frozenset({NEPSE_SERVICE})  # groups whose slots are started and stopped as needed, beside those that the scaler reports


def silence(title: str, seconds: float | str) -> str:
    """Return the sentence about a process that is frozen or dead; every surface prints this one.

    Args:
        title: `Process.title`.
        seconds: since its last sign of life; or a placeholder, for a surface that measures them itself.
    """
    shown = f"{seconds} s" if isinstance(seconds, str) else age(seconds)
    return f"{title} is silent: no sign of life for {shown}, it is frozen or dead"


def silent(known: Sequence[Process], limits: Mapping[str, Limit]) -> Iterator[Finding]:
    """Judge whether each process sends signs of life, and whether its loop runs."""
    for process in known:
        if process.is_silent(limits["silence"]):
            level = Level.CRITICAL if process.serves_data else limits["silence"].level(process.silence_s)
            what = "data_silent" if process.serves_data else "process_silent"
            yield finding(what, max(level, Level.WARNING), silence(process.title, process.silence_s))
        elif (level := process.loop_level(limits["loop"])) is not Level.OK:
            text = f"{process.title} is late: its loop stands still for {age(process.loop_age_s or 0.0)}"
            yield finding("loop_late", level, text)


def reports(facts: Facts) -> Iterator[Finding]:
    """Judge the reports of the processes."""
    stats = facts.values
    if recent := stats.get("internal", {}).get("recent", 0):
        text = f"internal errors: {recent} in the last minute, the last {stats['internal'].get('last')}"
        yield finding("internal_errors", Level.WARNING, text)
    for row in stats["processes"]:
        if dead := row.get("dead_threads"):
            text = f"threads of {title(row)} have ended: {some(dead)}; restart it"
            yield finding("dead_threads", Level.CRITICAL, text)
    for row in facts.rows("gateway"):
        if (late_s := number(row.get("lag_s")) or 0.0) > GATEWAY_LATE_S:
            text = f"the gateway's loop was {late_s:.1f} s late, at most {GATEWAY_LATE_S:g} s are allowed"
            yield finding("gateway_late", Level.CRITICAL, text)
        yield from _files(row)


def _files(row: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge the files of a gateway: its tokens and its certificate."""
    for text in row.get("file_errors") or ():
        yield finding("files_kept", Level.WARNING, text)
    left_s = number(row.get("certificate_left_s"))
    if left_s is not None and left_s < CERTIFICATE_SOON_S:
        level = Level.CRITICAL if left_s < CERTIFICATE_NOW_S else Level.WARNING
        when = f"ends in {left_s / 86400:.1f} days" if left_s > 0 else f"ended {-left_s / 86400:.1f} days ago"
        yield finding("certificate_ends", level, f"the gateway's certificate {when}; renew gateway.tls_cert and gateway.tls_key")


def connections(facts: Facts, share: float | None, limit: Limit) -> Iterator[Finding]:
    """Judge the number of connections to the broker."""
    refused, level = facts.figure("connections.recent.refused"), Level.OK if share is None else limit.level(share)
    if refused:
        level = max(level, Level.WARNING)
    if level is not Level.OK:
        counts = facts.values["connections"]
        name, most = max(counts["sockets"].items(), key=lambda item: item[1], default=("", 0))
        text = f"{counts['now']:,} of {counts['most']:,} connections are in use, {most:,} of them at the {name}"
        if refused:
            text += f", {refused:,.0f} were refused in ten minutes"
        yield finding("connections_full", level, f"{text} (bound by {counts['bound_by']})")


def subscribers(facts: Facts) -> Iterator[Finding]:
    """Judge the subscribers that do not read."""
    slow = facts.values.get("subscribers", {}).get("slow", [])
    stuck = [row for row in slow if (number(row.get("blocked_s")) or 0.0) >= BLOCKED_S]
    cut_off = [row for row in slow if row not in stuck and number(row.get("cut_off"))]
    texts = [f"{_subscriber(row)} has not read for {age(row['blocked_s'])}" for row in stuck]
    texts += [f"{_subscriber(row)} was disconnected since it did not read" for row in cut_off]
    if texts:
        yield finding("subscriber_slow", Level.WARNING, f"subscribers do not read: {some(texts)}")


def _subscriber(row: Mapping[str, Any]) -> str:
    where = f"pid {row['pid']}" if number(row.get("pid")) else str(row.get("address") or "unknown address")
    return f"{row.get('name')} ({where})"


def config(facts: Facts, known: Sequence[Process], limit: Limit) -> Iterator[Finding]:
    """Judge whether each process applies the newest configuration."""
    version, age_s = facts.figure("config.version"), facts.figure("config.age_s")
    reporting = [process for process in known if process.config_version is not None and not process.is_silent(limit)]
    behind = [process.slot for process in reporting if (process.config_version or 0) < version]
    if behind and age_s >= APPLIES_S:
        yield finding("config_behind", Level.WARNING, f"config {version:.0f} is not applied by {some(behind)}")


def supervised(facts: Facts, known: Sequence[Process] | None) -> Iterator[Finding]:
    """Judge the processes of supervisord.

    Args:
        facts: have the rows of supervisord, and the scaler's report.
        known: processes that report; None if the broker is silent.
    """
    pids, scaler = {process.pid for process in known or ()}, facts.scaler() or {}
    failed, scaled = scaler.get("failed", {}), SCALED | set(scaler.get("pools", ()))
    for row in facts.supervised:
        if row["state"] in BAD_STATES:
            text = f"process {row['name']} is {row['state']}"
            if row["state"] == "backoff":
                text += ": it ended during its start, and supervisord tries again"
            elif row["state"] == "fatal" and known is not None:
                failure = failed.get(f"{row['group']}:{row['name']}")
                text += f": {_attempts(failure, scales=bool(scaler))}"
            yield finding("process_failed", Level.CRITICAL, text)
        elif (
            row["state"] in ENDED and row.get("started") and row["group"] not in scaled and not (known is None and _is_slot(row))
        ):
            yield finding("process_stopped", Level.WARNING, f"process {row['name']} is {row['state']}")
        elif known is not None and _is_due(row) and row["pid"] not in pids:
            yield finding("process_unreported", Level.WARNING, f"process {row['name']} runs and does not report")


def _is_slot(row: Mapping[str, Any]) -> bool:
    """Return whether a process of supervisord is named as a slot, GROUP_NN: without statistics, the pools are not known."""
    return str(row["name"]).startswith(f"{row['group']}_")


def _attempts(failure: Mapping[str, Any] | None, *, scales: bool) -> str:
    """Return when a process that supervisord gave up is tried again, from the scaler's report about it."""
    if not scales:
        return "supervisord gave it up, and no scaler runs to try it again"
    if failure is None:
        return "supervisord gave it up"
    tries, next_s = failure["tries"], failure.get("next_s")
    made = f"tried again {tries} time{'' if tries == 1 else 's'}, " if tries else ""
    return f"supervisord gave it up, {made}next attempt {f'in {age(next_s)}' if next_s else 'is due'}"


def _is_due(row: Mapping[str, Any]) -> bool:
    """Return whether a process of supervisord should have reported by now."""
    reports = not str(row["name"]).startswith(UNREPORTED)
    return reports and row["state"] == "running" and bool(row["uptime_s"] >= PROCESS_START_S)
