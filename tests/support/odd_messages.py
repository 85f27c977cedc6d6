"""Odd requests and odd messages of workers: every argument and field at its bounds, beyond them, and of every other type."""

import math

import msgpack
import msgspec

from hulak.bus.broker.control_services import SERVICES

ID = bytes(range(16))
MARKS = {  # texts that stand for what a packer would not write
    b"\xa8no-utf-8": b"\xa8\xff\xfe\xed\xa0\x80\xc0\xaf\x80",  # text that is no UTF-8
    b"\xa8bad-time": b"\xc7\x06\xff\x00\x01\x02\x03\x04\x05",  # a time of six bytes, of which there is none
}
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 20, 21, 100, 1000, 1001, 3_600_000, 3_600_001, 1 << 31, (1 << 31) - 1, 1 << 53),
    *((1 << 63) - 1, 1 << 63, (1 << 64) - 1, -(1 << 63), 10**16),
    *(0.0, 1e-300, 1.5, 1e10, 1.7e308, -1.7e308, math.nan, math.inf, -math.inf),
    *(
        "",
        "x",
        "X",
        "abc",
        "\0",
        "x" * 200,
        "x" * 201,
        "\u0928\u0947",
        "x" * 70_000,
        "no-utf-8",
        "bad-time",
        "hulak.ping",
        "mmi.x",
    ),
    *(b"", b"\xff", ID, b"\xff" * 70_000, msgpack.ExtType(5, b"x"), msgpack.Timestamp(0, 5)),
    *(
        [],
        [None],
        [[[]]] * 50,
        ["x"] * 2000,
        {},
        {"a": math.nan},
        {"a": {"b": [1 << 63]}},
        {1: 2},
        {b"k": 1},
        {None: 1},
        {"pid": "x"},
    ),
    *({"age_s": "abc"}, {"rss_bytes": math.nan}, {"rss_bytes": 1.7e308}, {"cpu_s": -1.7e308}, {"config_version": 0, "pid": "x"}),
    *(
        {"latency_us": {"p50": "x"}},
        {"latency": {"count": 1}},
        {"memory": {}},
        {"errors": {"a": "b"}},
        {"state": {}},
        {"data_age_s": "x"},
    ),
]


def deep(levels):
    """Nest arrays so deep that some programs cannot follow."""
    value = None
    for _ in range(levels):
        value = [value]
    return value


ODD = [*VALUES, deep(20), deep(400), deep(505)]
ENOUGH = {  # of each service, arguments that it takes
    "hulak.feed": {"instance": 7, "oldest": 1},
    "hulak.replay": {"topic": "ticks"},
    "hulak.last": {"topic": "tick."},
    "hulak.report": {"kind": "feed", "name": "odd", "pid": 4711, "values": {"config_version": 0}, "leaving": True},
    "hulak.retire": {"worker": "nobody"},
    "hulak.scale": {"service": "nepse", "workers": "auto"},
    "hulak.post": {"service": "odd"},
    "hulak.result": {"task": ID},
    "hulak.cancel": {"task": ID},
    "hulak.retry": {"task": ID},
    "hulak.drop": {"task": ID},
    "hulak.schedule.add": {"service": "s", "at": "10:00"},
    "hulak.schedule.pause": {"name": "n"},
    "hulak.schedule.resume": {"name": "n"},
    "hulak.schedule.remove": {"name": "n"},
    "hulak.schedule.run": {"name": "n"},
    "hulak.calendar.set": {"name": "c", "zone": "UTC", "weekdays": [1], "first": "2026-01-01", "last": "2026-12-31"},
    "hulak.calendar.remove": {"name": "c"},
    "hulak.alert.add": {"symbol": "X", "on": "price", "above": 1.5},
    "hulak.alert.enable": {"name": "n"},
    "hulak.alert.remove": {"name": "n"},
    "hulak.layout.show": {"name": "n"},
    "hulak.layout.put": {"name": "n", "document": {"version": 1, "view": "table"}},
    "hulak.layout.remove": {"name": "n"},
    "hulak.config.set": {"scope": "kind:nepse", "values": {"rate_per_s": 1}},
    "hulak.config.revert": {"version": 0},
    "hulak.display.create": {"symbol": "X"},
    "hulak.display.update": {"display": "d"},
    "hulak.display.remove": {"display": "d"},
    "hulak.display.day": {"display": "d", "token": 1, "from": 1},
}


def packed(value):
    """Pack, with what no packer writes in place of its marks."""
    frame = msgpack.packb(value)
    for mark, instead in MARKS.items():
        frame = frame.replace(mark, instead)
    return frame


def odd_requests():
    """Make every control service's frames: each argument missing, each of every odd value; yields service, id, frame."""
    number = 0
    for service, spec in SERVICES.items():
        enough = ENOUGH.get(service, {})
        asked = [enough, {**enough, "colour": 1}, *({key: enough[key] for key in enough if key != gone} for gone in enough)]
        asked += [{**enough, field.encode_name: odd} for field in msgspec.structs.fields(spec.args) for odd in ODD]
        for args in asked:
            number += 1
            request_id = number.to_bytes(16, "big")
            yield service, request_id, b"Q" + packed([request_id, service, "", args, {}])


def failures():
    """Make maps of failures, each key of every odd value."""
    values = {"code": "LATER", "text": "not now", "retryable": True, "retry_after_ms": 1, "cool_down_ms": 1, "details": {"a": 1}}
    return [{**values, key: odd} for key in values for odd in ODD]


def of_worker(task, attempt):
    """Make a worker's frames: each field of READY, HEARTBEAT, RESULT, PART and GOODBYE of every odd value."""
    usual = {
        b"Y": ["odd", "odd/1", 8, [[task, attempt]], {"pid": 5, "task_s": 0.1}],
        b"H": [[[task, attempt]], {"rss_bytes": 5, "task_s": 0.1}],
        b"P": [task, attempt, 1, "part"],
        b"R": [task, attempt, True, "done"],
        b"G": ["bye"],
    }
    for kind, fields in usual.items():
        for at in range(len(fields)):
            for odd in ODD:
                yield kind + packed([*fields[:at], odd, *fields[at + 1 :]])
    for failure in failures():
        yield b"R" + packed([task, attempt, False, failure])
