"""The judged quantities, and the performance data for a monitoring system. Pure."""

from collections.abc import Mapping, Sequence

from hulak.clients.durations import age
from hulak.clients.judge.facts import Facts
from hulak.clients.judge.processes import Process, number
from hulak.clients.judge.situations import GROWS_S, START_S, Limit
from hulak.clients.judge.ticks import FEED, late_s


def measure(facts: Facts, known: Sequence[Process], limits: Mapping[str, Limit]) -> dict[str, float | None]:
    """Return the value of each of `LIMITS`; None without data."""
    stats = facts.values
    lag, figure = stats["ticks"]["feed_to_broker_us"], facts.figure
    ages = [age_s for row in facts.rows(FEED) if (age_s := late_s(row)) is not None]
    silent = {process.name for process in known if process.kind == "display" and process.is_silent(limits["silence"])}
    display = [row for row in facts.rows("display") if row["name"] not in silent]  # their last reports are outdated
    behind = {row["name"] for row in display if number(row.get("catching_up"))}  # their latency is that of old ticks
    slow = [
        process.p99_us / 1000
        for process in known
        if process.kind == "display"
        and process.name not in silent
        and process.p99_us is not None
        and process.name not in behind
        and not (process.uptime_s or START_S) < START_S
    ]
    stale = [stale_s for row in display if (stale_s := number(row.get("stale_s"))) is not None]
    growing = [process for process in known if process.rss_per_min is not None and (process.uptime_s or 0.0) >= GROWS_S]
    growth = [(process.rss_per_min or 0.0) * 10 / 1e6 for process in growing]
    tasks = stats["tasks"]
    held = tasks["queued"] + tasks["waiting"] + tasks["running"]
    shares = (_share(held, figure("tasks.most")), _share(figure("tasks.bytes"), figure("tasks.most_bytes")))
    failed = figure("tasks.recent.failed")
    disk, free = figure("journal.disk_bytes"), figure("journal.free_bytes")
    return {
        "feed_age": max(ages, default=None),
        "topics": _share(figure("ticks.topics"), figure("ticks.most_topics")),
        "connections": _share(figure("connections.now"), figure("connections.most")),
        "queue": max((share for share in shares if share is not None), default=None),
        "failures": _share(failed, figure("tasks.recent.done") + failed),
        "dead_letters": figure("tasks.recent.dead_letters"),
        "latency": lag["p99"] / 1000 if lag else None,
        "display_latency": max(slow, default=None),
        "display_stale": max(stale, default=None),
        "silence": max((process.sign_age_s for process in known if process.sign_age_s is not None), default=None),
        "loop": max((process.loop_age_s for process in known if process.loop_age_s is not None), default=None),
        "growth": max(growth, default=None),
        "disk": _share(disk - free, disk),
    }


def _share(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def summary(facts: Facts, known: Sequence[Process]) -> str:
    """Return a summary of the system in one line."""
    stats = facts.values
    ticks, tasks = stats["ticks"], stats["tasks"]
    parts = [
        f"broker {stats['broker']['version']} up {age(stats['broker']['uptime_s'])}",
        f"feeds {len(facts.rows(FEED))}",
        f"symbols {ticks['symbols']} at {ticks['per_s']:,.0f} ticks/s",
        f"workers {len(stats['workers'])}",
        f"tasks queued {tasks['queued']}",
        f"processes {len(known)}",
        f"config {facts.figure('config.version'):.0f}",
    ]
    return ", ".join(parts)


def performance(facts: Facts, known: Sequence[Process], values: Mapping[str, float | None], limits: Mapping[str, Limit]) -> str:
    """Format performance data: 'name'=value[unit];warn;critical;min."""
    parts = []
    for name, limit in limits.items():
        value = values[name]
        if value is not None:
            parts.append(f"{name}={value:.6g}{limit.unit};{limit.warn:g};{limit.critical:g};0")
    stats = facts.values
    counts = {
        "ticks_per_s": stats["ticks"]["per_s"],
        "ticks": f"{stats['ticks']['taken']}c",
        "tasks_done": f"{stats['tasks']['done']}c",
        "tasks_failed": f"{stats['tasks']['failed']}c",
        "dead_letters_total": f"{facts.figure('store.dead_letters'):.0f}",
        "workers": len(stats["workers"]),
        "processes": len(known),
        "journal_lost": f"{stats['journal'].get('lost', 0)}c",
        "broker_rss": f"{stats['broker'].get('rss_bytes', 0)}B",
    }
    return " ".join([*parts, *(f"{name}={value}" for name, value in counts.items())])
