"""Statistics of displays, from the broker's statistics. Pure."""

from collections.abc import Mapping
from typing import Any

from hulak.bus.wire.names import DISPLAY_SERVICE, SILENT_S


def worker_stats(stats: Mapping[str, Any]) -> dict[str, Any]:
    """Return statistics of the displays, by the original's names and more.

    Returns:
        `activeWorkers`: displays with a worker. `maxWorkers`: maximum of displays. `workersCreated`, `workersTerminated`:
        displays, since the broker's start. `ticksDispatched`: accepted by the broker, over all restarts. `connectionHealthy`:
        every display has a worker, none is behind, and the journal is live. `averageLatency`: ms from the feed's receipt to the
        state, since the workers' starts, None without any. And `displays`, `ticksFolded`, and `workers`: the processes with
        their reports.
    """
    displays, processes = stats["displays"], [row for row in _living(stats) if row["kind"] == DISPLAY_SERVICE]
    latencies = [row["latency"] for row in processes if row.get("latency")]
    count = sum(entry["count"] for entry in latencies)
    behind = sum(row.get("catching_up", 0) for row in processes)
    return {
        "activeWorkers": displays["assigned"],
        "maxWorkers": displays["most"],
        "workersCreated": displays["created"],
        "workersTerminated": displays["removed"],
        "ticksDispatched": stats["ticks"]["taken"],
        "connectionHealthy": displays["assigned"] == displays["displays"] and behind == 0 and stats["journal"]["state"] == "live",
        "averageLatency": sum(entry["mean_us"] * entry["count"] for entry in latencies) / count / 1000 if count else None,
        "displays": displays["displays"],
        "ticksFolded": sum(row.get("ticks", 0) for row in processes),
        "workers": processes,
    }


def memory_usage(stats: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Return the memory of the display workers, and its trend.

    Args:
        stats: of the broker.
        limit: the machine's memory in bytes.
    Returns:
        `available`: false without a display worker. `current`: bytes of all display workers. `total`: of all processes that
        report. `limit`. `trend`: window_s, change in bytes, per_minute, direction, from samples of five
        minutes; None before there are two.
    """
    living = _living(stats)
    processes = [row for row in living if row["kind"] == DISPLAY_SERVICE]
    if not processes:
        return {"available": False}
    trends = [row["memory"] for row in processes if row.get("memory")]
    trend = None
    if trends:
        change, per_minute = sum(entry["change"] for entry in trends), sum(entry["per_minute"] for entry in trends)
        directions = {entry["direction"] for entry in trends} - {"stable"}
        grows = "increasing" if per_minute > 0 else "decreasing"
        window_s = min(entry["window_s"] for entry in trends)
        direction = grows if directions else "stable"
        trend = {"window_s": window_s, "change": change, "per_minute": per_minute, "direction": direction}
    total = stats["broker"]["rss_bytes"] + sum(row.get("rss_bytes", 0) for row in living)
    current = sum(row.get("rss_bytes", 0) for row in processes)
    return {"available": True, "current": current, "total": total, "limit": limit, "trend": trend}


def _living(stats: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the processes whose reports are recent; the others are frozen or dead."""
    return [row for row in stats["processes"] if row["age_s"] <= SILENT_S]
