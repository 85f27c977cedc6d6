"""Start-up fuzz: the broker starts with any content of its home folder, after any pause, and at any clock time.

Histories are drawn from a seed: posts that expire, are tried again, fail, are cancelled, retried, dropped; displays, settings,
ticks. The broker is killed, the home is messed with, and the next broker must have all that was accepted and confirmed.
"""

import random
import time

import bare
import mess
import pytest
from contents import answer, do, judge_replay, tick
from faults import DAY_S, HOUR_S, Faults
from load import Service
from local_bus import LocalBus
from verdicts import verdict
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
SEEDS = (20261128, 1, 2, 3, 4)
SYMBOLS = 30
CLOCKS = (0, 0, 0, 40 * HOUR_S, 8 * DAY_S, -HOUR_S)
ENDS = {"again": "done", "later": "done"}  # kind of a task -> the state it ends in, where that is not the kind itself


class Life:
    """The requests to the brokers of one home, and the accepted tasks.

    Args:
        local_bus: of the brokers.
        faults: of their clock.
        seed: of the history.
    """

    def __init__(self, local_bus, faults, seed):
        self.local_bus, self.faults, self.draw = local_bus, faults, random.Random(seed)
        self.asker = bare.Asker(local_bus.addresses["frontend"])
        self.feed = bare.Feed(local_bus.addresses["collector"], local_bus.addresses["frontend"])
        self.tasks, self.dropped = {}, set()  # task -> (kind, number)
        self.displays, self.version, self.numbers = set(), 0, 0
        self.broker = None

    def start(self):
        """Start a broker with this moment's clock."""
        with self.local_bus.having(self.faults.variables):
            self.broker = self.local_bus.start_broker()

    def stop(self):
        """Kill it, or end it in good order."""
        if self.draw.random() < 0.8:
            self.broker.kill()
        else:
            self.broker.terminate()
        self.broker.wait(30)

    def live(self):
        """Do some things in a drawn order; each is accepted and confirmed when it returns."""
        kinds = [self.post] * 6 + [self.ticks] * 3 + [self.work, self.dead_letters, self.display, self.setting]
        for act in self.draw.sample(kinds, len(kinds)):
            act()
        self.ticks(whole=self.draw.random() < 0.5)

    # Actions

    def post(self):
        kind = self.draw.choice(("done", "again", "failed", "expired", "cancelled", "later"))
        self.numbers += 1
        waits = kind in ("expired", "cancelled")
        args = {"service": "nobody" if waits else "bare", "action": kind, "args": {"n": self.numbers}, "retries": 20}
        args |= {"key": f"k{self.numbers}"} if self.draw.random() < 0.7 else {}
        args |= {"expires_s": self.draw.choice((0.01, 0.3, 1.0))} if kind == "expired" else {}
        task = bytes(self.asker.ask("hulak.post", args)["task"])
        self.tasks[task] = (kind, self.numbers)
        if kind == "cancelled":
            self.asker.ask("hulak.cancel", {"task": task})

    def ticks(self, *, whole=True):
        for _ in range(self.draw.randrange(400)):
            self.feed.post(*tick("fuzz", self.feed.last + 1, SYMBOLS))
        if whole:
            assert self.feed.settle(20)
        else:
            self.feed.step()

    def work(self):
        with Service(self.local_bus.addresses):
            time.sleep(self.draw.uniform(0, 0.3))

    def dead_letters(self):
        for row in self.asker.ask("hulak.tasks", {"state": "failed", "limit": 3}):
            task = bytes(row["task"])
            if self.draw.random() < 0.5:
                assert self.asker.ask("hulak.drop", {"task": task}) is True
                self.dropped.add(task)
            else:
                again = self.asker.ask("hulak.retry", {"task": task})
                self.tasks[bytes(again["task"])] = self.tasks[task]

    def display(self):
        if self.displays and self.draw.random() < 0.3:
            gone = self.draw.choice(sorted(self.displays))
            self.asker.ask("hulak.display.remove", {"display": gone})
            self.displays.discard(gone)
        args = {
            "symbol": f"FUZZ{self.draw.randrange(SYMBOLS):02d}",
            "display": f"d{len(self.displays)}-{self.numbers}",
            "from": 1,
        }
        self.displays.add(self.asker.ask("hulak.display.create", args)["display"])

    def setting(self):
        values = {"rate_per_s": self.draw.randint(1, 1000) / 10}
        self.version = self.asker.ask("hulak.config.set", {"scope": "kind:nepse", "values": values})["version"]

    # Expectations

    def judge(self, reported):
        """Fail unless the broker has all of it, and tells which files it set aside."""
        rows, missing = self.asker.replay()
        assert (missing, judge_replay(rows, {"fuzz": self.feed.safe})) == ([], [])
        for task in self.tasks.keys() - self.dropped:
            self.asker.ask("hulak.result", {"task": task})
        for task in self.dropped:
            with pytest.raises(bare.Refused, match="UNKNOWN_TASK"):
                self.asker.ask("hulak.result", {"task": task})
        assert {row["display"] for row in self.asker.ask("hulak.display.list")["rows"]} == self.displays
        assert self.asker.ask("hulak.config.get")["version"] == self.version
        stats = self.asker.ask("hulak.stats")
        assert {item.rpartition("/")[2] for item in stats["journal"].get("aside", [])} >= reported
        assert (stats["journal"]["state"], stats["store"]["state"]) == ("live", "live")

    def judge_ends(self):
        """Run all waiting tasks, and fail unless each task has ended once, as its kind requires."""
        assert self.feed.settle(20)
        with Service(self.local_bus.addresses, do):
            for task, (kind, number) in self.tasks.items():
                if task in self.dropped:
                    continue
                reply = self.asker.ask("hulak.result", {"task": task, "wait_ms": 30_000}, within_s=40)
                assert reply["state"] == ENDS.get(kind, kind), (kind, reply)
                assert reply["state"] != "done" or reply["value"] == answer(number)
        listed = [row for state in ("done", "failed", "expired", "cancelled") for row in self.listed(state)]
        assert {bytes(row["task"]) for row in listed} == self.tasks.keys() - self.dropped
        assert len(listed) == len(self.tasks) - len(self.dropped)

    def listed(self, state):
        return self.asker.ask("hulak.tasks", {"state": state, "limit": 1000})


