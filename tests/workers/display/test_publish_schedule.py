"""The published states: the first one at once, then at a bounded rate, and only after a change."""

from display_worker_fixture import DisplayWorkerFixture

from hulak.workers.display.publish_schedule import CATCHING_UP_S
from hulak.workers.display.quantities.state import DisplayConfig


def live(**how):
    world = DisplayWorkerFixture(config=DisplayConfig(states_per_s=10.0), **how)
    world.assign("d")
    world.settle()
    world.publish()
    world.sent.clear()
    return world


def test_the_first_state_goes_out_at_once():
    world = DisplayWorkerFixture()
    world.assign("d")
    world.begin()
    world.publish()
    assert [(display, state["catching_up"]) for display, _, _, state in world.sent] == [("d", False)]


def test_states_are_conflated_to_so_many_a_second_and_the_newest_is_never_left_out():
    world = live()
    for _ in range(100):  # a hundred ticks in a second
        world.now += 0.01
        world.tick("X")
        world.give()
        world.publish()
    world.publish(world.now + 0.1)
    assert 9 <= len(world.sent) <= 12
    assert world.sent[-1][3]["number"] == 100
    assert [running for _, _, running, _ in world.sent] == list(range(2, len(world.sent) + 2))


def test_what_did_not_change_is_not_published_again():
    world = live()
    world.tick("Y")
    world.give()
    world.publish(world.now + 5)
    assert (world.sent, world.display_set.next_due()) == ([], float("inf"))


def test_a_long_backfill_is_published_as_catching_up_and_a_short_one_publishes_no_old_state():
    world = DisplayWorkerFixture(config=DisplayConfig(states_per_s=10.0))
    world.tick(*"XXXX")
    world.give()
    world.assign("d")
    world.begin()
    world.answer(1)
    world.publish(world.now + CATCHING_UP_S - 0.01)
    assert world.sent == []
    world.now += CATCHING_UP_S
    world.answer(1)
    world.publish()
    world.publish(world.now + 0.2)
    world.answer()
    world.publish(world.now + 0.3)
    assert [(state["number"], state["catching_up"]) for _, _, _, state in world.sent] == [(2, True), (4, False)]


def test_another_broker_gets_every_state_again():
    world = live()
    world.display_set.resend(world.now)
    world.publish(world.now + 1)
    assert [display for display, *_ in world.sent] == ["d"]


def test_a_change_of_the_config_goes_out_and_a_faster_rate_counts_at_once():
    world = live()
    world.config = DisplayConfig(states_per_s=1000.0)
    world.display_set.configure(world.now)
    world.publish(world.now + 0.002)
    assert len(world.sent) == 1
    assert world.display_set.held["d"].state.config.states_per_s == 1000.0


def test_latency_is_counted_from_the_feeds_receipt_for_live_displays():
    world = live()
    world.tick("X")
    world.give()
    held = world.display_set.held["d"]
    world.display_set.schedule.sent(held, world.now, held.received_ns + 5_000_000)
    assert world.display_set.report(world.now)["latency_us"]["max"] == 5000.0
