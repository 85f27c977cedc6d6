"""The displays of a worker: rows are reconciled, ticks routed, journal and live ticks joined."""

import random

import pytest
from display_worker_fixture import DisplayWorkerFixture, made
from msgspec.structs import replace

from hulak.bus.wire.messages import Tick
from hulak.workers.display.backfill_queue import MOST_BACKFILLS
from hulak.workers.display.managed_display import ManagedDisplay, Phase
from hulak.workers.display.quantities.state import DisplayConfig, DisplayState, Init
from hulak.workers.display.quantities.tick_filter import PRICE


def test_a_display_is_given_what_the_journal_has_and_then_what_comes_live():
    world = DisplayWorkerFixture()
    world.tick("X", "Y", "X")
    world.give()
    world.assign("d")
    world.begin()
    world.tick("X", "Y")
    world.give()
    world.answer()
    world.tick("X")
    world.give()
    assert world.display_set.held["d"].state.bids == [1.0, 3.0, 4.0, 6.0]
    world.check()


def test_a_tick_without_a_bid_changes_nothing_and_one_without_an_ask_has_no_spread():
    held = ManagedDisplay("d", "X", 1, {}, 1, DisplayConfig(), DisplayState("X", Init("X"), DisplayConfig()))
    values = []
    for number, (bid, ask) in enumerate([(1.1, 1.2), (1.15, None), (None, 1.3), (None, None), (1.12, 1.13)], 1):
        held.fold(number, Tick("X", bid, ask, 1_701_234_567_890, "x"), 1_701_234_567_890_000_000)
        state = held.state.snapshot()
        values.append((state["price"], state["ask"], state["spread"] is not None))
    assert values == [(1.1, 1.2, True), *[(1.15, None, False)] * 3, (1.12, 1.13, True)]
    assert (held.number, held.state.left_out[PRICE]) == (5, 2)


def test_ticks_before_its_beginning_are_not_a_displays():
    world = DisplayWorkerFixture()
    world.tick(*"XXXX")
    world.give()
    world.assign("early", first=2)
    world.assign("late", first=4)
    world.assign("new", first=5)
    world.settle()
    assert {display: held.state.bids for display, held in world.display_set.held.items()} == {
        "early": [2, 3, 4],
        "late": [4],
        "new": [],
    }


def test_symbols_are_matched_exactly():
    world = DisplayWorkerFixture()
    for symbol in ("BTC", "BTC-PERP", "B"):
        world.assign(symbol.lower(), symbol)
    world.settle()
    world.tick("BTC", "BTC-PERP", "BTCUSD", "B", "BTC")
    world.give()
    world.check()
    assert world.display_set.held["btc"].state.bids == [1.0, 5.0]


def test_a_row_of_another_worker_is_not_held_and_one_that_moves_away_is_removed():
    world = DisplayWorkerFixture()
    world.assign("mine")
    world.assign("other", worker="you")
    world.settle()
    world.assign("mine", worker="you")
    world.tick("X")
    world.give()
    assert (world.display_set.held, world.display_set.live, world.display_set.schedule.changed) == ({}, {}, {})


def test_rows_that_are_older_than_those_before_change_nothing():
    world = DisplayWorkerFixture()
    world.assign("d")
    world.display_set.reconcile({"version": 0, "rows": []}, world.now)
    assert set(world.display_set.held) == {"d"}


def test_a_new_token_alone_keeps_the_state_and_publishes_it_under_the_new_one():
    world = DisplayWorkerFixture()
    world.assign("d")
    world.settle()
    world.tick("X")
    world.give()
    state = world.display_set.held["d"].state
    world.publish(world.now + 1)
    world.assign("d", token=9)
    world.publish(world.now + 1)
    assert world.display_set.held["d"].state is state
    assert [(token, running) for _, token, running, _ in world.sent][-1] == (9, 1)


def test_another_init_rebuilds_the_display():
    world = DisplayWorkerFixture()
    world.tick("X")
    world.give()
    world.assign("d")
    world.settle()
    before = world.display_set.held["d"].state
    world.assign("d", init={"price": 1.25})
    world.settle()
    assert world.display_set.held["d"].state is not before
    assert world.display_set.held["d"].state.day_init.price == 1.25
    world.check()


def test_while_one_is_built_up_the_others_go_on():
    world = DisplayWorkerFixture()
    world.assign("old")
    world.settle()
    world.tick("X", "X")
    world.give()
    world.assign("new")
    world.begin()
    world.tick("X")
    world.give()
    assert len(world.display_set.held["old"].state.bids) == 3
    assert world.display_set.held["new"].phase is Phase.CATCHING_UP
    world.settle()
    world.check()


def test_more_live_ticks_than_are_held_back_come_from_the_journal_in_another_leg():
    world = DisplayWorkerFixture(hold=3)
    world.tick(*"XXXX")
    world.give()
    world.assign("d")
    world.begin()
    made_round = world.display_set.building.backfills["X"]
    world.tick(*"XXXXX")
    world.give()
    assert made_round.held == []
    world.answer()
    world.tick("X")
    world.give()
    world.settle()
    assert made_round.legs == 2
    world.check()


def test_ticks_that_the_journal_no_longer_has_are_reported_in_the_state():
    world = DisplayWorkerFixture()
    world.tick(*"XXXX")
    world.give()
    world.oldest = 3
    world.assign("d")
    world.settle()
    held = world.display_set.held["d"]
    assert (held.state.bids, held.as_map(0, 0)["incomplete"]) == ([3.0, 4.0], True)


