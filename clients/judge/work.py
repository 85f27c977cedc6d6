"""What may be wrong with tasks and displays: the store, queues, failures, workers. Pure."""

from collections.abc import Iterator, Mapping

from clients.judge.facts import Facts, Finding, finding, some
from clients.judge.situations import LEAST_FAILURES, Level, Limit


def store(facts: Facts) -> Iterator[Finding]:
    """Judge the store."""
    told = facts.told["store"]
    if (state := told.get("state", "live")) != "live":
        yield finding("store_failed", Level.CRITICAL, f"store is {state}: {told.get('why') or 'no reason told'}")
    if aside := told.get("aside"):
        yield finding("store_aside", Level.WARNING, f"a store that could not be read was set aside: {some(aside)}")
    if rows := told.get("unreadable"):
        text = f"{rows} rows of the store cannot be read: see hulak task ls --state unreadable"
        yield finding("store_unreadable", Level.WARNING, text)


def failures(facts: Facts, values: Mapping[str, float | None], limits: Mapping[str, Limit]) -> Iterator[Finding]:
    """Judge how many tasks fail."""
    recent = "tasks.recent."
    failed, ended = facts.figure(f"{recent}failed"), facts.figure(f"{recent}done") + facts.figure(f"{recent}failed")
    rate, new = values["failures"], values["dead_letters"]
    span = f"in the last {_span(facts.figure(f'{recent}window_s'))}"
    if rate is not None and failed >= LEAST_FAILURES and (level := limits["failures"].level(rate)) is not Level.OK:
        yield finding("tasks_failing", level, f"{failed:,.0f} of {ended:,.0f} tasks failed {span}")
    if new is not None and (level := limits["dead_letters"].level(new)) is not Level.OK:
        total = max(new, facts.figure("store.dead_letters"))
        yield finding("dead_letters", level, f"{new:,.0f} new dead letters {span}, {total:,.0f} in all: see hulak dead ls")


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def workers(facts: Facts) -> Iterator[Finding]:
    """Judge whether workers are there for what waits, and as many as there must be."""
    there: dict[str, int] = {}
    for one in facts.told["workers"]:
        there[one["service"]] = there.get(one["service"], 0) + (one["state"] != "retiring")
    for service in facts.told["scaling"]:
        if (count := there.get(service, 0)) < (wanted := _wanted_workers(facts, service)):
            yield finding("workers_missing", Level.CRITICAL, f"{count} of at least {wanted} workers of {service}")
    waiting = {
        service: told["queued"]
        for service, told in facts.told["tasks"]["services"].items()
        if told["queued"] and not there.get(service)
    }
    if waiting:
        said = some([f"{service or repr(service)} ({count:,})" for service, count in waiting.items()])
        yield finding("tasks_without_worker", Level.WARNING, f"tasks wait for services that have no worker: {said}")


def _wanted_workers(facts: Facts, service: str) -> int:
    if facts.workers is not None:
        return facts.workers
    is_kept = any(row["group"] == service for row in facts.supervised)
    return facts.min_workers if is_kept or facts.rows("scaler") else 0


def displays(facts: Facts) -> Iterator[Finding]:
    """Judge whether each display has a worker."""
    told = facts.told.get("displays", {})
    count, assigned = told.get("displays", 0), told.get("assigned", 0)
    if assigned < count:
        level = Level.WARNING if assigned else Level.CRITICAL
        yield finding("displays_unassigned", level, f"{count - assigned} of {count} displays have no worker")
