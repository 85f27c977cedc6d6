"""Snapshots of `hulak up`, of a system in which all is well."""

from hulak.clients.cli.live_model import LiveModel, Process

ROWS = {"broker": 7, "nepse_00": 900}
STATS = {
    "broker": {"uptime_s": 50.0, "pid": 7, "rss_bytes": 50_000_000, "version": "0"},
    "ticks": {"taken": 1, "per_s": 1.0, "symbols": 1, "ticking": 1, "feed_to_broker_us": {}},
    "tasks": {"queued": 0, "waiting": 0, "running": 0, "done": 0, "failed": 0, "services": {}},
    "journal": {"state": "live"},
    "store": {"state": "live"},
    "processes": [],
    "scaling": {},
    "workers": [{"name": "nepse_00/900", "service": "nepse", "age_s": 9.0, "pid": 900, "slot": "nepse_00", "state": "ready"}],
}


def row(name, state="running", pid=1):
    return {"name": name, "group": name, "state": state, "pid": pid, "uptime_s": 5, "started": True}


def snapshot(now, stats=STATS, **states):
    """Return a snapshot in which all processes run, but for those of `states`: name=(state, pid)."""
    model = LiveModel(0.0)
    if stats is not None:
        model.add_stats(stats, now)
    shown = {name: ("running", pid) for name, pid in ROWS.items()} | states
    processes = [Process("supervisord", "running", 5, 1), *(Process(name, *rest, 1) for name, rest in shown.items())]
    model.add_processes(processes, [row(name, *rest) for name, rest in shown.items()], now)
    return model.snapshot(now)
