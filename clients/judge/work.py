"""Judges tasks and displays: the store, failures, workers. Pure."""

from collections.abc import Iterator, Mapping

from hulak.bus.wire.names import NEPSE_SERVICE
from hulak.clients.durations import age
from hulak.clients.judge.facts import Facts, Finding, finding, some
from hulak.clients.judge.situations import LEAST_FAILURES, Level, Limit


def store(facts: Facts) -> Iterator[Finding]:
    """Judge the store."""
    stats = facts.values["store"]
    if (state := stats.get("state", "live")) != "live":
        yield finding("store_failed", Level.CRITICAL, f"store is {state}: {stats.get('why') or 'no reason reported'}")
    if aside := stats.get("aside"):
        yield finding("store_aside", Level.WARNING, f"an unreadable store was set aside: {some(aside)}")
    if rows := stats.get("unreadable"):
        text = f"{rows} rows of the store are unreadable: see hulak task ls --state unreadable"
        yield finding("store_unreadable", Level.WARNING, text)


def failures(facts: Facts, values: Mapping[str, float | None], limits: Mapping[str, Limit]) -> Iterator[Finding]:
    """Judge the share of failed tasks and the number of dead letters."""
    recent = "tasks.recent."
    failed, ended = facts.figure(f"{recent}failed"), facts.figure(f"{recent}done") + facts.figure(f"{recent}failed")
    rate, new = values["failures"], values["dead_letters"]
    span = f"in the last {age(facts.figure(f'{recent}window_s'))}"
    if rate is not None and failed >= LEAST_FAILURES and (level := limits["failures"].level(rate)) is not Level.OK:
        yield finding("tasks_failing", level, f"{failed:,.0f} of {ended:,.0f} tasks failed {span}")
    if new is not None and (level := limits["dead_letters"].level(new)) is not Level.OK:
        total = max(new, facts.figure("store.dead_letters"))
        yield finding(
            "dead_letters",
            level,
            f"{new:,.0f} new dead letter{'' if new == 1 else 's'} {span}, {total:,.0f} in all: see hulak dead ls",
        )


def schedules(facts: Facts) -> Iterator[Finding]:
    """Judge whether schedules run, and whether their runs succeed."""
    stats = facts.values.get("schedules", {})
    for what, key, text in (("schedule_late", "late", "late or without a next run"), ("schedule_failing", "failing", "failing")):
        if names := stats.get(key):
            yield finding(what, Level.WARNING, f"schedules are {text}: {some(names)}; see hulak schedule ls")


def workers(facts: Facts) -> Iterator[Finding]:
    """Judge whether each service has its minimum of workers, and each service with tasks has one."""
    counts: dict[str, int] = {}
    for row in facts.values["workers"]:
        counts[row["service"]] = counts.get(row["service"], 0) + (row["state"] != "retiring")
    for service in facts.values["scaling"]:
        if (count := counts.get(service, 0)) < (wanted := _wanted_workers(facts, service)):
            yield finding("workers_missing", Level.CRITICAL, f"{count} of at least {wanted} workers of {service}")
    waiting = {
        service: queue["queued"]
        for service, queue in facts.values["tasks"]["services"].items()
        if queue["queued"] and not counts.get(service)
    }
    if waiting:
        services = some([f"{service or repr(service)} ({count:,})" for service, count in waiting.items()])
        yield finding("tasks_without_worker", Level.WARNING, f"tasks wait for services that have no worker: {services}")


def _wanted_workers(facts: Facts, service: str) -> int:
    if facts.workers is not None and service == NEPSE_SERVICE:
        return facts.workers
    scaler = facts.scaler()
    if scaler is not None and (pool := scaler.get("pools", {}).get(service)):
        return int(pool["least"])
    is_supervised = any(row["group"] == service for row in facts.supervised)
    return facts.min_workers if service == NEPSE_SERVICE and (is_supervised or scaler is not None) else 0


def displays(facts: Facts) -> Iterator[Finding]:
    """Judge whether each display has a worker."""
    counts = facts.values.get("displays", {})
    count, assigned = counts.get("displays", 0), counts.get("assigned", 0)
    if assigned < count:
        level = Level.WARNING if assigned else Level.CRITICAL
        yield finding("displays_unassigned", level, f"{count - assigned} of {count} displays have no worker")
