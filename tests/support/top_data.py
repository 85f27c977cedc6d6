"""Statistics, messages and tasks as `hulak top` gets them."""

from hulak.bus.wire.messages import Stamp


def report(kind, name, pid, **values):
    return {"kind": kind, "name": name, "pid": pid, "age_s": 0.3, "rss_bytes": 50_000_000, **values}


def stats(*more, per_s=250.0):
    lag = {"p50": 120.0, "p99": 2100.0, "max": 1.0, "count": 9.0}
    return {
        "broker": {"version": "0.1.0", "pid": 1, "uptime_s": 90.0, "rss_bytes": 60_000_000, "cpu_s": 3.0, "cores": 0.2},
        "journal": {"state": "live", "lost": 0},
        "store": {"state": "live"},
        "scaling": {},
        "ticks": {"taken": 5000, "per_s": per_s, "symbols": 28, "early": 4, "feed_to_broker_us": lag},
        "tasks": {
            "queued": 5,
            "waiting": 1,
            "running": 2,
            "done": 9,
            "failed": 0,
            "per_s": 1.0,
            "services": {"nepse": {"queued": 5, "waiting": 1, "running": 2}},
        },
        "workers": [
            {"name": "sums/4", "service": "sums", "state": "ready", "pid": 4, "age_s": 7.0},
            {"name": "nepse_00/3", "service": "nepse", "state": "busy", "pid": 3},
        ],
        "processes": [
            report("nepse", "nepse_00/3", 3, config_version=7, cores=0.5, restarts=2),
            report("feed", "binance", 2, rss_per_min=250_000, loop_age_s=4.0, dropped=0, refused=3, symbol_errors={}),
            *more,
        ],
        "rejected": {"total": 2},
    }


class Message:
    """A message, as the subscriber has it."""

    def __init__(self, topic, number, body, time_ns=1_000_000_000):
        self.topic, self.body, self.stamp = topic, body, Stamp(1, number, time_ns)


def quote(symbol, number, bid, ask):
    body = {"symbol": symbol, "bid": bid, "ask": ask, "source": "sim"}
    return Message(f"tick.{symbol}", number, body, number * 1_000_000_000)


def task_row(**values):
    row = {"task": b"\1" * 16, "key": None, "service": "sums", "action": "add", "state": "failed", "attempt": 2, "retries": 1}
    row |= {"priority": 1, "posted_ns": 10**18, "due_ns": None, "expires_ns": None, "ended_ns": 10**18 + 25 * 10**8}
    return {**row, "worker": "w/1", "trouble": "no such number", "retried_as": None, **values}
