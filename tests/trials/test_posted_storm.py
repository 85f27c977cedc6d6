"""Broker, workers and feed are killed while tasks are posted and ticks flow, all from bare sockets: judged by content."""

import json
import random
import signal
import time
from collections import Counter

import bare
import pytest
from contents import ENDS, answer, judge_replay
from local_bus import LocalBus
from stage import FOUND
from verdicts import assert_well
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
SEED = 20261128
KINDS = ("broker", "worker", "feed")
STARTS_S, ENDS_S = 60, 120
STATES = ("done", "failed", "expired", "cancelled", "queued", "running", "waiting")


class Storm(LocalBus):
    """A broker with bare peers, all of them processes."""

    def __init__(self, folder, **settings):
        super().__init__(**settings)
        self.folder, self.draw = folder, random.Random(SEED)
        self.started, self.kills = Counter(), Counter()
        self.logs = {}  # role -> paths

    def peer(self, role):
        """Start another one, with a new name and log."""
        self.started[role] += 1
        name = f"{role}{self.started[role]}"
        path = self.folder / f"{name}.jsonl"
        self.logs.setdefault(role, []).append(path)
        process = self.start("-m", "trial_bare", role, path, json.dumps(self.addresses), name, **FOUND)
        eventually(path.exists, within_s=STARTS_S)  # it is at work, and listens to signals, from then on
        return process

    def rage(self, kills, peers):
        """Kill one kind after the other, in a drawn order, at drawn moments, and start each again at once."""
        kinds = self.draw.sample(KINDS, len(KINDS)) + self.draw.choices(KINDS, k=kills - len(KINDS))
        for kind in kinds:
            time.sleep(self.draw.uniform(0.3, 1.5))
            self.kills[kind] += 1
            if kind == "broker":
                assert self.broker.poll() is None, f"the broker ended by itself: {self.broker.log.read_text()[-2000:]}"
                kill(self.broker)
                self.broker = self.start("-m", "hulak.bus")
            else:
                at = self.draw.randrange(len(peers[kind]))
                kill(peers[kind][at])
                peers[kind][at] = self.peer(kind)

    def end(self, peers):
        """End all in order: the posting ones first."""
        for processes in peers:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                assert process.wait(ENDS_S) == 0, process.log.read_text()[-2000:]

    def read(self, role):
        """Read all logs of a role; a last line that its killed writer did not end is none."""
        return [[json.loads(line) for line in path.read_text().splitlines()] for path in self.logs[role]]


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_each_accepted_task_ends_once_and_right_and_each_confirmed_tick_is_there_by_content(tmp_path, long, record_figure):
    """Full: 60 kills; short: 4, one of each kind at least."""
    kills, workers, listeners = (60, 4, 4) if long else (4, 2, 2)
    with Storm(tmp_path, **{"journal.segment_bytes": 262_144}) as local_bus:
        local_bus.broker = local_bus.start_broker()
        received = [local_bus.peer("listener") for _ in range(listeners)]
        eventually(lambda: local_bus.stats()["ticks"]["subscriptions"] >= 2 * listeners, within_s=STARTS_S)
        peers = {"worker": [local_bus.peer("worker") for _ in range(workers)], "feed": [local_bus.peer("feed")]}
        posters = [local_bus.peer("poster")]
        eventually(lambda: all(path.exists() and path.stat().st_size for path in local_bus.logs["poster"]), within_s=STARTS_S)
        local_bus.rage(kills, peers)
        eventually(local_bus.stats, within_s=STARTS_S)
        local_bus.end([posters, peers["feed"], received])
        client = bare.Asker(local_bus.addresses["frontend"])
        rows, missing = client.replay()
        accepted = [line for log in local_bus.read("poster") for line in log]
        results = {line["task"]: end_of(client, line["task"]) for line in accepted}
        listed = [row for state in STATES for row in client.ask("hulak.tasks", {"state": state, "limit": 1000})]
        attempts = sum(map(len, local_bus.read("worker")))
        assert_well(local_bus)
        local_bus.end([peers["worker"]])
        judge_ticks(local_bus, rows, missing)
        again = {task: end_of(client, task) for task in results}
        client.close()
    record_figure(
        f"posted storm: killed {dict(local_bus.kills)}; {len(rows):,} ticks, {len(results):,} tasks in {attempts:,} attempts, "
        f"ended {dict(Counter(item['state'] for item in results.values()))}"
    )
    assert set(local_bus.kills) == set(KINDS)
    assert again == results, "a result never changes"
    judge_tasks(accepted, results)
    if len(results) < 1000:  # the most that one question lists
        assert {bytes(row["task"]).hex() for row in listed} == set(results), "nothing is there that was not accepted"


def end_of(client, task):
    """Wait for a task's end; its row without what may change."""
    reply = client.ask("hulak.result", {"task": bytes.fromhex(task), "wait_ms": 30_000}, within_s=35)
    return {name: reply.get(name) for name in ("state", "ended_ns", "kept", "value", "error", "key")}


def judge_tasks(accepted, results):
    """Each key is one task, and each task ended as its kind says, with the right value."""
    assert len({(line["key"], line["task"]) for line in accepted}) == len({line["key"] for line in accepted})
    for line in accepted:
        row = results[line["task"]]
        assert row["state"] == ENDS.get(line["kind"], line["kind"]), (line, row)
        assert row["key"] == line["key"]
        if row["state"] == "done":
            assert row["value"] == answer(line["n"])
        elif row["state"] == "failed":
            assert row["error"]["code"] == "WRONG"


def judge_ticks(local_bus, rows, missing):
    """The journal has each confirmed tick once, and each listener got all of it since it joined, under the same numbers."""
    safe = {}
    for line in (line for log in local_bus.read("feed") for line in log if "confirmed" in line):
        safe[line["source"]] = max(safe.get(line["source"], 0), line["confirmed"])
        assert line.get("whole", True), line
    assert missing == []
    assert judge_replay(rows, safe) == []
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    journal = [[number, body["source"], body["n"]] for number, _, _, packed in rows for body in [bare.unpack(packed)]]
    for log in local_bus.read("listener"):
        *ticks, reported = log
        assert reported["missing"] == 0
        assert [tick[1:] for tick in ticks] == journal[ticks[0][1] - 1 :]
        assert len({tick[0] for tick in ticks}) == 1, "one epoch, since nothing was lost"
