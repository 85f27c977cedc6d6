"""Tasks that exit, crash, fork, hang and kill their workers, among good ones: each ends as it should, and costs no other."""

import random
import threading
import time
from collections import Counter

import psutil
import pytest
from local_bus import LocalBus
from poisons import FAILS, KILLERS, LOST, SERVICE, WORKS
from stage import FOUND
from verdicts import assert_well
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
SEED = 20261129
STARTS_S, ENDS_S = 60, 600
ORDERED_TO_GO_S = 30


class Keeper:
    """Keeps some workers alive, as a supervisor does."""

    def __init__(self, local_bus, count, log):
        self.local_bus, self.ended = local_bus, Counter()
        self.workers = [self._start(log) for _ in range(count)]
        self._log, self._over = log, threading.Event()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _start(self, log):
        return self.local_bus.start("-m", "hulak.workers", SERVICE, "--module", "poisons", POISON_LOG=log, **FOUND)

    def _keep(self):
        while not self._over.wait(0.02):
            for at, worker in enumerate(self.workers):
                if worker.poll() is not None:
                    self.ended[worker.returncode] += 1
                    self.workers[at] = self._start(self._log)

    def all_at_work(self):
        """Return whether the broker knows exactly the live workers."""
        return {worker["pid"] for worker in self.local_bus.stats()["workers"]} == {worker.pid for worker in self.workers}

    def end(self):
        """Stop them in good order."""
        self._over.set()
        self._thread.join()
        for worker in self.workers:
            worker.terminate()
        return [worker.wait(ORDERED_TO_GO_S) for worker in self.workers]


def draw_up(count, killers, others):
    """Mix tasks: (action, number)."""
    tasks = [("good", number) for number in range(count - killers)]
    tasks += [(KILLERS[at % 2], 0) for at in range(killers)]
    tasks += [(action, 0) for action in (*FAILS, *WORKS) for _ in range(others)]
    random.Random(SEED).shuffle(tasks)
    return tasks


def args_of(action, number):
    return {"n": number} if action == "good" else {}


def test_hostile_tasks_end_as_they_should_and_no_other_is_charged_for_them(tmp_path, long, record_figure):
    """Full: 9,950 good tasks, 50 that kill their worker, 5 of each odd kind; short: 597, 3 and 1. Posted; some are called too."""
    count, killers, others, retries, workers = (10_000, 50, 5, 3, 4) if long else (600, 3, 1, 1, 2)
    limits = {"task.soft_s": 3.0, "task.hard_s": 4.0, "task.retries": retries, "broker.max_tasks": 20_000}
    log = tmp_path / "poisons.log"
    with LocalBus(**limits) as local_bus:
        local_bus.broker = local_bus.start_broker()
        keeper = Keeper(local_bus, workers, log)
        tasks = draw_up(count, killers, others)
        try:
            with local_bus.client() as client:
                eventually(keeper.all_at_work, within_s=STARTS_S)
                for number in range(1000):  # their credit grows: they hold many
                    client.call(SERVICE, "good", {"n": -1 - number})
                began = time.monotonic()
                postings = [{"service": SERVICE, "action": action, "args": args_of(action, number)} for action, number in tasks]
                ids = [bytes(reply["task"]) for reply in client.map("hulak.post", "", postings)]
                stuck = [client.submit(SERVICE, action, timeout_s=ENDS_S, retries=0) for action in ("hangs_on", "holds_on")]
                called = [client.submit(SERVICE, "good", {"n": number}, timeout_s=ENDS_S) for number in range(500)]
                asked = [{"task": task, "wait_ms": 1000 * ENDS_S} for task in ids]
                rows = list(client.map("hulak.result", "", asked, timeout_s=ENDS_S))
                values = [call.result() for call in called]
                lost = [future.exception() for future in stuck]
                took_s = time.monotonic() - began
            # The broker has given them up before: one passed its hard limit, the other one sent no heartbeats.
            eventually(lambda: keeper.ended[70] == keeper.ended[1] == 1, within_s=STARTS_S)
            eventually(keeper.all_at_work, within_s=STARTS_S)
            assert_well(local_bus)
        finally:
            codes = keeper.end()
        lines = [line.split() for line in log.read_text().splitlines()]
    begun = Counter(int(number) for word, number in lines if word == "begun" and int(number) >= 0)
    forked = [int(number) for word, number in lines if word == "forked"]
    ends = dict(Counter(row["state"] for row in rows))
    record_figure(
        f"hostile tasks: {len(rows):,} posted, {killers} of them kill, ended {ends} in {took_s:.1f} s; "
        f"workers ended {dict(keeper.ended)}; good ones begun again {begun.total() - len(begun) - len(values)} times"
    )
    for (action, number), row in zip(tasks, rows, strict=True):
        judge(action, number, row, retries)
    assert values == list(range(500))
    assert [(error.code, error.details["attempts"]) for error in lost] == [(LOST, 1)] * 2
    assert set(codes) == {0}
    assert not [pid for pid in forked if psutil.pid_exists(pid)], "processes that a task forked end with its worker"


def judge(action, number, row, retries):
    """A task ends as its kind says, and counts the attempts that were begun."""
    if action in KILLERS:
        assert (row["state"], row["error"]["code"], row["attempt"]) == ("failed", LOST, retries + 1), row
        return
    assert row["attempt"] == 1, row
    if action in FAILS:
        _, code, text = FAILS[action]
        assert (row["state"], row["error"]["code"]) == ("failed", code), row
        assert row["error"]["text"].startswith(text), row
    else:
        assert (row["state"], row["value"]) == ("done", number if action == "good" else WORKS[action][1]), row
