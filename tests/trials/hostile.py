"""Every field of every request and of every worker's message, with every odd value. Pure.

From PROTOCOL.md sections 4, 5, 6.2, 7 and 11; nothing of the package is imported, so that no bound is tested with itself.
"""

import msgpack

RAW, NO_TEXT = b"RAW!", b"\xff\xfe\xed\xa0"  # a text of four bytes, and four bytes that are none in UTF-8
DEEP = 60


def nested(depth):
    """Make an array in an array, and so on."""
    value = []
    for _ in range(depth):
        value = [value]
    return value


VALUES = (
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
    -(2**63),
    0.5,
    1e10,
    1e300,
    -0.0,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "x" * 201,
    "x" * 70_000,
    "\0",
    "é\u2028",
    RAW.decode(),
    b"",
    b"x" * 16,
    [],
    [{}, [], None],
    nested(DEEP),
    {},
    {1: 2},
    {"a": float("nan"), "b": 2**64 - 1, "c": nested(DEEP)},
    {RAW.decode(): RAW.decode()},
    msgpack.ExtType(5, b"x"),
)
TASK = b"t" * 16
# A request of each service that does no harm to others; its fields are what is made hostile, one by one.
REQUESTS = {
    "hulak.ping": {},
    "hulak.stats": {},
    "hulak.feed": {"instance": 99, "oldest": 1},
    "hulak.replay": {"topic": "ticks", "from": 1, "to": 2, "since_ns": 0, "until_ns": 1},
    "hulak.last": {"topic": "tick.X00"},
    "hulak.report": {"kind": "fuzz", "name": "f", "pid": 1, "values": {"rss_bytes": 1, "cpu_s": 0.1}, "leaving": False},
    "hulak.retire": {"worker": "fuzz/nobody", "reason": "x"},
    "hulak.scale": {"service": "nepse", "workers": 1},
    "hulak.config.get": {"scope": "global", "version": 0},
    "hulak.config.set": {"scope": "kind:nepse", "values": {}, "unset": [], "by": "fuzz", "note": "x"},
    "hulak.config.revert": {"version": 0, "by": "fuzz", "note": "x"},
    "hulak.config.history": {"limit": 1},
    "hulak.config.applied": {"version": 0},
    "hulak.post": {
        "service": "fuzz-nobody",
        "action": "a",
        "args": {"n": 1},
        "key": "fuzz",
        "retries": 1,
        "expires_s": 1.0,
        "priority": 1,
    },
    "hulak.result": {"task": TASK, "wait_ms": 0},
    "hulak.cancel": {"task": TASK},
    "hulak.tasks": {"state": "done", "service": "bare", "limit": 1},
    "hulak.task.show": {"task": TASK},
    "hulak.calls": {"service": "bare", "limit": 1},
    "hulak.retry": {"task": TASK},
    "hulak.drop": {"task": TASK},
    "hulak.schedule.add": {
        "service": "fuzz-nobody",
        "action": "a",
        "args": {"n": 1},
        "name": "fuzz",
        "cron": "0 0 29 2 *",
        "zone": "Asia/Kathmandu",
        "until": "2027-01-01T00:00",
        "missed": "all",
        "runs": 1,
        "jitter_s": 1,
    },
    "hulak.schedule.list": {"name": "fuzz"},
    "hulak.schedule.pause": {"name": "fuzz"},
    "hulak.schedule.resume": {"name": "fuzz"},
    "hulak.schedule.run": {"name": "fuzz"},
    "hulak.schedule.remove": {"name": "fuzz"},
    "hulak.calendar.set": {
        "name": "fuzz",
        "zone": "UTC",
        "weekdays": [1],
        "closed": ["2026-01-05"],
        "first": "2026-01-01",
        "last": "2026-12-31",
    },
    "hulak.calendar.list": {},
    "hulak.calendar.remove": {"name": "fuzz"},
    "hulak.alert.add": {
        "symbol": "FUZZ*",
        "on": "change",
        "name": "fuzz",
        "side": "bid",
        "above": 1.0,
        "below": -1.0,
        "window_s": 300,
        "repeat": True,
        "rearm": 0.5,
        "cooldown_s": 60,
        "until_ms": 1_900_000_000_000,
        "note": "fuzz",
    },
    "hulak.alert.list": {"name": "fuzz", "revision": 1},
    "hulak.alert.enable": {"name": "fuzz", "enabled": False},
    "hulak.alert.remove": {"name": "fuzz"},
    "hulak.layout.put": {
        "name": "fuzz",
        "document": {"version": 1, "view": "table", "pinned": ["X"]},
        "if_version": 0,
        "by": "f",
    },
    "hulak.layout.list": {"view": "table", "revision": 1},
    "hulak.layout.show": {"name": "fuzz"},
    "hulak.layout.remove": {"name": "fuzz", "if_version": 1},
    "hulak.display.create": {"symbol": "FUZZ", "display": "fuzz", "init": {"price": 1.0}, "config": {}, "from": 1},
    "hulak.display.update": {"display": "fuzz", "init": {"price": 1.0}},
    "hulak.display.remove": {"display": "fuzz"},
    "hulak.display.list": {},
    "hulak.display.day": {"display": "fuzz", "token": 1, "from": 1, "init": {}},
    "hulak.": {},
    "mmi.service": {"body": [b"echo"]},
    "fuzz-nobody": {"n": 1},
}
# Values that have a map of their own inside, which is made hostile too.
INSIDE = {
    "hulak.report": ("values", ("config_version", "age_s", "pid", "kind", "name", "uptime_s", "loop_age_s", "state", "x")),
    "hulak.config.set": ("values", ("rate_per_s", "cache_s", "log_level", "nothing")),
    "hulak.display.create": ("init", ("digits", "price", "open", "adr_high", "timestamp", "minute_bars", "daily_bars")),
}
SOON = {"timeout_ms": 20}  # no worker serves the calls
OPTIONS = ("timeout_ms", "retries", "priority", "share", "nothing")
FAILURE = {"code": "X", "text": "x", "retryable": False, "retry_after_ms": 1, "cool_down_ms": None, "details": {}}


