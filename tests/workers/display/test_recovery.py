"""The five ways in which the original could fail, each with a way back. In the original none of them had one."""

from display_worker_fixture import DisplayWorkerFixture, Kept

from hulak.bus.core.display_assignment import Display, DisplayAssignment
from hulak.workers.display.display_set import CREATION, RUN_TIME
from hulak.workers.display.managed_display import HEALTHY_S, Phase
from hulak.workers.display.quantities.state import DisplayConfig


def world_with(fails_at=None, **how):
    make = type("Failing", (Kept,), {"fails_at": dict(fails_at or {})})
    world = DisplayWorkerFixture(make=make, delay=0.5, **how)
    world.assign("d")
    world.assign("well", "Y")
    return world


def test_creation_error_is_tried_again_after_growing_pauses_and_costs_no_other_display():
    fails = [3]

    def make(symbol, init, config):
        if symbol == "X" and fails[0]:
            fails[0] -= 1
            raise MemoryError("none left")
        return Kept(symbol, init, config)

    world = DisplayWorkerFixture(make=make, delay=0.5)
    world.assign("d")
    world.assign("well", "Y")
    world.begin()
    assert world.display_set.held["well"].phase is Phase.LIVE
    pauses = []
    while world.display_set.held["d"].phase is not Phase.LIVE:
        pauses.append(world.display_set.held["d"].retry_at - world.now)
        world.begin()  # too early: nothing happens
        world.now = world.display_set.next_due() if world.display_set.held["d"].retry_at > world.now else world.now
        world.now = max(world.now, world.display_set.held["d"].retry_at)
        world.begin()
    assert [round(pause, 6) for pause in pauses] == [0.5, 1.0, 2.0]
    assert world.display_set.troubles[CREATION] == 3
    world.tick("X", "Y")
    world.give()
    world.check()


def test_a_run_time_error_rebuilds_the_display_and_the_others_continue():
    world = world_with({3.0: 1})
    world.settle()
    world.tick("X", "Y", "X", "Y", "X")
    world.give()
    assert world.display_set.held["d"].phase is Phase.WAITING
    assert world.display_set.held["well"].state.bids == [2.0, 4.0]
    world.settle()
    world.check()
    assert (world.display_set.troubles[RUN_TIME], world.display_set.counters["skipped"]) == (1, 0)


def test_run_time_error_at_the_same_tick_again_leaves_that_tick_out():
    world = world_with({3.0: 99})
    world.tick("X", "Y", "X", "Y", "X")
    world.settle()
    world.tick("X")
    world.give()
    assert world.display_set.held["d"].state.bids == [1.0, 5.0, 6.0]
    assert (world.display_set.counters["skipped"], world.display_set.troubles[RUN_TIME]) == (1, 2)


def test_run_time_error_pauses_grow_until_it_has_been_well_for_long():
    world = world_with({2.0: 1, 3.0: 1, 4.0: 1})
    world.settle()
    pauses = []
    for well_s in (0.0, 1.0, HEALTHY_S):
        world.now += well_s
        world.tick("X", "X") if not pauses else world.tick("X")
        world.give()
        pauses.append(world.display_set.held["d"].retry_at - world.now)
        while world.display_set.held["d"].phase is not Phase.LIVE:
            world.now = max(world.now, world.display_set.held["d"].retry_at)
            world.begin()
            world.answer()
    assert [round(pause, 6) for pause in pauses] == [0.5, 1.0, 0.5]


def test_dispatch_error_leaves_the_state_due_and_it_goes_out_as_its_newest():
    world = world_with()
    world.settle()
    world.takes = False
    world.tick("X")
    world.give()
    world.publish()
    assert world.sent == []
    assert world.display_set.report(world.now)["troubles"]["dispatch"] == 2
    world.takes = True
    world.tick("X")
    world.give()
    world.publish(world.now + 1)
    assert [(display, running, state["number"]) for display, _, running, state in world.sent if display == "d"] == [("d", 1, 2)]


def test_critical_error_moves_the_displays_of_that_worker_and_no_others():
    book = DisplayAssignment(10)
    book.rebalance({"a", "b"})
    for number in range(4):
        book.create(Display(f"d{number}", "X", {}, 1))
    theirs = {row.id: row.token for row in book.rows.values() if row.worker == "b"}
    book.rebalance({"b"})
    assert {row.worker for row in book.rows.values()} == {"b"}
    assert {display: book.rows[display].token for display in theirs} == theirs


def test_a_config_that_cannot_be_is_counted_and_the_former_one_stays():
    world = world_with()
    world.settle()
    before = world.display_set.held["d"].config
    world.config = ValueError("states_per_s")
    world.display_set.configure(world.now)
    assert world.display_set.held["d"].config is before
    assert world.display_set.troubles[CREATION] == 2


def test_run_time_error_of_a_snapshot_or_of_a_config_costs_that_display_only():
    fails = {"snapshot": 1, "configure": 1}

    class Brittle(Kept):
        def snapshot(self):
            if self.symbol == "X" and fails["snapshot"]:
                fails["snapshot"] -= 1
                raise KeyError("profile")
            return super().snapshot()

        def configure(self, config):
            if self.symbol == "X" and fails["configure"]:
                fails["configure"] -= 1
                raise ValueError("bucket")
            super().configure(config)

    world = DisplayWorkerFixture(make=Brittle, delay=0.5)
    world.assign("d")
    world.assign("well", "Y")
    world.settle()
    world.publish()
    assert [display for display, *_ in world.sent] == ["well"]
    assert world.display_set.held["d"].phase is Phase.WAITING
    world.settle()
    world.config = DisplayConfig(states_per_s=7.0)
    world.display_set.configure(world.now)
    assert (world.display_set.held["d"].phase, world.display_set.held["well"].phase) == (Phase.WAITING, Phase.LIVE)
    world.settle()
    world.publish(world.now + 1)
    assert {display for display, *_ in world.sent} == {"d", "well"}
    assert world.display_set.troubles[RUN_TIME] == 2
    assert world.display_set.held["d"].state.config.states_per_s == 7.0
