"""The wall clock of the broker is wrong for a while, by hours and by days: nothing confirmed or accepted is deleted for it."""

import subprocess
import time
from datetime import UTC, datetime

import bare
import pytest
from contents import answer, judge_replay
from faults import DAY_S, HOUR_S, Faults
from load import Service, Ticks
from local_bus import LocalBus
from verdicts import assert_well
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
TASKS = 12  # of each round
WITHIN_S = 20


class Tasks:
    """Posts tasks with keys, and knows the final state of each."""

    def __init__(self, asker):
        self.asker = asker
        self.posted = {}  # key -> (task, state that it ends in, n)

    def post(self, count):
        """Post so many, every third of which becomes a dead letter; wait until all have ended."""
        for number in range(len(self.posted), len(self.posted) + count):
            state = "failed" if number % 3 == 2 else "done"
            self.posted[f"key-{number}"] = (self._ask(number, state)["task"], state, number)
        self.judge()

    def _ask(self, number, state):
        args = {"service": "bare", "action": state, "args": {"n": number}, "key": f"key-{number}"}
        return self.asker.ask_through("hulak.post", args)

    def judge(self):
        """Fail unless each has its result still, its key means the same task, and the dead letters are listed."""
        for key, (task, state, number) in self.posted.items():
            reply = self.asker.ask("hulak.result", {"task": task, "wait_ms": 10_000}, within_s=15)
            assert (reply["state"], reply["kept"], reply["key"]) == (state, True, key), reply
            assert state != "done" or reply["value"] == answer(number)
            assert self._ask(number, state)["task"] == task, f"{key} means another task now"
        dead = {bytes(row["task"]) for row in self.asker.ask("hulak.tasks", {"state": "failed", "limit": 1000})}
        assert dead == {bytes(task) for task, state, _ in self.posted.values() if state == "failed"}


def start_broker(local_bus, faults):
    with local_bus.having(faults.variables):
        local_bus.broker = local_bus.start_broker()


def test_a_wrong_clock_deletes_nothing_and_hides_nothing(tmp_path, long, record_figure):
    """Full: a minute and more at +8 days, so that every cleaning comes; short: seconds, and a restart, which cleans too."""
    rounds = ((40 * HOUR_S, 3 if long else 1), (8 * DAY_S, 70 if long else 1), (-HOUR_S, 3 if long else 1), (0, 1))
    faults = Faults(tmp_path)
    with LocalBus(**{"journal.segment_bytes": 65_536}) as local_bus:
        start_broker(local_bus, faults)
        asker = bare.Asker(local_bus.addresses["frontend"])
        tasks = Tasks(asker)
        with Service(local_bus.addresses), Ticks(local_bus.addresses, "clock", 600, 8) as ticks:
            tasks.post(TASKS)
            eventually(lambda: ticks.goes_on() and ticks.safe > 1500, within_s=WITHIN_S)  # several segments
            for ahead_s, seconds in rounds:
                faults.clock(ahead_s)
                wanted = ticks.safe + seconds * ticks.rate
                eventually(lambda wanted=wanted: ticks.goes_on() and ticks.safe > wanted, within_s=WITHIN_S + 2 * seconds)
                tasks.post(TASKS)
                if ahead_s > DAY_S:
                    local_bus.broker.kill()
                    local_bus.broker.wait()
                    start_broker(local_bus, faults)
                    tasks.post(TASKS)
            ticks.end()
            tasks.judge()
        rows, missing = asker.replay()
        assert_well(local_bus)
        until_ns = while_behind(rows)
        by_time = asker.replay(until_ns=until_ns)[0]
        moment = datetime.fromtimestamp(until_ns // 10**9, UTC).isoformat()
        output = local_bus.hulak("replay", "ticks", "--until", moment, out=subprocess.PIPE).communicate(timeout=60)[0]
        asker.close()
    stamps = [stamp[2] for _, _, stamp, _ in rows]
    record_figure(
        f"wrong clock: {len(rows):,} ticks stamped from {(min(stamps) - time.time_ns()) / 1e9 / HOUR_S:+.1f} h to "
        f"{(max(stamps) - time.time_ns()) / 1e9 / HOUR_S:+.1f} h, {len(by_time):,} of them until now; {len(tasks.posted)} tasks"
    )
    assert missing == []
    assert judge_replay(rows, {"clock": ticks.safe}) == []
    wanted = [number for number, _, stamp, _ in rows if stamp[2] <= until_ns]
    assert 0 < len(wanted) < len(rows)
    assert [row[0] for row in by_time] == wanted
    assert len(output.splitlines()) == len(wanted)


def while_behind(rows):
    """Choose a moment, a whole second in ns, while the clock was an hour behind: ticks before it and after it are newer."""
    behind = [stamp[2] for _, _, stamp, _ in rows if stamp[2] < time.time_ns() - HOUR_S * 10**9 // 2]
    assert behind, "no tick was stamped while the clock was behind"
    return (behind[len(behind) // 2] // 10**9 + 1) * 10**9
