"""Own topics: the owners of names, the numbers of messages, the journal, and refusals."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.core.journal.record_format import decode_tick
from hulak.bus.core.ticks.intake import Intake
from hulak.bus.core.ticks.own_topics import MOST_NAMES, SILENT_S
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import decode_publication, encode_publication, pack
from hulak.bus.wire.messages import Stamp
from hulak.bus.wire.own_names import is_name, owned_name


class OwnFixture:
    """An intake whose instance 5 owns `signals`, at time 0."""

    def __init__(self, *, journalled=False, limit=100, claims=True, max_bytes=200):
        self.refused = []
        self.topics = TopicLogs(epoch=7, limit=limit)
        self.topics.subscribe(b"")
        self.intake = Intake(self.topics, self.refused.append, max_bytes=max_bytes)
        self.own = self.intake.own
        self.source = self.intake.open(5, 1, 0.0)
        if claims:
            self.own.claim("signals", 5, journalled, 0.0)

    def turn(self, *frames, now=0.0):
        return self.intake.turn(list(frames), now, 1000)

    def codes(self):
        return [error.code for error in self.refused]


def own(number, topic="app.signals", value=None, instance=5):
    return encode_publication(topic.encode(), Stamp(instance, number, 400), pack({"n": number} if value is None else value))


def tick(number, instance=5):
    return encode_publication(b"tick.EURUSD", Stamp(instance, number, 400), pack({"symbol": "EURUSD", "n": number}))


@pytest.mark.parametrize("name", ["a", "signals", "My_own-1", "x" * 64])
def test_a_name_owns_its_topic_and_all_below_it(name):
    assert is_name(name)
    assert [owned_name(f"app.{name}{rest}".encode()) for rest in ("", ".a", ".a.b")] == [name] * 3


@pytest.mark.parametrize(
    "topic", [b"app.", b"app", b"app..x", b"app." + b"x" * 65, b"app.a.", b"tick.a", b"app.\xff", b"app.a b"]
)
def test_other_topics_belong_to_no_name(topic):
    with pytest.raises(ProtocolError) as refused:
        owned_name(topic)
    assert refused.value.code == "BAD_TOPIC"


def test_messages_that_are_not_journalled_have_epoch_0_and_are_in_no_order_with_ticks():
    fixture = OwnFixture()
    turn = fixture.turn(own(1), tick(2), own(3, "app.signals.EURUSD"), own(4))
    messages = [decode_publication(message) for message in turn.messages]
    assert [(message.topic, message.stamp.epoch, message.stamp.sequence) for message in messages] == [
        ("tick.EURUSD", 7, 1),
        ("ticks", 7, 1),
        ("app.signals", 0, 1),
        ("app.signals.EURUSD", 0, 1),
        ("app.signals", 0, 2),
    ]
    assert len(turn.batch.records) == 1
    assert (fixture.topics.ticks, fixture.own.taken, fixture.codes()) == (1, 3, [])
    assert fixture.topics.logs[b"app.signals\0"].frame == turn.messages[-1]  # the last value


def test_a_message_that_is_not_journalled_is_safe_at_once_unless_a_tick_before_it_is_not():
    fixture = OwnFixture()
    fixture.turn(own(1), own(2))
    assert (fixture.source.last, fixture.source.safe) == (2, 2)
    fixture.turn(tick(3), own(4))
    assert (fixture.source.last, fixture.source.safe) == (4, 2)
    fixture.intake.journalled([5])
    assert fixture.source.safe == 4


def test_journalled_messages_are_numbered_with_the_ticks_and_their_place_in_ticks_holds_an_empty_map():
    fixture = OwnFixture(journalled=True)
    faked = {"symbol": "EURUSD", "bid": 9.0, "ask": 9.0}
    turn = fixture.turn(tick(1), own(2, value=faked), tick(3))
    assert [decode_tick(record)[0] for record in turn.batch.records] == [1, 2, 3]
    messages = [decode_publication(message) for message in turn.messages]
    assert [(message.topic, message.stamp.epoch, message.stamp.sequence) for message in messages] == [
        ("tick.EURUSD", 7, 1),
        ("app.signals", 7, 1),
        ("tick.EURUSD", 7, 2),
        ("ticks", 7, 1),
    ]
    assert msgpack.unpackb(messages[1].body) == faked
    assert msgpack.unpackb(messages[3].body) == [{"symbol": "EURUSD", "n": 1}, {}, {"symbol": "EURUSD", "n": 3}]
    following = fixture.turn(tick(4))
    assert msgpack.unpackb(decode_publication(following.messages[-1]).body) == [{"symbol": "EURUSD", "n": 4}]


def test_the_ring_has_the_same_place_holders_with_their_lengths():
    fixture = OwnFixture(journalled=True)
    fixture.topics.ring = True
    rows = fixture.turn(tick(1), own(2)).rows
    assert rows.sizes[1] == 1
    assert rows.frame.endswith(b"\x80")


@pytest.mark.parametrize("value", [None, True, 42, 1.5, "text", b"\0\1", [1, [2]], {}, {"symbol": "EURUSD"}, {"a": {1: 2}}])
@pytest.mark.parametrize("journalled", [False, True])
def test_a_body_may_be_any_value(value, journalled):
    fixture = OwnFixture(journalled=journalled)
    turn = fixture.turn(encode_publication(b"app.signals", Stamp(5, 1, 400), pack(value)))
    message = next(decode_publication(message) for message in turn.messages if message.startswith(b"app."))
    assert msgpack.unpackb(message.body, strict_map_key=False) == value
    assert fixture.codes() == []


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("body", [b"\xc1", b"\x01\x02", b"\xa2\xff\xff", pack({1: 2}), pack(nested(65)), b"\x81\x90\x01"])
def test_a_body_that_some_reader_could_not_decode_is_refused_and_its_number_counts(body):
    fixture = OwnFixture()
    fixture.turn(encode_publication(b"app.signals", Stamp(5, 1, 400), body), own(2))
    assert (fixture.codes(), fixture.source.last, fixture.source.refusals) == (["BAD_BODY"], 2, {"app.signals": "BAD_BODY"})
    assert fixture.topics.logs[b"app.signals\0"].sequence == 1


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (own(1, "app.other"), "NOT_YOURS"),
        (own(1, "app.signals2"), "NOT_YOURS"),
        (own(1, "app..x"), "BAD_TOPIC"),
        (own(1, "app.signals."), "BAD_TOPIC"),
        (own(1, value="x" * 200), "TOO_LARGE"),
    ],
)
def test_a_message_that_the_feed_may_not_post_is_refused_and_its_number_counts(frame, code):
    fixture = OwnFixture()
    fixture.turn(frame, own(2))
    assert (fixture.codes(), fixture.source.last, fixture.own.taken) == ([code], 2, 1)


def test_an_unnumbered_feed_owns_nothing():
    fixture = OwnFixture()
    fixture.turn(own(0, instance=0), own(0, "app.other", instance=0))
    assert fixture.codes() == ["NOT_YOURS", "NOT_YOURS"]


def test_another_feed_may_not_post_to_a_name():
    fixture = OwnFixture()
    fixture.intake.open(6, 1, 0.0)
    fixture.turn(own(1, instance=6))
    assert (fixture.codes(), fixture.intake.sources[6].refusals) == (["NOT_YOURS"], {"app.signals": "NOT_YOURS"})


def test_after_a_restart_of_the_broker_messages_wait_for_their_claim_instead_of_being_lost():
    fixture = OwnFixture(claims=False)
    fixture.source.asked = -float("inf")  # as restored from the journal
    fixture.turn(own(1))
    assert (fixture.source.last, fixture.intake.unopened, fixture.codes()) == (0, 1, [])
    fixture.intake.open(5, 1, 1.0)
    fixture.own.claim("signals", 5, None, 1.0)
    fixture.turn(own(1))
    assert (fixture.source.last, fixture.own.taken) == (1, 1)


def test_a_second_owner_is_refused_as_long_as_the_first_one_repeats_its_claim():
    fixture = OwnFixture()
    fixture.own.called = {5: "desk/17"}.get
    with pytest.raises(ProtocolError, match=r"'app.signals' is owned by desk/17, which claimed it 0\.5 s ago") as refused:
        fixture.own.claim("signals", 6, None, 0.5)
    assert (refused.value.code, refused.value.details) == ("NOT_YOURS", {"silent_ms": 500})
    fixture.own.claim("signals", 5, None, 4.0)
    with pytest.raises(ProtocolError):
        fixture.own.claim("signals", 6, None, 4.0 + SILENT_S - 0.1)
    fixture.own.claim("signals", 6, None, 4.0 + SILENT_S)
    assert fixture.own.refused == 2
    fixture.intake.open(6, 1, 9.0)
    fixture.turn(own(1), own(1, instance=6))
    assert fixture.source.refusals == {"app.signals": "NOT_YOURS"}  # the former owner learns it
    assert fixture.topics.logs[b"app.signals\0"].sequence == 1


def test_an_owner_that_leaves_frees_its_name_and_is_forgotten_when_all_is_safe():
    fixture = OwnFixture()
    fixture.turn(own(1))
    fixture.intake.close(5)
    assert (fixture.own.claims, fixture.intake.sources) == ({}, {})
    fixture.own.claim("signals", 6, None, 0.0)
    fixture.intake.open(6, 1, 0.0)
    fixture.turn(tick(1, instance=6))
    fixture.intake.close(6)
    assert (fixture.own.claims, list(fixture.intake.sources)) == ({}, [6])  # its tick is not in the journal yet


def test_one_instance_owns_one_name():
    fixture = OwnFixture()
    with pytest.raises(ProtocolError, match=r"instance 5 owns 'app\.signals', must be one name for each") as refused:
        fixture.own.claim("other", 5, None, 0.0)
    assert refused.value.code == "BAD_ARGUMENT"


@pytest.mark.parametrize("journalled", [False, True])
def test_the_kind_of_a_name_outlives_its_owner_until_its_topics_are_removed(journalled):
    fixture = OwnFixture(journalled=journalled)
    fixture.turn(own(1, "app.signals.EURUSD"))
    fixture.intake.close(5)
    assert fixture.own.claim("signals", 6, None, 1.0) is journalled
    with pytest.raises(ProtocolError, match=r"are (not )?journalled; to change that, remove them first"):
        fixture.own.claim("signals", 6, not journalled, 1.0)
    key = b"app.signals.EURUSD\0"
    fixture.topics.remove([key]) if journalled else fixture.topics.drop(key)
    assert fixture.own.claim("signals", 6, not journalled, 1.0) is not journalled


def test_own_topics_are_at_most_a_quarter_of_all_so_that_they_leave_room_for_ticks():
    fixture = OwnFixture(limit=12)
    fixture.turn(*(own(number, f"app.signals.{number}") for number in range(1, 6)))
    assert (fixture.codes(), len(fixture.topics.own), fixture.topics.most_own) == (["TOO_MANY_TOPICS"] * 2, 3, 3)
    fixture.turn(tick(6))
    assert fixture.topics.ticks == 1
    assert list(fixture.topics.refused_topics) == ["app.signals.4", "app.signals.5"]


def test_names_are_bounded_and_silent_owners_make_room():
    fixture = OwnFixture(claims=False)
    for instance in range(1, MOST_NAMES + 1):
        fixture.own.claim(f"n{instance}", instance, None, 0.0)
    with pytest.raises(ProtocolError, match="1024 names of own topics are owned") as refused:
        fixture.own.claim("more", 5000, None, 1.0)
    assert refused.value.code == "BUSY"
    fixture.own.claim("n7", 7, None, 3.0)
    fixture.own.claim("more", 5000, None, SILENT_S)
    assert set(fixture.own.claims) == {"n7", "more"}


def test_a_heartbeat_names_journalled_own_topics_only():
    fixture = OwnFixture()
    fixture.intake.open(6, 1, 0.0)
    fixture.own.claim("kept", 6, True, 0.0)
    fixture.turn(own(1), own(1, "app.kept", instance=6))
    beat = msgpack.unpackb(decode_publication(fixture.topics.heartbeat(0)).body)
    assert beat["topics"] == {"app.kept": 1}


def test_a_new_epoch_stamps_journalled_messages_again_and_leaves_the_others():
    fixture = OwnFixture()
    fixture.intake.open(6, 1, 0.0)
    fixture.own.claim("kept", 6, True, 0.0)
    turn = fixture.turn(own(1), own(1, "app.kept", instance=6))
    fixture.topics.epoch = 9
    fixture.intake.stamp_again(turn)
    stamps = {message.topic: message.stamp.epoch for message in map(decode_publication, turn.messages)}
    assert stamps == {"app.signals": 0, "app.kept": 9, "ticks": 9}


def test_the_rows_of_names_have_owner_kind_and_numbers():
    fixture = OwnFixture()
    fixture.own.called = "feed {}".format
    fixture.own.claim("kept", 6, True, 0.0)
    frame = fixture.turn(own(1), own(2, "app.signals.EURUSD")).messages
    size = sum(map(len, frame))
    fixture.intake.close(5)
    assert fixture.own.rows(2.0) == [
        {"name": "kept", "journalled": True, "owner": "feed 6", "silent_s": 2.0, "topics": 0, "bytes": 0},
        {"name": "signals", "journalled": False, "owner": "", "silent_s": None, "topics": 2, "bytes": size},
    ]


@given(st.lists(st.tuples(st.sampled_from([b"", b"signals", b"signals.a", b"other", b"."]), st.binary(max_size=40)), max_size=8))
def test_no_bytes_harm_the_intake_and_only_the_owner_has_messages(posted):
    fixture = OwnFixture(journalled=True)
    turn = fixture.turn(*(b"app." + topic + b"\0" + rest for topic, rest in posted), *(b"app." + rest for _, rest in posted))
    assert turn.taken == fixture.topics.ticks == fixture.own.taken
    assert all(log.own == "signals" for log in fixture.topics.own.values())
