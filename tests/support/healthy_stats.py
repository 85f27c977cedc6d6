"""Statistics of a broker with which all is well, and changes of them."""

from hulak.clients.judge.facts import Facts
from hulak.clients.judge.situations import LIMITS
from hulak.clients.judge.verdict import judge


def report(kind, name, pid, **values):
    fields = {"age_s": 0.2, "rss_bytes": 50_000_000, "cpu_s": 1.0, "loop_age_s": 0.1, "config_version": 7, "uptime_s": 500.0}
    return {"kind": kind, "name": name, "pid": pid, **fields, **values}


def recent(**changes):
    return {"window_s": 600.0, "done": 90, "failed": 0, "expired": 0, "dead_letters": 0, **changes}


def stats(**changes):
    """Make statistics of a broker with which all is well; changes are by path, `ticks__per_s=0`."""
    values = {
        "broker": {"version": "0.1.0", "pid": 1, "uptime_s": 500.0, "rss_bytes": 60_000_000, "cpu_s": 3.0},
        "journal": {"state": "live", "lost": 0},
        "store": {"state": "live"},
        "ticks": {
            "taken": 5000,
            "per_s": 250.0,
            "symbols": 28,
            "ticking": 28,
            "topics": 30,
            "most_topics": 100,
            "refused_topics": [],
            "recent": {"window_s": 500.0, "topics_refused": 0, "lost": 0},
            "feed_to_broker_us": {"p50": 200.0, "p99": 3000.0, "max": 1.0, "count": 9.0},
        },
        "tasks": {
            "queued": 1,
            "waiting": 2,
            "running": 0,
            "done": 9,
            "failed": 0,
            "per_s": 0.0,
            "services": {},
            "most": 100,
            "recent": recent(),
        },
        "displays": {"displays": 0, "assigned": 0},
        "connections": {
            "now": 30,
            "most": 1000,
            "bound_by": "descriptors",
            "refused": 0,
            "recent": {"window_s": 500.0, "refused": 0},
            "sockets": {"collector": 2, "publisher": 18, "frontend": 6, "backend": 4},
        },
        "internal": {"total": 0, "recent": 0, "last": ""},
        "config": {"version": 7, "age_s": 60.0},
        "workers": [{"name": "nepse_00/3", "service": "nepse", "state": "ready", "pid": 3, "age_s": 400.0}],
        "scaling": {"nepse": {"workers": "auto", "queued": 0}},
        "processes": [report("feed", "binance", 2, state="connected", data_age_s=0.3), report("nepse", "nepse_00/3", 3)],
        "rejected": {"total": 0},
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        place = values
        for name in way:
            place = place[name]
        place[last] = value
    return values


def verdict(statistics=None, limits=LIMITS, **changes):
    """Judge statistics; changes are of the facts beside them."""
    return judge(Facts(**{"stats": statistics or stats(), "feeds": 1, "workers": 1, **changes}), limits)


def with_process(**values):
    statistics = stats()
    statistics["processes"].append(report("display", "display/9", 9, **values))
    return statistics


def feed(**values):
    return stats(processes=[report("feed", "binance", 2, **values)])


def bridge(**values):
    statistics = stats()
    statistics["processes"].append(report("bridge", "a", 9, **values))
    return statistics
