"""A subscription that gives up its live connection for a time, against a journal made of plain numbers."""

import random

import pytest
from history_market import Market, Reader, S, market_of

from hulak.bus.subscriber.history_cursor import HistoryStage
from hulak.bus.subscriber.history_start import LIVE
from hulak.bus.subscriber.sequence_tracker import Ask, Chunk, SequenceTracker, TrackerState


@pytest.mark.parametrize("topic", ["ticks", "tick.", "tick.A"])
def test_behind_a_rest_the_journal_is_read_on_nothing_twice_and_then_live_again(topic):
    market = market_of(6, "A", "B")
    reader = Reader(market, topic, TIME=1).run()
    market.tick("A", "B")
    reader.rest(known=(3, 1) if topic != "ticks" else (8, 1))  # of single topics a heartbeat is known, seconds old
    market.tick("A", "B", "NEW")
    assert not [event for event in reader.sink.items if "NEW" in event.topic]
    reader.run()
    market.tick("A")
    of_all = [event.stamp.sequence for event in reader.sink.items if event.topic != LIVE]
    assert (
        of_all
        == {
            "ticks": list(range(1, 13)),
            "tick.": [number for number in range(1, 6) for _ in "AB"] + [1, 6],
            "tick.A": list(range(1, 7)),
        }[topic]
    )
    assert [event.topic for event in reader.sink.items].count(LIVE) == 2
    assert reader.router.counters() == dict.fromkeys(("gaps", "repaired", "lost", "duplicates", "malformed"), 0)


def test_until_its_place_is_known_a_history_begins_again_and_gives_nothing_twice():
    market = market_of(2, "A")
    reader = Reader(market, "tick.A", TIME=2 * S).run()
    market.tick("A", "A")
    reader.rest()
    market.tick("A")
    reader.run()
    assert reader.numbers("tick.A") == [2, 3, 4, 5]
    beyond = Reader(market, "tick.A", NUMBER=99).run()
    assert beyond.cursor.again((0, 0)) is None  # where it began is known to the broker alone: too early


def test_a_rest_in_the_middle_of_the_journal_keeps_the_request_and_asks_once_more_at_the_end():
    market = market_of(10, "A")
    reader = Reader(market, "ticks", NUMBER=1)
    reader.step()
    reader.rest()
    market.tick("A", "A")
    reader.run()
    market.tick("A")
    assert reader.numbers() == list(range(1, 14))


def test_what_the_journal_has_dropped_during_a_rest_is_named_before_what_follows():
    market = market_of(6, "A")
    for topic, wanted in (("ticks", "ticks"), ("tick.A", "ticks")):
        reader = Reader(market, topic, TIME=1).run()
        reader.rest(known=(6, 1))
        market.tick(*"AAAAAA")
        last = len(market.rows)
        market.oldest, reader.market = last - 1, market
        reader.run()
        market.oldest = 1
        gaps = [event.body for event in reader.sink.items if event.topic == "gap"]
        assert [(gap["topic"], gap["first"], gap["last"]) for gap in gaps][:1] == [(wanted, 7, last - 2)]
        numbers = reader.numbers(topic)
        assert numbers == [*range(1, numbers.index(last - 1) + 1), last - 1, last]
        if topic != "ticks":
            assert (gaps[1]["topic"], gaps[1]["last"]) == ("tick.A", last - 2)


def test_numbers_that_a_new_epoch_uses_again_during_a_rest_come_again_under_it():
    for topic in ("ticks", "tick.A", "tick."):
        market = market_of(100, "A", leg=7)  # fewer than a search for the epoch's beginning reads
        reader = Reader(market, topic, OLDEST=0).run()
        reader.rest(known=(98, 1) if topic != "ticks" else (100, 1))
        market.cut(96, 2)
        market.tick(*"AAAAAAA")
        reader.run()
        name = "ticks" if topic == "ticks" else "tick.A"
        seen = [(epoch, number) for of, epoch, number in reader.seen() if of == name]
        assert seen == [*((1, number) for number in range(1, 101)), *((2, number) for number in range(96, 103))]


@pytest.mark.parametrize("seed", range(40))
def test_with_rests_at_any_time_every_number_comes_once_and_in_order(seed):
    chance = random.Random(seed)
    symbols = ["A", "BX", "BY", "C"]
    market = Market(leg=chance.randint(1, 7))
    for _ in range(chance.randint(0, 60)):
        market.tick(*chance.choices(symbols, k=chance.randint(1, 3)))
    topics = chance.choice([("ticks",), ("tick.",), ("tick.B*",), ("tick.A", "tick.BX"), ("ticks", "tick.C")])
    reader = Reader(market, *topics, hold_bytes=chance.randint(1, 3000), OLDEST=0)
    for at in range(400):
        if chance.random() < 0.5 and at < 200:
            market.tick(*chance.choices(symbols, k=chance.randint(1, 3)))
        live = reader.cursor.stage is HistoryStage.LIVE
        if reader in market.listeners and chance.random() < 0.1 and at < 250:
            delivered = len(market.rows) if live else reader.cursor.position[0]
            known = delivered if topics == ("ticks",) else chance.randint(delivered // 2, delivered)
            reader.rest((known, 1) if known else (0, 0))
        elif not live:
            reader.step()
    assert reader.cursor.stage is HistoryStage.LIVE
    market.tick(*symbols)
    if "ticks" in topics:
        assert reader.numbers() == list(range(1, len(market.rows) + 1))
    for topic in {topic for topic, _ in market.rows}:
        if any(f"{topic}\0".encode().startswith(key) for key in reader.keys):
            assert reader.numbers(topic) == list(range(1, market.sequences[topic] + 1))
    assert reader.router.counters()["lost"] == reader.router.counters()["duplicates"] == 0


def test_a_position_counts_all_topics_of_a_subscriber_and_has_the_epoch_of_the_last_message():
    market = market_of(4, "A", "B")
    assert Reader(market, "ticks", OLDEST=0).cursor.as_one
    assert not Reader(market, "ticks", "tick.A", OLDEST=0).cursor.as_one  # those of `tick.A` come behind those of `ticks`
    tracker = SequenceTracker(expected=5, epoch=1, state=TrackerState.LIVE, given=1)
    tracker.heartbeat(2, 4)
    assert (tracker.state, tracker.delivered_epoch) == (TrackerState.REPAIRING, 1)
    tracker.replayed([Chunk(1, number, ["x"]) for number in range(1, 5)])
    tracker.replay_ended(None)
    tracker.expected += 1  # as the short way does for the next message
    assert (tracker.given, tracker.delivered_epoch) == (1, 2)


def test_a_rest_drops_what_is_held_back_and_begins_the_repair_again():
    tracker = SequenceTracker(expected=5, epoch=1, state=TrackerState.LIVE, given=1)
    assert tracker.live(Chunk(1, 8, ["x"])) == [Ask(5, 7)]
    tracker.rest()
    assert (tracker.state, tracker.expected, tracker.epoch, tracker.held_items) == (TrackerState.LIVE, 5, 1, 0)
    assert tracker.live(Chunk(1, 9, ["x"])) == [Ask(5, 8)]
