"""How many workers there should be: a table of situations, and a random walk."""

import random
from dataclasses import replace

import pytest

from hulak.workers.scaling import YOUNG_S, Options, PoolWorker, Scaling, Slot

NAMES = [f"nepse_{number:02d}" for number in range(5)]
OPTIONS = Options(min_workers=1, max_workers=5, idle_timeout_s=30.0, scaling_threshold=0.8)
OLD_S = 100.0


def pool(states):
    """Make workers and slots of a word a slot: busy, idle, young, retiring, or a state of supervisord without a worker."""
    slots, workers = [], []
    for number, (name, word) in enumerate(zip(NAMES, [*states, *["stopped"] * 5], strict=False), 100):
        known = word in {"busy", "idle", "young", "retiring"}
        slots.append(Slot(name, "running" if known else word, number if known else 0))
        if known:
            age_s = YOUNG_S - 1 if word == "young" else OLD_S
            workers.append(PoolWorker(f"{name}/{number}", name, number, word == "busy", 7, age_s, word == "retiring"))
    return workers, slots


def poll(scaling, now, states, waiting=0, target=None):
    return scaling.decide(now, *pool(states), waiting, target)


@pytest.mark.parametrize(
    ("states", "waiting", "wanted"),
    [
        (["busy"], 0, 1),
        (["busy"], 1, 2),
        (["busy"], 3, 4),
        (["busy"], 100, 5),
        (["busy", "busy"], 2, 4),
        (["busy"] * 5, 9, 5),
        (["busy"] * 4 + ["idle"], 1, 5),  # 0.8 is reached with 0.8
        (["busy"] * 3 + ["idle"], 1, 4),  # 0.75 is not
        (["busy", "starting"], 5, 2),  # the one on its way is waited for
        (["busy", "retiring"], 1, 2),  # one that leaves is none
        (["fatal"], 4, 4),  # an empty pool: no 0/0
        ([], 4, 4),
        (["starting"], 4, 1),
        (["idle"], 0, 1),
        ([], 0, 1),
    ],
)
def test_it_grows_when_the_threshold_is_reached_and_tasks_wait(states, waiting, wanted):
    scaling = Scaling(OPTIONS)
    poll(scaling, 0.0, states, waiting)
    decision = poll(scaling, 1.0, states, waiting)
    assert decision.wanted == wanted
    assert decision.retire == decision.stop == ()


def test_a_lower_threshold_grows_earlier():
    scaling = Scaling(replace(OPTIONS, scaling_threshold=0.5))
    poll(scaling, 0.0, ["busy", "starting"], 5)
    assert poll(scaling, 1.0, ["busy", "starting"], 5).wanted == 5


def test_tasks_that_wait_for_a_moment_start_no_worker():
    scaling = Scaling(OPTIONS)
    assert poll(scaling, 0.0, ["busy"], 4).wanted == 1
    assert poll(scaling, 1.0, ["busy"], 0).wanted == 1
    assert poll(scaling, 2.0, ["busy"], 4).wanted == 1


def test_it_starts_the_missing_slots_and_gives_a_reason():
    scaling = Scaling(OPTIONS)
    poll(scaling, 0.0, ["busy"], 2)
    decision = poll(scaling, 1.0, ["busy"], 2)
    assert (decision.start, decision.why) == (("nepse_01", "nepse_02"), "2 tasks wait")
    assert poll(scaling, 2.0, ["busy", "starting", "starting"], 2).start == ()


def test_what_is_lost_is_started_again():
    scaling = Scaling(OPTIONS)
    poll(scaling, 0.0, ["idle"], target=3)
    decision = poll(scaling, 1.0, ["exited", "stopped", "idle"], target=3)
    assert decision.start == ("nepse_00", "nepse_01")
    assert decision.why == ""


def test_a_new_scaler_takes_over_what_runs():
    assert poll(Scaling(OPTIONS), 0.0, ["busy", "idle", "idle"]).wanted == 3


def test_idle_workers_are_retired_after_the_idle_time_down_to_the_least():
    scaling = Scaling(OPTIONS)
    for now in range(30):
        assert poll(scaling, float(now), ["idle", "idle", "idle"]).retire == ()
    decision = poll(scaling, 30.0, ["idle", "idle", "idle"])
    assert decision.retire == ("nepse_02/102", "nepse_01/101")
    assert (decision.wanted, decision.why) == (1, "idle for 30 s")