def replaced(fields, name, value):
    """Put another value in."""
    return {**fields, name: value}


def requests():
    """Yield (service, args, options), each with one fault, or at its bound."""
    for service, args in REQUESTS.items():
        options = {} if service.startswith("hulak.") else SOON
        for name in (*args, "nothing"):
            yield service, {key: value for key, value in args.items() if key != name}, options
            for value in VALUES:
                yield service, replaced(args, name, value), options
        inner, names = INSIDE.get(service, ("", ()))
        for name in names:
            for value in VALUES:
                yield service, replaced(args, inner, replaced(args[inner], name, value)), options
    for name in OPTIONS:
        for value in VALUES:
            yield "hulak.ping", {}, {name: value}
            yield "fuzz-nobody", {"n": 1}, SOON | {name: value}


def broken():
    """Yield frames of clients that are no requests: fields of other types, too few and too many of them."""
    good = [TASK, "hulak.ping", "", {}, {}]
    for at in range(len(good)):
        for value in VALUES:
            yield frame(b"Q", [*good[:at], value, *good[at + 1 :]])
    for wrong in (good[:4], [*good, 1], {}, None, 5, [good], "x"):
        yield frame(b"Q", wrong)
        yield frame(b"q", wrong)
    yield from (b"", b"Q", b"Z\x90", b"Q\xc1", b"Q\xdd\xff\xff\xff\xff", b"Q" + b"\x91" * 5000, b"q\x92\x95\xc4\x10")


def results(task, attempt):
    """Yield frames of a worker about a task that it holds: results of every value, good and bad.

    The last one has the whole service cool down, so that it is given nothing more: that is what it asks for.
    """
    for value in VALUES:
        yield frame(b"R", [task, attempt, True, value])
        yield frame(b"R", [task, attempt, False, value])
        yield frame(b"R", [task, attempt, value, 1])
        yield frame(b"R", [task, value, True, 1])
        yield frame(b"R", [value, attempt, True, 1])
        yield frame(b"P", [task, attempt, value, 1])
        yield frame(b"P", [task, attempt, 1, value])
        for name in (*FAILURE, "nothing"):
            if name != "cool_down_ms" or type(value) is not int or value <= 0:
                yield frame(b"R", [task, attempt, False, replaced(FAILURE | {"retryable": True}, name, value)])
    yield frame(b"R", [task, attempt, False, replaced(FAILURE, "cool_down_ms", 2**63)])


def of_workers(service, worker):
    """Yield frames of a worker about itself."""
    good = [service, worker, 1, [], {"pid": 1}]
    for value in VALUES:
        for at in range(len(good)):
            yield frame(b"Y", [*good[:at], value, *good[at + 1 :]])
        for name in ("pid", "slot", "host", "several", "started_ns"):
            yield frame(b"Y", [*good[:4], {name: value}])
        for name in ("rss_bytes", "cpu_s", "task_s", "name", "state"):
            yield frame(b"H", [[], {name: value}])
        yield frame(b"Y", [*good[:3], [[TASK, value]], {}])
        yield frame(b"H", [[[TASK, value]], None])
        yield frame(b"H", [value, None])
        yield frame(b"H", [[], value])
        yield frame(b"r", [value, value])
        yield frame(b"G", [value])


def frame(kind, fields):
    """Write a message; the text `RAW!` becomes one that is not UTF-8."""
    return kind + msgpack.packb(fields).replace(RAW, NO_TEXT)
