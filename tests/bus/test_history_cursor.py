"""A subscription from the journal to the present, against a journal made of plain numbers."""

import random

import pytest
from history_market import Market, Reader, S, frame, market_of

from hulak.bus.subscriber.events import subscription
from hulak.bus.subscriber.history_cursor import RECORD_BYTES, HistoryStage
from hulak.bus.subscriber.history_rows import TickTopics
from hulak.bus.subscriber.history_start import LIVE
from hulak.bus.subscriber.replay_requests import ReplayEnded, ReplayRows


def test_ticks_of_the_journal_come_first_then_the_mark_then_live_ones():
    market = market_of(10, "A")
    reader = Reader(market, "ticks", NUMBER=6).run()
    market.tick("A", "B")
    assert reader.seen() == [
        *(("ticks", 1, number) for number in range(6, 11)),
        (LIVE, 1, 10),
        ("ticks", 1, 11),
        ("ticks", 1, 12),
    ]
    assert reader.sink.items[5].body == {"number": 10}


def test_live_ticks_of_the_last_leg_are_held_back_and_delivered_once():
    market = market_of(10, "A")
    reader = Reader(market, "ticks", NUMBER=1)
    for _ in range(4):
        market.tick("A", "A")
        reader.step()
    reader.run()
    market.tick("A")
    assert reader.numbers() == list(range(1, len(market.rows) + 1))
    assert reader.router.counters()["duplicates"] == reader.router.counters()["gaps"] == 0


def test_live_ticks_beyond_the_bound_are_dropped_and_read_from_the_journal():
    market = market_of(3, "A", leg=100)
    reader = Reader(market, "ticks", NUMBER=1, hold_bytes=3 * RECORD_BYTES)
    args, reader.cursor.args = reader.cursor.args, None
    answers = market.replay(args)
    for _ in range(5):
        market.tick("A")
    for answer in answers:
        reader.cursor.take(answer)
    assert reader.cursor.stage is HistoryStage.READ  # five are more than that: another leg
    reader.run()
    assert reader.numbers() == list(range(1, 9))


def test_several_topics_come_in_the_global_order_and_no_others():
    market = market_of(9, "EURA", "USDB", "EURC")
    reader = Reader(market, "tick.EUR*", "tick.USDX", NUMBER=1).run()
    market.tick("USDB", "EURC", "USDX")
    assert reader.seen() == [
        *((topic, 1, number) for number in (1, 2, 3) for topic in ("tick.EURA", "tick.EURC")),
        (LIVE, 1, 9),
        ("tick.EURC", 1, 4),
        ("tick.USDX", 1, 1),
    ]


def test_a_symbol_that_was_silent_since_then_begins_after_its_last_value():
    market = market_of(1, "A")
    market.tick("B")
    reader = Reader(market, "tick.A", "tick.B", TIME=2 * S).run()
    market.tick("A")
    assert reader.seen() == [("tick.B", 1, 1), (LIVE, 1, 2), ("tick.A", 1, 2)]


def test_the_sequence_of_a_single_topic_is_its_own():
    market = market_of(10, "A", "B")
    assert Reader(market, "tick.B", NUMBER=4).run().numbers("tick.B") == [4, 5]
    assert Reader(market, "tick.B", NUMBER=6).run().seen() == [(LIVE, 0, 0)]


def test_a_number_that_does_not_exist_yet_begins_with_the_next_tick():
    for topic in ("ticks", "tick.A", "tick.*"):
        market = market_of(3, "A")
        reader = Reader(market, topic, NUMBER=1000).run()
        market.tick("A")
        assert reader.seen() == [(LIVE, 0, 0), (topic.replace("*", "A"), 1, 4)]


@pytest.mark.parametrize("prefix", ["", "t*", "ticks*"])
def test_a_number_that_does_not_exist_yet_costs_a_prefix_no_tick_either(prefix):
    market = market_of(10, "A")
    reader = Reader(market, prefix, NUMBER=10**9).run()
    market.tick("A")
    assert reader.numbers() == [11]
    assert reader.router.counters()["duplicates"] == 0


@pytest.mark.parametrize("prefix", ["", "tick.", "tick.A"])
def test_a_refused_subscription_is_raised_also_while_the_journal_is_read(prefix):
    reader = Reader(market_of(10, "A"), prefix, OLDEST=0)
    reader.receive(frame(prefix, 1, 0, {"code": "FORBIDDEN", "text": "this key may not"}))
    reader.run()
    assert [refusal.details for refusal in reader.router.refusals] == [{"prefix": prefix}]
    assert reader.router.malformed == 0


def test_too_many_topics_for_one_request_are_read_by_prefixes_that_their_roles_cover():
    ticks, trades = [f"tick.A{at}" for at in range(6000)], [f"trade.B{at}" for at in range(6000)]
    topics = TickTopics(map(subscription, [*ticks, *trades, "market.x", "m*"]))
    assert sorted(topics.names()) == ["m*", "market.x", "tick.A*", "trade.B*"]