def assert_only_aside(local_bus):
    """Fail on every problem except files that were set aside."""
    level, findings = verdict(local_bus, unserved=True)
    assert all("aside" in text for text in findings), (level, findings)
    return findings


def test_the_broker_starts_on_whatever_lies_in_its_home(tmp_path, long, record_figure):
    """Full: five histories of 12 lives; short: one of 4."""
    started, reported_files = 0, 0
    for seed in SEEDS if long else SEEDS[:1]:
        folder = tmp_path / str(seed)
        folder.mkdir()
        faults = Faults(folder)
        with LocalBus(**{"journal.segment_bytes": 16_384}) as local_bus:
            life = Life(local_bus, faults, seed)
            life.start()
            for _ in range(12 if long else 4):
                life.live()
                life.stop()
                reported = mess.make(local_bus.home, life.draw)
                time.sleep(life.draw.uniform(0, 0.5))
                faults.clock(life.draw.choice(CLOCKS))
                life.start()
                life.judge(reported)
                started, reported_files = started + 1, reported_files + len(reported)
            life.judge_ends()
            assert_only_aside(local_bus)
            life.stop()
            mess.ruin_store(local_bus.home, life.draw)
            life.start()
            life.tasks, life.dropped, life.displays, life.version = {}, set(), set(), 0
            life.live()
            assert assert_only_aside(local_bus), "the replaced store is not reported"
            life.judge_ends()
    record_figure(f"start anything: {started} starts on messed homes, {reported_files} files that had to be reported")


def test_a_task_that_expires_while_the_broker_is_away_keeps_no_broker_from_starting(record_figure):
    """With the very commands that found it: post with a time, kill, wait longer than that, start."""
    with LocalBus() as local_bus:
        broker = local_bus.start_broker()
        asker = bare.Asker(local_bus.addresses["frontend"])
        task = asker.ask("hulak.post", {"service": "nobody", "action": "a", "expires_s": 0.2})["task"]
        began = time.monotonic()
        broker.kill()
        broker.wait()
        eventually(lambda: time.monotonic() > began + 0.3, within_s=5)
        local_bus.start_broker()
        assert asker.ask("hulak.result", {"task": task, "wait_ms": 5000}, within_s=10)["state"] == "expired"
        asker.close()
        record_figure(f"expired while away: {verdict(local_bus)[0]}")