def test_a_worker_that_did_a_task_between_two_polls_was_not_idle():
    scaling = Scaling(OPTIONS)
    workers, slots = pool(["idle", "idle"])
    scaling.decide(0.0, workers, slots, 0)
    worked = [replace(worker, handled=worker.handled + 1) for worker in workers]
    scaling.decide(29.0, worked, slots, 0)
    assert scaling.decide(58.0, worked, slots, 0).retire == ()
    assert scaling.decide(59.0, worked, slots, 0).retire == ("nepse_01/101",)


@pytest.mark.parametrize("word", ["busy", "young", "retiring", "starting", "stopping"])
def test_only_workers_that_are_idle_and_not_young_are_retired(word):
    scaling = Scaling(OPTIONS)
    for now in (0.0, 100.0):
        decision = poll(scaling, now, ["busy", word])
        assert decision.retire == decision.stop == ()


def test_no_worker_is_retired_while_tasks_wait():
    scaling = Scaling(OPTIONS)
    for now in (0.0, 100.0):
        assert poll(scaling, now, ["idle", "idle"], waiting=1).retire == ()


def test_a_worker_that_was_started_by_hand_counts_and_is_left_alone():
    scaling = Scaling(OPTIONS)
    workers, slots = pool(["busy"])
    manual = PoolWorker("mine", "", 9, False, 0, OLD_S)
    for now in (0.0, 1.0, 100.0):
        decision = scaling.decide(now, [*workers, manual], slots, 1)
        assert (decision.wanted, decision.retire) == (1, ()), "one of two is busy"


@pytest.mark.parametrize(
    ("states", "target", "start", "retire", "stop"),
    [
        (["idle"], 3, ["01", "02"], [], []),
        (["idle"] * 3, 1, [], ["02", "01"], []),
        (["idle", "young"], 1, [], ["00"], []),
        (["busy", "young", "starting"], 1, [], [], ["02", "01"]),
        (["idle", "busy", "idle"], 2, [], ["02"], []),
        (["busy", "busy", "idle"], 1, [], ["02", "01"], []),  # a busy one, asked, ends its task
        (["retiring", "idle"], 2, ["02"], [], []),
        (["stopping", "idle"], 2, ["02"], [], []),  # supervisord would say yes, and do nothing
        (["idle", "backoff"], 2, [], [], []),
        (["idle"], 9, ["01", "02", "03", "04"], [], []),
        (["idle"] * 2, 0, [], ["01"], []),
    ],
)
def test_a_target_is_reached_at_once(states, target, start, retire, stop):
    decision = poll(Scaling(OPTIONS), 0.0, states, target=target)
    assert [name[-2:] for name in decision.start] == start
    assert [name.split("/")[0][-2:] for name in decision.retire] == retire
    assert [name[-2:] for name in decision.stop] == stop


def test_after_a_target_the_idle_time_brings_it_down():
    scaling = Scaling(OPTIONS)
    assert poll(scaling, 0.0, ["idle"], target=3).why == "set by hand"
    assert poll(scaling, 1.0, ["idle"] * 3).wanted == 3
    assert poll(scaling, 32.0, ["idle"] * 3).wanted == 1


def test_of_two_workers_in_one_slot_the_one_that_supervisord_does_not_know_is_retired():
    workers, slots = pool(["idle"])
    stray = replace(workers[0], name="nepse_00/9", pid=9)
    assert Scaling(OPTIONS).decide(0.0, [stray, *workers], slots, 0).retire == ("nepse_00/9",)
    assert Scaling(OPTIONS).decide(0.0, [stray], slots, 0).retire == (), "the slot's own is not there yet"


def test_a_slot_that_supervisord_gave_up_is_started_when_it_is_due_and_no_other_is_free():
    scaling = Scaling(OPTIONS)
    workers, slots = pool(["fatal", "fatal"])
    all_failed = [replace(slot, state="fatal") for slot in slots]
    assert scaling.decide(0.0, workers, all_failed, 0, 2).start == ()
    due = [all_failed[0], replace(all_failed[1], due=True), *all_failed[2:]]
    assert scaling.decide(1.0, workers, due, 0, 2).start == ("nepse_01",)
    assert scaling.decide(2.0, workers, [replace(slots[0], due=True), *slots[1:]], 0, 1).start == ("nepse_02",)


def test_a_pool_without_a_minimum_ends_its_last_worker_and_starts_one_when_tasks_wait():
    scaling = Scaling(replace(OPTIONS, min_workers=0))
    poll(scaling, 0.0, ["idle"])
    assert poll(scaling, 30.0, ["idle"]).retire == ("nepse_00/100",)
    assert poll(scaling, 31.0, ["stopped"]).start == ()
    poll(scaling, 32.0, ["stopped"], waiting=1)
    assert poll(scaling, 33.0, ["stopped"], waiting=1).start == ("nepse_00",)


