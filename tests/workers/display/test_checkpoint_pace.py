"""When displays are written down: seldom, evenly, and never at the cost of the displays."""

import itertools

from display_worker_fixture import CheckpointDisk, DisplayWorkerFixture

from hulak.workers.display import checkpoint
from hulak.workers.display.checkpoint_schedule import EVERY_S, PACE_S, REFRESH_S, SHARE
from hulak.workers.display.managed_display import Phase


class Pace:
    """A world whose clock is set, and one display for each symbol."""

    def __init__(self, count, cost=0.0):
        self.world = DisplayWorkerFixture()
        self.symbols = [f"S{number}" for number in range(count)]
        for symbol in self.symbols:
            self.world.assign(symbol.lower(), symbol)
        self.world.settle()
        self.cost = cost
        self.world.display_set.checkpoints.clock = self.clock
        self.at = 0.0
        self.written = []  # (when, display)
        self.world.disk.save = self.save

    def clock(self):
        self.at += self.cost
        return self.at

    def save(self, display, data):
        assert checkpoint.decode(data).display == display
        self.written.append((round(self.world.now, 3), display))
        return True

    def turn(self, step_s=0.001):
        self.world.now += step_s
        display_set = self.world.display_set
        display_set.checkpoints.advance(display_set.held, self.world.now, display_set.place)

    def turns(self, seconds):
        until = self.world.now + seconds
        while self.world.now < until:
            self.turn()


def test_what_has_changed_is_written_down_seldom_and_evenly():
    pace = Pace(20)
    for _ in range(4):
        pace.world.tick(*pace.symbols)
        pace.world.give()
        pace.turns(EVERY_S)
    times = [at for at, _ in pace.written]
    assert min(later - former for former, later in itertools.pairwise(times)) >= PACE_S - 1e-9
    for display in pace.world.display_set.held:
        moments = [at for at, written in pace.written if written == display]
        assert len(moments) >= 3
        assert min(later - former for former, later in itertools.pairwise(moments)) >= EVERY_S - 1e-9


def test_what_has_not_changed_is_written_down_now_and_then_so_that_it_stays_near_the_present():
    pace = Pace(2)
    pace.world.tick("S0")
    pace.world.give()
    pace.turns(EVERY_S + 1)
    assert [display for _, display in pace.written] == ["s0"]
    pace.turns(REFRESH_S)
    assert sorted(display for _, display in pace.written[1:]) == ["s0", "s1"]
    assert pace.world.display_set.held["s1"].upto == 1  # though its symbol never had a tick


def test_writing_takes_no_more_than_its_share_of_the_time():
    cost = 0.004
    pace = Pace(50, cost)
    pace.world.tick(*pace.symbols)
    pace.world.give()
    pace.turns(EVERY_S + 1)
    times = [at for at, _ in pace.written]
    assert min(later - former for former, later in itertools.pairwise(times)) >= SHARE * cost - 1e-9
    assert len(times) > 8


def test_what_cannot_be_written_now_is_written_a_little_later():
    pace = Pace(1)
    pace.world.tick("S0")
    pace.world.give()
    takes = iter([False, False, True])
    pace.world.disk.save = lambda display, data: next(takes) and pace.save(display, data)
    pace.turns(EVERY_S + 0.1)
    assert len(pace.written) == 1
    assert pace.world.display_set.report(pace.world.now)["checkpoints_written"] == 1


def test_a_state_that_cannot_be_written_down_costs_only_its_checkpoint():
    pace = Pace(2)
    pace.world.display_set.held["s0"].state.dump = lambda: {}["no"]
    pace.world.tick("S0", "S1")
    pace.world.give()
    pace.turns(EVERY_S + 0.1)
    assert [display for _, display in pace.written] == ["s1"]
    assert pace.world.display_set.report(pace.world.now)["checkpoints_failed"] == 1
    assert pace.world.display_set.held["s0"].phase is Phase.LIVE


def test_nothing_is_written_down_as_long_as_its_epoch_is_unknown():
    world = DisplayWorkerFixture()
    world.tick("X")
    world.display_set.position = world.given = 2
    world.assign("new", first=2)
    world.settle()
    assert world.display_set.epoch == 0
    world.write_down()
    assert world.disk.files == {}


def test_what_was_replayed_can_be_written_down_before_the_display_is_live():
    world = DisplayWorkerFixture()
    world.tick(*"XXXX")
    world.given = world.display_set.position = 5
    world.assign("d")
    world.begin()
    world.answer(3)
    world.write_down()
    stored = checkpoint.decode(world.disk.files["d"])
    assert (stored.upto, stored.epoch, stored.number) == (3, 1, 3)
    world.take_over()
    world.settle()
    world.check()


def test_what_is_no_more_is_removed_and_what_was_left_behind_too():
    world = DisplayWorkerFixture()
    world.disk.files = {"gone": b"", "d": b""}
    world.assign("d")
    world.assign("e", worker="you")
    assert set(world.disk.files) == {"d"}
    world.disk.files["e"] = b"of another worker"
    del world.rows["d"]
    world.publish_rows()
    assert set(world.disk.files) == {"e"}
    del world.rows["e"]
    world.publish_rows()
    assert world.disk.files == {}


def test_a_disk_that_takes_nothing_changes_nothing():
    world = DisplayWorkerFixture()
    world.disk = CheckpointDisk()
    world.disk.takes = False
    world.start()
    world.assign("d")
    world.settle()
    world.tick("X")
    world.give()
    world.now += 100
    world.display_set.checkpoints.advance(world.display_set.held, world.now, world.display_set.place)
    assert world.disk.files == {}
    world.check()
