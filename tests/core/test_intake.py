"""Feeds' frames, taken strictly in order, numbered, and refused one by one."""

import msgpack
import pytest

from bus.core.intake import Intake
from bus.core.records import decode_tick, scan
from bus.core.topics import Topics
from bus.frames import decode_publication, encode_publication, feed_frame, pack
from bus.messages import Stamp


class Desk:
    """An intake, and what it refused."""

    def __init__(self, *prefixes, limit=100, max_bytes=200, max_sources=1024):
        self.refused = []
        self.topics = Topics(epoch=7, limit=limit)
        for prefix in prefixes or (b"",):
            self.topics.subscribe(prefix)
        self.intake = Intake(self.topics, self.refused.append, max_bytes=max_bytes, max_sources=max_sources)

    def turn(self, *frames, time_ns=1000):
        return self.intake.turn(list(frames), time_ns)

    def codes(self):
        return [error.code for error in self.refused]

    def taken(self, symbol):
        return self.topics.logs[b"tick." + symbol.encode() + b"\0"].sequence


def frame(number, symbol="EURUSD", instance=5, body=None, time_ns=400):
    return feed_frame(symbol, instance, number, time_ns, pack({"n": number}) if body is None else body)


def test_a_turn_becomes_one_message_per_tick_and_one_of_all_of_them():
    desk = Desk()
    desk.intake.open(5, 1)
    turn = desk.turn(frame(1), frame(2, "NABIL"), frame(3))
    assert (turn.taken, turn.lag_ns) == (3, 600)
    assert [decode_publication(message).topic for message in turn.messages] == [
        "tick.EURUSD",
        "tick.NABIL",
        "tick.EURUSD",
        "ticks",
    ]
    last = decode_publication(turn.messages[-1])
    assert (last.stamp, msgpack.unpackb(last.body)) == (Stamp(7, 1, 1000), [{"n": 1}, {"n": 2}, {"n": 3}])
    again = decode_publication(desk.turn(frame(4)).messages[-1])
    assert again.stamp.sequence == 4


def test_only_what_is_wanted_is_made_but_all_is_numbered():
    desk = Desk(b"tick.NABIL\0")
    desk.intake.open(5, 1)
    turn = desk.turn(frame(1), frame(2, "NABIL"))
    assert [decode_publication(message).topic for message in turn.messages] == ["tick.NABIL"]
    assert (desk.taken("EURUSD"), desk.topics.ticks) == (1, 2)


def test_an_empty_turn_makes_nothing():
    turn = Desk().turn()
    assert (turn.messages, turn.taken, turn.lag_ns) == ([], 0, None)


def test_what_came_already_is_passed_over_and_what_comes_too_early_waits_to_be_sent_again():
    desk = Desk()
    source = desk.intake.open(5, 1)
    assert desk.turn(frame(1), frame(1), frame(3), frame(4), frame(2)).taken == 2
    assert (source.last, source.duplicates, source.early) == (2, 1, 2)
    assert desk.turn(frame(3), frame(4)).taken == 2
    assert (source.last, desk.refused) == (4, [])


def test_an_instance_that_has_not_opened_yet_is_not_taken():
    desk = Desk()
    assert desk.turn(frame(1), frame(2)).taken == 0
    assert (desk.intake.unopened, desk.topics.ticks, desk.refused) == (2, 0, [])


def test_a_feed_without_numbers_is_taken_as_it_comes():
    desk = Desk()
    assert desk.turn(frame(0, instance=0), frame(9, instance=0), frame(9, instance=0)).taken == 3


def test_opening_again_tells_how_far_and_never_goes_back():
    desk = Desk()
    assert desk.intake.open(5, 10).last == 9
    desk.turn(frame(10), frame(11))
    assert [desk.intake.open(5, oldest).last for oldest in (1, 11, 12, 40)] == [11, 11, 11, 39]


def test_the_instance_that_opened_first_is_forgotten_for_one_more():
    desk = Desk(max_sources=2)
    for instance in (1, 2, 1, 3):
        desk.intake.open(instance, 1)
    assert list(desk.intake.sources) == [2, 3]


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
}


