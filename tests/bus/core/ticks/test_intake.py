"""Feeds' frames, taken strictly in order, numbered, and refused one by one."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.core.journal.record_format import decode_tick, scan
from hulak.bus.core.ticks.intake import Intake
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec
from hulak.bus.wire.codec import decode_publication, encode_publication, feed_frame, pack
from hulak.bus.wire.messages import END_MS, FIRST_MS, Stamp, Tick


class IntakeFixture:
    """An intake, and what it refused."""

    def __init__(self, *prefixes, limit=100, max_bytes=200, max_sources=1024):
        self.refused = []
        self.topics = TopicLogs(epoch=7, limit=limit)
        for prefix in prefixes or (b"",):
            self.topics.subscribe(prefix)
        self.intake = Intake(self.topics, self.refused.append, max_bytes=max_bytes, max_sources=max_sources)

    def turn(self, *frames, now=0.0, time_ns=1000):
        return self.intake.turn(list(frames), now, time_ns)

    def codes(self):
        return [error.code for error in self.refused]

    def taken(self, symbol):
        return self.topics.logs[b"tick." + symbol.encode() + b"\0"].sequence


AT_MS = 1_701_234_567_890


def tick(symbol, source=b"\xa1x"):
    """Pack a tick as our feeds do, `source` as its bytes."""
    return codec.pack_tick(Tick(symbol, 1.1, 1.2, AT_MS, "?"))[:-2] + source


def frame(number, symbol="EURUSD", instance=5, body=None, time_ns=400):
    return feed_frame(symbol, instance, number, time_ns, pack({"n": number}) if body is None else body)


QUOTE = {"bid": 1.0, "ask": 1.0, "timestamp": AT_MS, "source": "nepse"}


def other(number, topic, body, instance=5):
    return encode_publication(topic.encode(), Stamp(instance, number, 400), pack(body))


def test_trades_and_states_of_markets_are_numbered_and_journalled_in_one_order_with_the_ticks_and_count_as_no_symbols():
    fixture = IntakeFixture()
    fixture.intake.open(5, 1, 0.0)
    frames = (other(1, "market.nepse", {"state": "open"}), frame(2), other(3, "trade.NABIL", {"price": 500.0}), frame(4))
    turn = fixture.turn(*frames, other(5, "market.nepse", {"state": "closed"}))
    messages = [decode_publication(message) for message in turn.messages]
    assert [(message.topic, message.stamp.sequence) for message in messages] == [
        ("market.nepse", 1),
        ("tick.EURUSD", 1),
        ("trade.NABIL", 1),
        ("tick.EURUSD", 2),
        ("market.nepse", 2),
        ("ticks", 1),
    ]
    assert len(msgpack.unpackb(messages[-1].body)) == 5
    assert [decode_tick(record)[0] for record in turn.batch.records] == [1, 2, 3, 4, 5]
    assert fixture.topics.count_ticked(0) == (1, 1)
    assert fixture.codes() == []
    fixture.turn(other(6, "market.nepse", {"symbol": "nepse"}), frame(7))  # of a known topic
    assert (fixture.codes(), fixture.topics.ticks) == (["BAD_BODY"], 6)


def test_a_turn_becomes_one_message_per_tick_and_one_of_all_of_them():
    fixture = IntakeFixture()
    fixture.intake.open(5, 1, 0.0)
    turn = fixture.turn(frame(1), frame(2, "NABIL"), frame(3))
    assert (turn.taken, turn.lag_ns) == (3, 600)
    assert [decode_publication(message).topic for message in turn.messages] == [
        "tick.EURUSD",
        "tick.NABIL",
        "tick.EURUSD",
        "ticks",
    ]
    last = decode_publication(turn.messages[-1])
    assert (last.stamp, msgpack.unpackb(last.body)) == (Stamp(7, 1, 1000), [{"n": 1}, {"n": 2}, {"n": 3}])
    again = decode_publication(fixture.turn(frame(4)).messages[-1])
    assert again.stamp.sequence == 4


def test_only_what_is_wanted_is_made_but_all_is_numbered():
    fixture = IntakeFixture(b"tick.NABIL\0")
    fixture.intake.open(5, 1, 0.0)
    turn = fixture.turn(frame(1), frame(2, "NABIL"))
    assert [decode_publication(message).topic for message in turn.messages] == ["tick.NABIL"]
    assert (fixture.taken("EURUSD"), fixture.topics.ticks) == (1, 2)


def test_an_empty_turn_makes_nothing():
    turn = IntakeFixture().turn()
    assert (turn.messages, turn.taken, turn.lag_ns) == ([], 0, None)


def test_duplicates_are_ignored_and_messages_ahead_of_a_gap_are_refused():
    fixture = IntakeFixture()
    source = fixture.intake.open(5, 1, 0.0)
    assert fixture.turn(frame(1), frame(1), frame(3), frame(4), frame(2)).taken == 2
    assert (source.last, source.duplicates, source.early) == (2, 1, 2)
    assert fixture.turn(frame(3), frame(4)).taken == 2
    assert (source.last, fixture.refused) == (4, [])


def test_an_instance_that_has_not_opened_yet_is_not_taken():
    fixture = IntakeFixture()
    assert fixture.turn(frame(1), frame(2)).taken == 0
    assert (fixture.intake.unopened, fixture.topics.ticks, fixture.refused) == (2, 0, [])


def test_a_feed_without_numbers_is_taken_as_it_comes():
    fixture = IntakeFixture()
    assert fixture.turn(frame(0, instance=0), frame(9, instance=0), frame(9, instance=0)).taken == 3


def test_opening_again_returns_the_last_number_and_never_goes_back():
    fixture = IntakeFixture()
    assert fixture.intake.open(5, 10, 0.0).last == 9
    fixture.turn(frame(10), frame(11))
    assert [fixture.intake.open(5, oldest, 0.0).last for oldest in (1, 11, 12, 40)] == [11, 11, 11, 39]


def test_the_instance_that_asked_least_recently_is_forgotten_for_one_more():
    fixture = IntakeFixture(max_sources=2)
    for now, instance in enumerate((1, 2, 1, 3)):
        fixture.intake.open(instance, 1, now)
    assert set(fixture.intake.sources) == {1, 3}


def test_a_feed_that_goes_on_for_long_is_never_doubled_by_others_that_come():
    fixture = IntakeFixture(max_sources=4)
    fixture.intake.open(5, 1, 0.0)
    fixture.turn(frame(1), frame(2, body=b"\x90"), now=0.0)
    for number in range(20):  # it asks no more, and sends nothing for an hour
        fixture.intake.open(100 + number, 1, 3599.0)
    assert fixture.turn(frame(1), frame(2), frame(3), now=3599.0).taken == 1
    for number in range(20):
        fixture.intake.open(200 + number, 1, 7199.0)
    assert 5 not in fixture.intake.sources


def test_where_all_have_sent_within_the_hour_a_new_one_is_refused_and_those_that_are_known_are_not():
    fixture = IntakeFixture(max_sources=2)
    for instance in (1, 2):
        fixture.intake.open(instance, 1, 10.0)
        fixture.turn(frame(1, instance=instance), now=10.0)
    with pytest.raises(ProtocolError, match="2 feeds have sent") as caught:
        fixture.intake.open(3, 1, 3609.0)
    assert caught.value.code == "BUSY"
    assert fixture.intake.open(1, 1, 3609.0).last == 1
    assert fixture.intake.open(3, 1, 3610.0).last == 0
    assert set(fixture.intake.sources) == {1, 3}


BAD = {
    "no NUL": (b"tick.EURUSD", "BAD_FRAME"),
    "no body": (encode_publication(b"tick.EURUSD", Stamp(0, 1, 1), b""), "BAD_FRAME"),
    "empty": (b"", "BAD_FRAME"),
    "too large": (frame(1, instance=0, body=pack({"x": "y" * 200})), "TOO_LARGE"),
    "another's topic": (encode_publication(b"config", Stamp(0, 1, 1), b"\x80"), "NOT_YOURS"),
    "no topic": (frame(1, "EUR USD", instance=0), "BAD_TOPIC"),
    "prefix only": (frame(1, "", instance=0), "BAD_TOPIC"),
    "not a map": (frame(1, instance=0, body=pack([1])), "BAD_BODY"),
    "half a map": (frame(1, instance=0, body=b"\x81\xa1a"), "BAD_BODY"),
    "a map and more": (frame(1, instance=0, body=b"\x80\x80"), "BAD_BODY"),
    "no msgpack": (frame(1, instance=0, body=b"\xc1"), "BAD_BODY"),
    "text in Latin-1": (frame(1, instance=0, body=tick("A", source=b"\xa6B\xf6rse!")), "BAD_BODY"),
    "text in Latin-1 under a key of one's own": (frame(1, instance=0, body=b"\x81\xa4name\xa6B\xf6rse!"), "BAD_BODY"),
    "text in Latin-1 deep inside": (frame(1, instance=0, body=b"\x81\xa1a" + b"\x91" * 9 + b"\xa1\xf6"), "BAD_BODY"),
    "a key in Latin-1": (frame(1, instance=0, body=b"\x81\xa6B\xf6rse!\x01"), "BAD_BODY"),
    "a number as key": (frame(1, instance=0, body=b"\x81\x01\x01"), "BAD_BODY"),
    "an array as key": (frame(1, instance=0, body=b"\x81\x90\x01"), "BAD_BODY"),
    "an array as key inside": (frame(1, instance=0, body=b"\x81\xa1a\x81\x90\x01"), "BAD_BODY"),
    "an extension as key": (frame(1, instance=0, body=b"\x81\xd4\x05\x00\x01"), "BAD_BODY"),
    "too deep": (frame(1, instance=0, body=b"\x81\xa1a" + b"\x91" * 65 + b"\xc0"), "BAD_BODY"),
    "a time that is none": (frame(1, instance=0, body=b"\x81\xa1a\xd7\xff" + b"\xff" * 8), "BAD_BODY"),
    "a trade with the symbol of a tick": (other(1, "trade.NABIL", {"symbol": "NABIL"}, instance=0), "BAD_BODY"),
    "a market with all of a tick": (other(1, "market.nepse", {**QUOTE, "symbol": "nepse"}, instance=0), "BAD_BODY"),
    "a market with an empty symbol": (other(1, "market.nepse", {**QUOTE, "symbol": ""}, instance=0), "BAD_BODY"),
    "a trade of another security": (other(1, "trade.NABIL", {"security": "NICA"}, instance=0), "BAD_BODY"),
    "a trade of a part of its security": (other(1, "trade.NABIL", {"security": "BIL"}, instance=0), "BAD_BODY"),
    "a trade of an empty security": (other(1, "trade.NABIL", {"security": ""}, instance=0), "BAD_BODY"),
    "another market": (other(1, "market.x", {"market": "nepse", "state": "closed"}, instance=0), "BAD_BODY"),
    "a market that is no text": (other(1, "market.nepse", {"market": {"toString": 1}}, instance=0), "BAD_BODY"),
    "a trade in seconds": (other(1, "trade.NABIL", {"timestamp": AT_MS // 1000}, instance=0), "BAD_TIME"),
    "a market without a name": (other(1, "market.", {}, instance=0), "BAD_TOPIC"),
    "of another symbol": (frame(1, "EURUSD", instance=0, body=tick("GBPUSD")), "BAD_BODY"),
    "of a symbol that is no text": (frame(1, "EURUSD", instance=0, body=pack({"symbol": 5})), "BAD_BODY"),
    "of its symbol in lower case": (frame(1, "EURUSD", instance=0, body=pack({"symbol": "eurusd"})), "BAD_BODY"),
    "of its symbol and another": (
        frame(1, "EURUSD", instance=0, body=b"\x82" + pack("symbol") + pack("EURUSD") + pack("symbol") + pack("GBPUSD")),
        "BAD_BODY",
    ),
}


@pytest.mark.parametrize(("bad", "code"), BAD.values(), ids=BAD)
def test_a_bad_frame_is_refused_with_its_code_and_costs_its_neighbours_nothing(bad, code):
    fixture = IntakeFixture()
    turn = fixture.turn(frame(1, "A", instance=0), bad, frame(2, "B", instance=0))
    assert (fixture.codes(), turn.taken, fixture.topics.ticks) == ([code], 2, 2)
    assert msgpack.unpackb(decode_publication(turn.messages[-1]).body) == [{"n": 1}, {"n": 2}]


NUMBERED = {
    "too large": (frame(1, body=pack({"x": "y" * 200})), "TOO_LARGE"),
    "another's topic": (encode_publication(b"config", Stamp(5, 1, 1), b"\x80"), "NOT_YOURS"),
    "no topic": (frame(1, "EUR USD"), "BAD_TOPIC"),
    "one topic too many": (frame(1, "ONEMORE"), "TOO_MANY_TOPICS"),
    "not a map": (frame(1, body=b"\x90"), "BAD_BODY"),
}


@pytest.mark.parametrize(("bad", "code"), NUMBERED.values(), ids=NUMBERED)
def test_a_refused_numbered_tick_does_not_block_its_feed(bad, code):
    fixture = IntakeFixture(limit=1)
    fixture.topics.log(b"tick.EURUSD\0")
    source = fixture.intake.open(5, 1, 0.0)
    assert fixture.turn(bad, frame(2)).taken == 1
    assert (fixture.codes(), source.last) == ([code], 2)
    fixture.turn(bad)
    assert (fixture.codes(), source.duplicates) == ([code], 1)


GOOD = {
    "a tick of our feeds": tick("A"),
    "with flags and times": codec.pack_tick(Tick("A", 1.2, 1.1, AT_MS, "x", ("crossed",), 9)),
    "whole numbers as prices": pack({"symbol": "A", "bid": 1, "ask": 2, "timestamp": AT_MS, "source": "x"}),
    "no symbol": pack({"ltp": 5.5, "volume": 3}),
    "nothing": b"\x80",
    "keys of one's own": pack({"symbol": "A", "ltp": 5.5, "nested": {"a": [1, None, True, {"b": "é"}]}}),
    "all types": pack({"symbol": "A", "x": [b"\xff", -5, 1 << 63, 1.5, "नेपाल", {1: 2, b"b": 3, None: 4}]}),
    "extensions and a time": b"\x82\xa1x\xd4\x05\x00\xa1t\xd6\xff\x00\x00\x00\x00",
    "as deep as may be": b"\x81\xa1a" + b"\x91" * 63 + b"\xc0",
    "text of many bytes": pack({"symbol": "A", "source": "é" * 40}),
    "a map with a long header": b"\xde\x00\x01\xa6symbol\xa1A",
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("instance", [0, 5])
def test_every_body_that_readers_can_read_is_taken_as_it_is(body, instance):
    fixture = IntakeFixture()
    fixture.intake.open(5, 1, 0.0)
    neighbour = frame(2, "B", instance=instance, body=tick("B"))
    for number in (1, 3):  # a topic that is new, and one that is known
        turn = fixture.turn(frame(number, "A", instance=instance, body=body), neighbour)
        assert decode_publication(turn.messages[0]).body == body
    assert (fixture.refused, fixture.topics.ticks) == ([], 3 if instance else 4)


DEEP = st.one_of(st.integers(0, 70), st.integers(70, 9000)).map(lambda levels: b"\x81\xa1a" + b"\x91" * levels + b"\xc0")
MUTATED = st.tuples(st.sampled_from(sorted(GOOD.values())), st.integers(0, 80), st.binary(max_size=3)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :] or b"\xc0"
)


@given(st.one_of(DEEP, MUTATED, st.binary(min_size=1, max_size=40)))
def test_whatever_is_taken_can_be_read_alone_among_all_ticks_and_in_a_snapshot(body):
    fixture = IntakeFixture(max_bytes=10_000)
    turn = fixture.turn(frame(1, "A", instance=0, body=tick("A")), frame(2, "A", instance=0, body=body))
    assert (turn.taken, fixture.codes()) in ((2, []), (1, ["BAD_BODY"]), (1, ["BAD_TIME"]))
    for message in (*turn.messages, fixture.topics.welcome(b"tick.", 1)):
        assert codec.pack(codec.unpack(decode_publication(message).body))
    if turn.taken == 2:
        assert codec.unpack(body).get("symbol", "A") == "A"


@pytest.mark.parametrize(
    "at", [631_152_000, 1_701_234_567, 1_701_234_567.89, 1_701_234_567_890_123, -1, FIRST_MS - 1, END_MS, 1 << 63]
)
@pytest.mark.parametrize("instance", [0, 5])
def test_a_time_of_another_unit_is_refused_at_the_door(at, instance):
    fixture = IntakeFixture()
    fixture.intake.open(5, 1, 0.0)
    body = {"symbol": "A", "bid": 1.0, "ask": 2.0, "timestamp": at, "source": "x"}
    fixture.turn(frame(1, "A", instance=instance, body=pack(body)), frame(2, "A", instance=instance, body=tick("A")))
    assert (fixture.codes(), fixture.taken("A")) == (["BAD_TIME"], 1)
    assert f"has a body of timestamp {at}"[:60] in str(fixture.refused[0])


def test_times_from_1990_to_2100_are_accepted_and_a_text_is_not_checked():
    fixture = IntakeFixture()
    bodies = [
        {"symbol": "A", "bid": 1, "ask": None, "timestamp": at}
        for at in (FIRST_MS, END_MS - 1, AT_MS + 0.5, "today", None, 0, 631_151_999)
    ]
    assert fixture.turn(*[frame(1, "A", instance=0, body=pack(body)) for body in bodies]).taken == 7


def test_a_refused_body_takes_no_topic_and_its_sentence_names_what_was_wrong():
    fixture = IntakeFixture()
    fixture.turn(frame(1, "NEW", instance=0, body=tick("OTHER")), frame(1, "NEWER", instance=0, body=b"\x81\xa1\xf6\x01"))
    assert (fixture.codes(), list(fixture.topics.logs)) == (["BAD_BODY", "BAD_BODY"], [])
    assert "'tick.NEW' has a body of symbol 'OTHER'" in str(fixture.refused[0])
    assert "'tick.NEWER'" in str(fixture.refused[1])
    assert "utf-8" in str(fixture.refused[1])


def test_a_body_that_is_refused_leaves_no_hole_in_the_numbers_of_its_topic():
    fixture = IntakeFixture()
    source = fixture.intake.open(5, 1, 0.0)
    fixture.turn(frame(1, body=tick("EURUSD")), frame(2, body=tick("GBPUSD")), frame(3, body=tick("EURUSD")))
    assert (fixture.codes(), fixture.taken("EURUSD"), fixture.topics.ticks, source.last) == (["BAD_BODY"], 2, 2, 3)


def test_bodies_that_are_whole_only_when_joined_are_refused():
    fixture = IntakeFixture()
    fixture.turn(frame(1, "A", instance=0, body=b"\x81\xa1a"), frame(2, "B", instance=0, body=b"\x80\x80"))
    assert (fixture.codes(), fixture.topics.ticks) == (["BAD_BODY", "BAD_BODY"], 0)


def test_a_feed_whose_last_tick_was_refused_need_not_keep_it():
    fixture = IntakeFixture()
    source = fixture.intake.open(5, 1, 0.0)
    for number, body in ((1, b"\x80"), (2, b"\x90")):
        fixture.intake.journalled(fixture.turn(frame(number, body=body)).instances)
    assert (source.last, source.safe) == (2, 2)


def test_what_could_not_be_journalled_is_stamped_again_before_it_is_published():
    fixture = IntakeFixture()
    fixture.intake.open(5, 1, 0.0)
    before = fixture.turn(frame(1), frame(2, "NABIL"))
    turn = fixture.turn(frame(3), frame(4, "AUDUSD"), frame(5))
    ticks = [decode_tick(record) for record in turn.batch.records]
    fixture.topics.epoch = 8
    fixture.intake.stamp_again(turn)
    messages = [decode_publication(message) for message in turn.messages]
    assert [(message.topic, message.stamp) for message in messages] == [
        ("tick.EURUSD", Stamp(8, 2, 1000)),
        ("tick.AUDUSD", Stamp(8, 1, 1000)),
        ("tick.EURUSD", Stamp(8, 3, 1000)),
        ("ticks", Stamp(8, 3, 1000)),
    ]
    again = [decode_tick(record) for record in turn.batch.records]
    assert [tick[:3] for tick in again] == [tick[:3] for tick in ticks] == [(3, 5, 3), (4, 5, 4), (5, 5, 5)]
    assert [tick[3] for tick in again] == turn.messages[:3]
    assert [tick[3] for tick in scanned(turn.batch.records)] == turn.messages[:3], "with CRCs that are right"
    logs = fixture.topics.logs
    assert logs[b"tick.EURUSD\0"].frame == turn.messages[2]
    assert logs[b"tick.NABIL\0"].frame == before.messages[1], "it is in the journal under the epoch it had"


def scanned(records):
    return [record.tick() for record in scan(b"".join(records))]


def test_a_feed_gets_its_refusals_and_its_numbers_advance():
    fixture = IntakeFixture(limit=1)
    source = fixture.intake.open(5, 1, 0.0)
    bad = b"\xc1"
    turn = fixture.turn(frame(1), frame(2, "NABIL"), frame(3, "NABIL"), frame(4, body=bad), frame(5, "HBL"), frame(9, "HBL"))
    fixture.intake.journalled(turn.instances)
    assert (turn.taken, source.last, source.safe) == (1, 5, 5)
    named = {"tick.NABIL": "TOO_MANY_TOPICS", "tick.EURUSD": "BAD_BODY", "tick.HBL": "TOO_MANY_TOPICS"}
    assert (source.refused, source.refusals, fixture.codes().count("TOO_MANY_TOPICS")) == (4, named, 3)
    fixture.turn(*(frame(6 + number, f"S{number}") for number in range(100)))
    assert (source.refused, len(source.refusals)) == (104, 20)


def test_a_refused_frame_of_an_unknown_instance_counts_for_no_feed():
    fixture = IntakeFixture(limit=1)
    source = fixture.intake.open(5, 1, 0.0)
    fixture.turn(frame(1, instance=0, body=b"\xc1"), b"tick.X\0short", b"", frame(1, instance=9))
    assert (source.refused, source.refusals) == (0, {})