# A random walk


class World:
    """A supervisor and a broker that carry out requests late; workers that receive tasks, end them, and die."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.options = Options(self.random.randint(1, 3), self.random.randint(3, 5), 10.0, self.random.choice([0.2, 0.8, 1.0]))
        self.scaling = Scaling(self.options)
        self.now = 0.0
        self.slots = {name: Slot(name, "stopped") for name in NAMES}
        self.workers = {}  # slot -> worker
        self.ends = {}  # slot -> when its task is over
        self.pids = 1
        self.waiting = 0

    def set(self, name, state, pid=0):
        self.slots[name] = Slot(name, state, pid)

    def poll(self, target=None):
        before = dict(self.workers)
        decision = self.scaling.decide(self.now, list(self.workers.values()), list(self.slots.values()), self.waiting, target)
        assert self.options.min_workers <= decision.wanted <= self.options.max_workers
        by_name = {other.name: other for other in before.values()}
        for name in decision.retire:
            worker = by_name[name]
            assert worker.age_s >= YOUNG_S
            others_idle = [
                other for other in before.values() if not other.busy and not other.retiring and other.name not in decision.retire
            ]
            assert not worker.busy or (target is not None and not others_idle), "a busy worker is asked last, and by hand only"
            self.workers[worker.slot] = replace(worker, retiring=True)
        for name in decision.stop:
            assert target is not None
            self.set(name, "stopping", self.slots[name].pid)
        for name in decision.start:
            assert self.slots[name].state in {"stopped", "exited", "fatal"}
            self.pids += 1
            self.set(name, "starting", self.pids)
        return decision

    def second(self, load):
        """Let one second pass in which `load` tasks come."""
        self.now += 1.0
        for name, slot in list(self.slots.items()):
            worker = self.workers.get(name)
            if slot.state == "stopping" or (worker is not None and worker.retiring and not worker.busy):
                self.workers.pop(name, None)
                self.set(name, "stopped" if slot.state == "stopping" else "exited")
            elif slot.state == "starting":
                self.set(name, "running", slot.pid)
                self.workers[name] = PoolWorker(f"{name}/{slot.pid}", name, slot.pid, False, 0, 0.0)
            elif worker is not None:
                self.work(name, worker)
        self.waiting = min(self.waiting + load, 50)
        for name, worker in self.workers.items():
            if self.waiting and not worker.busy and not worker.retiring:
                self.waiting -= 1
                self.ends[name] = self.now + self.random.choice([1, 2, 20])
                self.workers[name] = replace(worker, busy=True)

    def work(self, name, worker):
        over = worker.busy and self.now >= self.ends[name]
        handled = worker.handled + over
        self.workers[name] = replace(worker, busy=worker.busy and not over, handled=handled, age_s=worker.age_s + 1.0)

    def trouble(self):
        name = self.random.choice(NAMES)
        self.workers.pop(name, None)
        self.set(name, self.random.choice(["exited", "stopped", "fatal", "backoff", "stopping"]))

    def live(self):
        return sum(not worker.retiring for worker in self.workers.values())


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_the_bounds_hold_and_a_busy_worker_is_not_taken(seed):
    world = World(seed)
    target = None
    for _ in range(300):
        if world.random.random() < 0.05:
            target = world.random.choice([None, None, 1, 3, 5])
        if world.random.random() < 0.1:
            world.trouble()
        world.poll(target)
        world.second(world.random.choice([0, 0, 0, 1, 3]))


@pytest.mark.parametrize("seed", range(30))
def test_with_a_constant_load_the_number_settles_and_stays(seed):
    world = World(seed)
    for _ in range(world.random.randint(0, 50)):
        world.poll()
        world.second(world.random.choice([0, 1, 4]))
    for load, settled in ((4, world.options.max_workers), (0, world.options.min_workers)):
        for _ in range(400):
            world.poll()
            world.second(load)
        for _ in range(100):
            decision = world.poll()
            assert (decision.wanted, decision.start, decision.retire) == (settled, (), ())
            world.second(load)
        assert world.live() == settled


@pytest.mark.parametrize("seed", range(30))
def test_a_target_is_reached_whatever_was_before(seed):
    world = World(seed)
    for _ in range(30):
        world.poll()
        world.second(world.random.choice([0, 1, 4]))
    for target in (5, 1, 4, 2):
        for _ in range(30):
            world.poll(target)
            world.second(0)
        assert world.live() == max(world.options.min_workers, min(world.options.max_workers, target))
