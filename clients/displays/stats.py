"""How displays are doing, made of the broker's statistics. Pure."""

from collections.abc import Mapping
from typing import Any

from bus.wire.names import DISPLAY_SERVICE, SILENT_S


def worker_stats(stats: Mapping[str, Any]) -> dict[str, Any]:
    """Tell how displays are doing, by the original's names and some more.

    Returns:
        `activeWorkers`: displays with a worker. `maxWorkers`: displays there may be. `workersCreated`, `workersTerminated`:
        displays, since the broker's start. `ticksDispatched`: taken by the broker, ever. `connectionHealthy`: every display has a
        worker, none is behind, and the journal is well. `averageLatency`: ms from the feed's receipt to the state, since the
        workers' starts, None without any. And `displays`, `ticksFolded`, and `workers`: the processes, with what each reports.
    """
    told, processes = stats["displays"], [row for row in _living(stats) if row["kind"] == DISPLAY_SERVICE]
    latencies = [row["latency"] for row in processes if row.get("latency")]
    count = sum(one["count"] for one in latencies)
    behind = sum(row.get("catching_up", 0) for row in processes)
    return {
        "activeWorkers": told["assigned"],
        "maxWorkers": told["most"],
        "workersCreated": told["created"],
        "workersTerminated": told["removed"],
        "ticksDispatched": stats["ticks"]["taken"],
        "connectionHealthy": told["assigned"] == told["displays"] and behind == 0 and stats["journal"]["state"] == "live",
        "averageLatency": sum(one["mean_us"] * one["count"] for one in latencies) / count / 1000 if count else None,
        "displays": told["displays"],
        "ticksFolded": sum(row.get("ticks", 0) for row in processes),
        "workers": processes,
    }


def memory_usage(stats: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Tell what memory the display workers use, and whether it grows.

    Args:
        stats: of the broker.
        limit: the machine's memory in bytes.
    Returns:
        `available`: false without a display worker. `current`: bytes of all display workers. `total`: of all processes that
        report. `limit`. `trend`: window_s, change in bytes, per_minute, direction, from samples that the workers take over five
        minutes; None before there are two.
    """
    living = _living(stats)
    processes = [row for row in living if row["kind"] == DISPLAY_SERVICE]
    if not processes:
        return {"available": False}
    trends = [row["memory"] for row in processes if row.get("memory")]
    trend = None
    if trends:
        change, per_minute = sum(one["change"] for one in trends), sum(one["per_minute"] for one in trends)
        directions = {one["direction"] for one in trends} - {"stable"}
        grows = "increasing" if per_minute > 0 else "decreasing"
        window_s = min(one["window_s"] for one in trends)
        direction = grows if directions else "stable"
        trend = {"window_s": window_s, "change": change, "per_minute": per_minute, "direction": direction}
    total = stats["broker"]["rss_bytes"] + sum(row.get("rss_bytes", 0) for row in living)
    current = sum(row.get("rss_bytes", 0) for row in processes)
    return {"available": True, "current": current, "total": total, "limit": limit, "trend": trend}


def _living(stats: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Leave out the processes that are told of only because they are frozen or dead."""
    return [row for row in stats["processes"] if row["age_s"] <= SILENT_S]
