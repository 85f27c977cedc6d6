"""Client, broker, workers and supervisord are killed in any order while posted tasks run: all end, once."""

import contextlib
import json
import os
import random
import signal
import threading
from collections import Counter

import pytest
from pool_watch import WorkerPool
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.bus.process.supervisor_rpc import Unreached, list_processes
from hulak.sim.nepse.server import serve

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SEED = 20261122
KINDS = ("client", "broker", "worker", "supervisord")
FOUND = {"PYTHONPATH": "tests/support:tests/trials:."}
ENDS_S = 300


class Killer:
    """Kills one after the other, in an order drawn from a seed, and starts the processes again that no supervisor starts."""

    def __init__(self, local_bus, count, rounds, log):
        self.local_bus, self.count, self.log = local_bus, count, log
        self.draw = random.Random(SEED)
        self.kinds = self.draw.sample(KINDS, len(KINDS)) + self.draw.choices(KINDS, k=(rounds - 1) * len(KINDS))
        self.done, self.stop = Counter(), threading.Event()
        self.poster = self.start_client()
        self.thread = threading.Thread(target=self.run)

    def start_client(self):
        return self.local_bus.start("-m", "trial_poster", self.log, self.count, **FOUND)

    def run(self):
        for kind in self.kinds:
            if self.stop.wait(self.draw.uniform(0.3, 1.5)):
                return
            self.done[kind] += getattr(self, kind)()

    # The four; each returns whether there was a process to kill

    def client(self):
        running = self.poster.poll() is None
        self.poster.kill()
        self.poster.wait()
        self.poster = self.start_client()
        return running

    def broker(self):
        return self.kill_process(lambda row: row["name"] == "broker")

    def worker(self):
        return self.kill_process(lambda row: row["group"] == "nepse")

    def kill_process(self, wanted):
        with contextlib.suppress(Unreached, ProcessLookupError):
            pids = [row["pid"] for row in list_processes(self.local_bus.home) if wanted(row) and row["pid"]]
            if pids:
                os.kill(self.draw.choice(pids), signal.SIGKILL)
                return True
        return False

    def supervisord(self):
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.local_bus.home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
        self.local_bus.up.wait(20)
        self.local_bus.up = self.local_bus.hulak("up")
        return True


def test_with_kills_in_any_order_every_posted_task_ends_once(long, record_figure, tmp_path):
    """Full: 500 tasks, 24 kills; short: 40 and 4, one of each kind."""
    count, rounds, rate = (500, 6, 4) if long else (40, 1, 3)
    with (
        serve() as exchange,
        WorkerPool(**{"nepse.base_url": exchange.url, "nepse.rate_per_s": rate, "nepse.cache_s": 0}) as local_bus,
    ):
        local_bus.start_up(demo=False)
        killer = Killer(local_bus, count, rounds, tmp_path / "posted.jsonl")
        killer.thread.start()
        try:
            killer.thread.join(ENDS_S)
            assert eventually(lambda: killer.poster.poll() is not None, within_s=ENDS_S)
            assert killer.poster.poll() == 0, killer.poster.log.read_text()
        finally:
            killer.stop.set()
            killer.thread.join(60)
        with local_bus.client() as client:
            rows = eventually(lambda: rows_of(client), within_s=60)
        lines = [json.loads(line) for line in killer.log.read_text().splitlines()]
        most = max(row["attempt"] for row in rows)
        record_figure(f"kill anything: {count} tasks, killed {dict(killer.done)}; most attempts of one: {most}")
    assert set(killer.done) == set(KINDS)
    assert all(killer.done[kind] for kind in KINDS)
    ids = {line["number"]: line["task"] for line in lines}
    assert {(line["number"], line["task"]) for line in lines} == set(ids.items()), (
        "a key means one task, for every client that repeats it"
    )
    assert len(set(ids.values())) == len(rows) == count
    assert {row["state"] for row in rows} == {"done"}
    assert {line["number"] for line in lines if "value" in line} == set(range(count))


def rows_of(client):
    """List every task that the store has; None if the broker does not answer."""
    with contextlib.suppress(BusError):
        return client.list_tasks(limit=1000)
    return None