def test_when_numbers_are_used_again_everything_is_rebuilt():
    world = DisplayWorkerFixture()
    world.tick(*"XXXX")
    world.give()
    world.assign("d")
    world.settle()
    world.journal = ["X", "X", "Y"]  # the broker lost what it had not written, and went on
    world.given = 3
    world.give()
    assert world.display_set.held["d"].phase is Phase.WAITING
    world.settle()
    world.check()


def test_lost_ticks_and_malformed_ones_are_counted():
    world = DisplayWorkerFixture()
    world.assign("d")
    world.settle()
    world.take(1, 1, [made("X", 1), None], 1, world.now)
    world.take(1, 6, [made("X", 6)], 1, world.now)
    counters = world.display_set.counters
    assert (counters["malformed"], counters["gaps"], world.display_set.held["d"].state.bids) == (1, 3, [1.0, 6.0])


def test_the_start_of_the_next_day_is_sent_until_the_broker_has_stored_it():
    day = 86_400_000
    world = DisplayWorkerFixture(make=DisplayState)
    world.assign("d", "EURUSD")
    world.settle()
    display_set, held = world.display_set, world.display_set.held["d"]

    def give(number, at_ms, bid):
        world.take(
            1, number, [replace(made("EURUSD", number), bid=bid, timestamp=at_ms, received_ns=at_ms * 10**6)], 1, world.now
        )

    give(1, day + 10, 1.1)
    give(2, 2 * day - 1, 1.3)
    assert display_set.days() == []
    give(3, 2 * day + 5, 1.2)
    assert [(display.id, display.day_from) for display in display_set.days()] == [("d", 3)]
    init = held.day()
    bars = [{"timestamp": day, "high": 1.3, "low": 1.1}]
    assert init == {"digits": 5, "daily_bars": bars, "timestamp": 2 * day, "kept_source": "test"}
    give(4, 2 * day + 6, 1.25)
    display_set.day_stored("d", 3, init)
    assert (display_set.days(), held.first, held.init) == ([], 3, init)
    before = held.state.snapshot()
    fresh = DisplayWorkerFixture(make=DisplayState)
    fresh.assign("d", "EURUSD", first=3, init=init)
    fresh.display_set.position = 3
    fresh.settle()
    for number, bid, at_ms in ((3, 1.2, 2 * day + 5), (4, 1.25, 2 * day + 6)):
        tick = replace(made("EURUSD", number), bid=bid, timestamp=at_ms, received_ns=at_ms * 10**6)
        fresh.take(1, number, [tick], 1, fresh.now)
    assert fresh.display_set.held["d"].state.snapshot() == before


def test_as_many_rounds_as_may_be_are_under_way_and_the_others_wait():
    world = DisplayWorkerFixture()
    world.tick("X")
    world.give()
    for number in range(MOST_BACKFILLS + 1):
        world.assign(f"d{number}", f"S{number:03d}")
        world.begin()
    report = world.display_set.report(world.now + 7.0)
    assert (len(world.display_set.building.backfills), report["catching_up"], report["stale_s"]) == (
        MOST_BACKFILLS,
        MOST_BACKFILLS + 1,
        7.0,
    )
    world.settle()
    world.check()


def test_performance_monitoring_measures_what_a_tick_costs_and_nothing_is_measured_without():
    world = DisplayWorkerFixture()
    world.assign("d")
    world.settle()
    world.tick("X")
    world.give()
    assert "fold_us" not in world.display_set.report(world.now)
    world.config = DisplayConfig(performance_monitoring=True)
    world.display_set.configure(world.now)
    world.tick("X", "X")
    world.give()
    assert world.display_set.report(world.now)["fold_us"]["count"] == 2


def test_without_batch_dispatching_each_live_tick_has_a_separate_state():
    world = DisplayWorkerFixture()
    world.configs["single"] = DisplayConfig(batch_dispatching=False)
    for display in ("single", "batched"):
        world.assign(display)
    world.settle()
    world.publish()
    world.sent.clear()
    world.tick(*"XXXXX")
    world.give()
    world.publish(world.now + 1)
    sent = [(display, sent["number"]) for display, _, _, sent in world.sent]
    assert sent == [*(("single", number) for number in range(1, 6)), ("batched", 5)]


@pytest.mark.parametrize("seed", range(60))
def test_however_journal_and_live_ticks_interleave_each_tick_is_folded_once_in_order(seed):
    draw = random.Random(seed)
    world = DisplayWorkerFixture(hold=draw.choice([1, 5, 1000]))
    world.tick(*draw.choices("XYZ", k=draw.randrange(20)))
    for step in range(300):
        match draw.randrange(8):
            case 0 | 1:
                world.tick(*draw.choices("XYZ", k=draw.randrange(4)))
            case 2 | 3:
                world.give(draw.randrange(1, 6))
            case 4:
                first = draw.randrange(1, len(world.journal) + 2)
                world.assign(f"d{step % 5}", draw.choice("XYZ"), draw.choice(["me", "me", "you"]), first=first)
            case 5 if world.rows:
                del world.rows[draw.choice(list(world.rows))]
                world.publish_rows()
            case 6:
                world.begin()
            case 7:
                world.answer(draw.randrange(1, 5), cut=draw.randrange(1, 9))
        world.now += draw.random()
        for held in world.display_set.held.values():
            if held.phase is Phase.LIVE:
                wanted = [bid for bid in world.wanted(held.id) if bid < world.given]
                assert held.state.bids == wanted
    world.settle()
    world.check()
