"""The quantities that are judged, and what a monitoring system is told of them beside the verdict. Pure."""

from collections.abc import Mapping, Sequence

from clients.judge.facts import Facts
from clients.judge.processes import Process, number
from clients.judge.situations import GROWS_S, START_S, Limit
from clients.judge.ticks import FEED, data_age_s


def measure(facts: Facts, known: Sequence[Process], limits: Mapping[str, Limit]) -> dict[str, float | None]:
    """Find the value of each of `LIMITS`; None where there is none."""
    stats = facts.told
    lag, figure = stats["ticks"]["feed_to_broker_us"], facts.figure
    ages = [age_s for row in facts.rows(FEED) if (age_s := data_age_s(row)) is not None]
    silent = limits["silence"].critical  # who is: what it reported last says nothing of now
    display = [row for row in facts.rows("display") if row["age_s"] < silent]
    behind = {row["name"] for row in display if number(row.get("catching_up"))}  # their latency is that of the past
    slow = [
        one.p99_us / 1000
        for one in known
        if one.kind == "display"
        and one.age_s < silent
        and one.p99_us is not None
        and one.name not in behind
        and not (one.uptime_s or START_S) < START_S
    ]
    stale = [stale_s for row in display if (stale_s := number(row.get("stale_s"))) is not None]
    growth = [one.rss_per_min * 10 / 1e6 for one in known if one.rss_per_min is not None and (one.uptime_s or 0.0) >= GROWS_S]
    tasks = stats["tasks"]
    held = tasks["queued"] + tasks["waiting"] + tasks["running"]
    shares = (_share(held, figure("tasks.most")), _share(figure("tasks.bytes"), figure("tasks.most_bytes")))
    failed = figure("tasks.recent.failed")
    disk, free = figure("journal.disk_bytes"), figure("journal.free_bytes")
    return {
        "feed_age": max(ages, default=None),
        "topics": _share(figure("ticks.topics"), figure("ticks.most_topics")),
        "connections": _share(figure("connections.now"), figure("connections.most")),
        "queue": max((one for one in shares if one is not None), default=None),
        "failures": _share(failed, figure("tasks.recent.done") + failed),
        "dead_letters": figure("tasks.recent.dead_letters"),
        "latency": lag["p99"] / 1000 if lag else None,
        "display_latency": max(slow, default=None),
        "display_stale": max(stale, default=None),
        "silence": max((one.silence_s for one in known), default=None),
        "growth": max(growth, default=None),
        "disk": _share(disk - free, disk),
    }


def _share(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def age(seconds: float) -> str:
    """Write a duration in its largest fitting unit."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def summary(facts: Facts, known: Sequence[Process]) -> str:
    """Say what stands."""
    stats = facts.told
    ticks, tasks = stats["ticks"], stats["tasks"]
    said = [
        f"broker {stats['broker']['version']} up {age(stats['broker']['uptime_s'])}",
        f"feeds {len(facts.rows(FEED))}",
        f"symbols {ticks['symbols']} at {ticks['per_s']:,.0f} ticks/s",
        f"workers {len(stats['workers'])}",
        f"tasks queued {tasks['queued']}",
        f"processes {len(known)}",
        f"config {facts.figure('config.version'):.0f}",
    ]
    return ", ".join(said)


def performance(facts: Facts, values: Mapping[str, float | None], limits: Mapping[str, Limit]) -> str:
    """Write performance data: 'name'=value[unit];warn;critical;least."""
    said = []
    for name, limit in limits.items():
        value = values[name]
        if value is not None:
            said.append(f"{name}={value:.6g}{limit.unit};{limit.warn:g};{limit.critical:g};0")
    stats = facts.told
    counts = {
        "ticks_per_s": stats["ticks"]["per_s"],
        "ticks": f"{stats['ticks']['taken']}c",
        "tasks_done": f"{stats['tasks']['done']}c",
        "tasks_failed": f"{stats['tasks']['failed']}c",
        "dead_letters_total": f"{facts.figure('store.dead_letters'):.0f}",
        "workers": len(stats["workers"]),
        "processes": len(stats["processes"]),
        "journal_lost": f"{stats['journal'].get('lost', 0)}c",
        "broker_rss": f"{stats['broker'].get('rss_bytes', 0)}B",
    }
    return " ".join([*said, *(f"{name}={value}" for name, value in counts.items())])