@pytest.mark.parametrize(("last", "wanted"), [(1, [20]), (3, [18, 19, 20]), (99, list(range(1, 21)))])
def test_a_number_of_the_newest(last, wanted):
    assert Reader(market_of(40, "A", "B"), "tick.A", COUNT=last).run().numbers("tick.A") == wanted
    assert Reader(market_of(20, "A"), "ticks", COUNT=last).run().numbers() == wanted


def test_of_a_market_without_a_tick_only_the_mark_comes():
    for start in ({"COUNT": 5}, {"TIME": 1}, {"OLDEST": 0}, {"NUMBER": 1}):
        market = Market()
        reader = Reader(market, "ticks", **start).run()
        market.tick("A")
        assert reader.seen() == [(LIVE, 0, 0), ("ticks", 1, 1)]


@pytest.mark.parametrize("start", [{"TIME": 2 * S}, {"NUMBER": 2}])
def test_a_start_before_the_journal_is_refused_with_what_is_there(start):
    market = market_of(9, "A")
    market.oldest = 5
    error = Reader(market, "ticks", **start).run().cursor.error
    assert error.code == "TOO_OLD"
    assert error.details == {"oldest": 5, "oldest_ns": 5 * S}
    assert str(error).endswith("(1970-01-01T00:00:05.000Z); begin there with since='oldest' or from_sequence=5")
    single = Reader(market, "tick.A", TIME=2 * S).run().cursor.error  # whose sequences are not these numbers
    assert str(single).endswith("begin there with since='oldest'")


def test_a_position_before_the_journal_goes_on_with_a_gap():
    market = market_of(9, "A")
    market.oldest = 5
    reader = Reader(market, "ticks", POSITION=3, epoch=1).run()
    assert reader.numbers() == [5, 6, 7, 8, 9]
    assert reader.router.counters()["lost"] == 2
    assert [(gap.first, gap.last, gap.why) for _, gap in reader.router.gaps] == [(3, 4, "the journal begins at 5")]


def test_a_segment_that_is_dropped_while_it_is_read_is_a_gap():
    market = market_of(20, "A")
    reader = Reader(market, "ticks", NUMBER=1)
    reader.step()
    market.oldest = 11
    reader.run()
    assert reader.numbers() == [1, 2, 3, 4, *range(11, 21)]
    assert reader.router.counters()["lost"] == 6


@pytest.mark.parametrize("topic", ["ticks", "tick.A"])
@pytest.mark.parametrize("cut", [3, 150])
@pytest.mark.parametrize("leg", [7, 300])
def test_numbers_that_a_new_epoch_uses_again_come_again_under_it(topic, cut, leg):
    market = market_of(200, "A", leg=leg)
    reader = Reader(market, topic, OLDEST=0)
    reader.cursor.take(ReplayRows("history", [[number, row] for number, (_, row) in enumerate(market.rows, 1)]))
    market.cut(cut, 2)
    for _ in range(10):
        market.tick("A")
    reader.cursor.take(ReplayEnded("history", 201))
    reader.run()
    of_topic = [(epoch, number) for name, epoch, number in reader.seen() if name == topic]
    assert of_topic == [*((1, number) for number in range(1, 201)), *((2, number) for number in range(cut, cut + 10))]


def test_an_epoch_that_changed_between_two_ticks_of_the_journal_loses_nothing():
    market = market_of(6, "A")
    market.epoch = 2
    market.tick("A", "A", "A")
    reader = Reader(market, "ticks", NUMBER=1).run()
    assert reader.numbers() == list(range(1, 10))
    assert not reader.router.gaps


@pytest.mark.parametrize("seed", range(20))
def test_at_any_time_and_with_any_bound_every_number_comes_once_and_in_order(seed):
    chance = random.Random(seed)
    symbols = ["A", "BX", "BY", "C"]
    market = Market(leg=chance.randint(1, 7))
    for _ in range(chance.randint(0, 60)):
        market.tick(*chance.choices(symbols, k=chance.randint(1, 3)))
    before = len(market.rows)
    topics = chance.choice([("ticks",), ("tick.",), ("tick.B*",), ("tick.A", "tick.BX"), ("ticks", "tick.C")])
    first = chance.randint(1, max(1, before))
    reader = Reader(market, *topics, hold_bytes=chance.randint(1, 3000), NUMBER=first)
    if reader.cursor._topics.only:
        return
    for _ in range(1000):
        if chance.random() < 0.5 and len(market.rows) < before + 60:
            market.tick(*chance.choices(symbols, k=chance.randint(1, 3)))
        if reader.cursor.stage is not HistoryStage.LIVE:
            reader.step()
    assert reader.cursor.stage is HistoryStage.LIVE
    market.tick(*symbols)
    if "ticks" in topics:
        assert reader.numbers() == list(range(first, len(market.rows) + 1))
    for topic in {topic for topic, _ in market.rows}:
        if any(f"{topic}\0".encode().startswith(key) for key in reader.keys):
            earlier = sum(name == topic for name, _ in market.rows[: first - 1])
            assert reader.numbers(topic) == list(range(earlier + 1, market.sequences[topic] + 1))