@pytest.mark.parametrize(("bad", "code"), BAD.values(), ids=BAD)
def test_a_bad_frame_is_refused_with_its_code_and_costs_its_neighbours_nothing(bad, code):
    desk = Desk()
    turn = desk.turn(frame(1, "A", instance=0), bad, frame(2, "B", instance=0))
    assert (desk.codes(), turn.taken, desk.topics.ticks) == ([code], 2, 2)
    assert msgpack.unpackb(decode_publication(turn.messages[-1]).body) == [{"n": 1}, {"n": 2}]


NUMBERED = {
    "too large": (frame(1, body=pack({"x": "y" * 200})), "TOO_LARGE"),
    "another's topic": (encode_publication(b"config", Stamp(5, 1, 1), b"\x80"), "NOT_YOURS"),
    "no topic": (frame(1, "EUR USD"), "BAD_TOPIC"),
    "one topic too many": (frame(1, "ONEMORE"), "TOO_MANY_TOPICS"),
    "not a map": (frame(1, body=b"\x90"), "BAD_BODY"),
}


@pytest.mark.parametrize(("bad", "code"), NUMBERED.values(), ids=NUMBERED)
def test_a_numbered_tick_that_is_refused_does_not_hold_up_its_feed_for_ever(bad, code):
    desk = Desk(limit=1)
    desk.topics.log(b"tick.EURUSD\0")
    source = desk.intake.open(5, 1)
    assert desk.turn(bad, frame(2)).taken == 1
    assert (desk.codes(), source.last) == ([code], 2)
    desk.turn(bad)
    assert (desk.codes(), source.duplicates) == ([code], 1)


def test_bodies_that_are_whole_only_when_joined_are_refused():
    desk = Desk()
    desk.turn(frame(1, "A", instance=0, body=b"\x81\xa1a"), frame(2, "B", instance=0, body=b"\x80\x80"))
    assert (desk.codes(), desk.topics.ticks) == (["BAD_BODY", "BAD_BODY"], 0)


def test_a_feed_whose_last_tick_was_refused_is_told_that_it_need_not_be_kept():
    desk = Desk()
    source = desk.intake.open(5, 1)
    for frames in ([frame(1)], [frame(2, body=b"\x90")]):
        desk.intake.journalled(desk.turn(*frames).instances)
    assert (source.last, source.safe) == (2, 2)


def test_what_could_not_be_journalled_is_stamped_again_before_anybody_sees_it():
    desk = Desk()
    desk.intake.open(5, 1)
    before = desk.turn(frame(1), frame(2, "NABIL"))
    turn = desk.turn(frame(3), frame(4, "AUDUSD"), frame(5))
    ticks = [decode_tick(record) for record in turn.batch.records]
    desk.topics.epoch = 8
    desk.intake.stamp_again(turn)
    messages = [decode_publication(message) for message in turn.messages]
    assert [(one.topic, one.stamp) for one in messages] == [
        ("tick.EURUSD", Stamp(8, 2, 1000)),
        ("tick.AUDUSD", Stamp(8, 1, 1000)),
        ("tick.EURUSD", Stamp(8, 3, 1000)),
        ("ticks", Stamp(8, 3, 1000)),
    ]
    again = [decode_tick(record) for record in turn.batch.records]
    assert [tick[:3] for tick in again] == [tick[:3] for tick in ticks] == [(3, 5, 3), (4, 5, 4), (5, 5, 5)]
    assert [tick[3] for tick in again] == turn.messages[:3]
    assert [tick[3] for tick in scanned(turn.batch.records)] == turn.messages[:3], "with CRCs that are right"
    logs = desk.topics.logs
    assert logs[b"tick.EURUSD\0"].frame == turn.messages[2]
    assert logs[b"tick.NABIL\0"].frame == before.messages[1], "it is in the journal under the epoch it had"


def scanned(records):
    return [one.tick() for one in scan(b"".join(records))]
