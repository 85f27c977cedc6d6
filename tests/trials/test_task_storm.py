"""Posted tasks while workers are killed and frozen and brokers are killed: each ends once, and is done."""

import os
import random
import signal
import threading
import time

import pytest
from posthouse import PostHouse
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
WORKERS = 4
TASK_S = 0.02
SEED = 20261122


class Storm:
    """Kills and freezes, at moments and of kinds drawn from a seed; a frozen worker is thawed again."""

    def __init__(self, house, worker_faults, broker_kills):
        self.house, self.draw = house, random.Random(SEED)
        kinds = ["kill"] * (worker_faults // 2) + ["freeze"] * (worker_faults - worker_faults // 2) + ["broker"] * broker_kills
        self.draw.shuffle(kinds)
        self.kinds, self.done, self.stop = kinds, [], threading.Event()
        self.workers = [self.worker() for _ in range(WORKERS)]
        self.thawing = []
        self.thread = threading.Thread(target=self.run)

    def worker(self):
        return self.house.start("-m", "sleepy_worker", PYTHONPATH="tests")

    def run(self):
        for kind in self.kinds:
            if self.stop.wait(self.draw.uniform(0.1, 0.4)):
                break
            getattr(self, kind)()
            self.done.append(kind)
        for timer in self.thawing:
            timer.join()

    def kill(self):
        at = self.draw.randrange(WORKERS)
        self.workers[at].kill()
        self.workers[at].wait()
        self.workers[at] = self.worker()

    def freeze(self):
        worker = self.workers[self.draw.randrange(WORKERS)]
        os.kill(worker.pid, signal.SIGSTOP)
        timer = threading.Timer(self.draw.uniform(0.2, 5.0), self.thaw, [worker])
        timer.start()
        self.thawing.append(timer)

    @staticmethod
    def thaw(worker):
        if worker.poll() is None:
            os.kill(worker.pid, signal.SIGCONT)

    def broker(self):
        self.house.broker.kill()
        self.house.broker.wait()
        self.house.broker = self.house.start("-m", "bus")


def test_no_accepted_task_is_lost_and_none_ends_twice_in_a_storm_of_faults(long, tell):
    """Full: 2,000 tasks, 100 worker faults, 10 broker kills; short: 200, 12 and 2."""
    count, faults, kills = (2000, 100, 10) if long else (200, 12, 2)
    with PostHouse() as house:
        house.broker = house.start_broker()
        storm = Storm(house, faults, kills)
        with house.client() as client:
            storm.thread.start()
            began = time.monotonic()
            ids = []
            for number in range(count):
                args = {"seconds": TASK_S}
                ids.append(client.post("sleepy", "sleep", args, key=f"{number}", retries=20, timeout_s=60))
            results = [client.result(task, timeout_s=300) for task in ids]
            took_s = time.monotonic() - began
            storm.thread.join(120)
            eventually(lambda: house.stats()["broker"]["pid"] == house.broker.pid, within_s=20)
            rows = []
            for state in ("done", "failed", "expired", "cancelled", "queued", "running", "waiting"):
                rows += client.list_tasks(state=state, limit=1000)
            attempts = [client.show_task(task)["attempt"] for task in ids[:: max(1, count // 100)]]
        tell(
            f"tasks: {count} posted, {len(set(ids))} ids, {len(results)} results in {took_s:.1f} s; "
            f"{storm.done.count('kill')} workers killed, {storm.done.count('freeze')} frozen, "
            f"{storm.done.count('broker')} brokers killed; most attempts of one: {max(attempts)}"
        )
        assert len(set(ids)) == count
        assert set(results) == {f"slept {TASK_S}"}
        assert {row["state"] for row in rows} == {"done"}
        assert len(storm.done) == len(storm.kinds) or not long
