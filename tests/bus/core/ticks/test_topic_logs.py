"""Numbers, last values and subscriptions."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.core.journal.segment_index import TopicOrdinals
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import STAMP, decode_publication, encode_publication, pack
from hulak.bus.wire.messages import Publication, Stamp
from hulak.bus.wire.names import HELLO, TICKS

EUR, EURX = b"tick.EURUSD\0", b"tick.EURUSDX\0"


def topics(*prefixes, limit=100):
    made = TopicLogs(epoch=7, limit=limit)
    for prefix in prefixes:
        made.subscribe(prefix)
    return made


def test_a_topics_messages_are_numbered_from_one_without_a_gap_each_topic_for_itself():
    some = topics(b"")
    frames = [some.publish(key, b"\x80", 5) for key in (EUR, EURX, EUR, EUR)]
    assert [(message.topic, message.stamp) for message in map(decode_publication, frames)] == [
        ("tick.EURUSD", Stamp(7, 1, 5)),
        ("tick.EURUSDX", Stamp(7, 1, 5)),
        ("tick.EURUSD", Stamp(7, 2, 5)),
        ("tick.EURUSD", Stamp(7, 3, 5)),
    ]


def test_a_removed_topic_is_gone_and_its_numbers_go_on_if_it_comes_again():
    some = topics(b"", limit=2)
    for key in (EUR, EURX, EUR):
        some.publish(key, b"\x80", 5)
    assert some.remove([EUR, b"tick.NEVER\0", EUR]) == [EUR]
    assert (list(some.logs), [log.key for log in some.under(b"tick.")], some.removed) == ([EURX], [EURX], 1)
    assert decode_publication(some.welcome(EUR, 5)).topic == "hulak.hello"
    frame = some.publish(EUR, b"\x80", 6)  # there is room again
    assert decode_publication(frame).stamp.sequence == 3
    some.remove([EUR])
    assert (decode_publication(some.publish(EUR, b"\x80", 7)).stamp.sequence, some.ended[EUR]) == (4, 3)


def test_topics_that_are_not_feeds_cannot_be_removed():
    some = topics()
    some.publish(b"stats\0", b"\x80", 5)
    assert some.remove([b"stats\0"]) == []
    assert list(some.logs) == [b"stats\0"]


def test_what_is_remembered_of_removed_topics_is_bounded_and_no_number_comes_twice(monkeypatch):
    monkeypatch.setattr("hulak.bus.core.ticks.topic_logs.MOST_ENDED", 3)
    some, seen = topics(b""), set()
    for turn in range(6):
        for name in range(20):
            key = b"tick.S%d\0" % name
            for _ in range(name + turn):
                message = decode_publication(some.publish(key, b"\x80", 5))
                assert (message.topic, message.stamp.sequence) not in seen
                seen.add((message.topic, message.stamp.sequence))
        some.remove([b"tick.S%d\0" % name for name in range(0, 20, 2)])
        assert len(some.ended) <= 3 + len(some.fed)
    assert some.floor > 0


def test_topics_get_other_ordinals_and_those_of_removed_ones_are_free_again():
    some = topics()
    for key in (EUR, EURX):
        some.publish(key, b"\x80", 5)
    some.remove([EUR])
    fresh = TopicOrdinals()
    some.renumber(fresh)
    assert (some.logs[EURX].ordinal, some.log(EUR).ordinal, fresh.keys) == (1, 2, [EURX, EUR])


def test_a_message_without_subscribers_is_numbered_and_kept_but_not_returned():
    some = topics()
    assert some.publish(EUR, b"\x80", 5) is None
    some.subscribe(EUR)
    assert decode_publication(some.publish(EUR, b"\x81\x01\x02", 6)).stamp.sequence == 2


def test_the_nul_ends_a_topic_so_that_one_symbol_does_not_catch_a_longer_one():
    exact, prefix = topics(EUR), topics(EUR[:-1])
    assert (exact.is_wanted(EUR), exact.is_wanted(EURX)) == (True, False)
    assert (prefix.is_wanted(EUR), prefix.is_wanted(EURX)) == (True, True)


def test_each_subscription_counts_and_the_last_one_that_goes_ends_the_wish():
    some = topics(b"tick.", b"tick.", b"ticks\0")
    some.log(EUR)
    assert (some.logs[EUR].wanted, some.ticks_wanted) == (True, True)
    some.unsubscribe(b"tick.")
    assert some.logs[EUR].wanted
    some.unsubscribe(b"tick.")
    some.unsubscribe(b"ticks\0")
    some.unsubscribe(b"never subscribed")
    assert (some.logs[EUR].wanted, some.ticks_wanted, some.subscriptions.count) == (False, False, 0)


def test_forgetting_subscriptions_makes_nothing_wanted_and_keeps_the_numbers():
    some = topics(b"")
    some.publish(EUR, b"\x80", 5)
    some.forget_subscriptions()
    assert (some.is_wanted(EUR), some.logs[EUR].wanted, some.ticks_wanted) == (False, False, False)
    some.subscribe(EUR)
    assert decode_publication(some.publish(EUR, b"\x80", 6)).stamp.sequence == 2


@pytest.mark.parametrize("key", [b"\0", b"tick.\0", b"tick EURUSD\0", b"tick.\xff\0", b"x" * 129 + b"\0"])
def test_what_is_no_topic_is_refused(key):
    with pytest.raises(ProtocolError, match="topic") as caught:
        topics().log(key)
    assert caught.value.code == "BAD_TOPIC"


def test_the_number_of_topics_is_bounded_and_known_ones_go_on():
    some = topics(limit=2)
    some.log(EUR)
    some.log(EURX)
    assert some.log(EUR).key == EUR
    with pytest.raises(ProtocolError, match="2 topics are in use") as caught:
        some.log(b"tick.NABIL\0")
    assert (caught.value.code, len(some.logs)) == ("TOO_MANY_TOPICS", 2)
    assert (some.refused, list(some.refused_topics)) == (1, ["tick.NABIL"])


def test_topics_that_there_was_no_room_for_are_counted_and_the_newest_named():
    some = topics(limit=1)
    some.log(EUR)
    for number in (*range(30), 25):
        with pytest.raises(ProtocolError):
            some.log(f"tick.S{number}\0".encode())
    assert some.refused == 31
    assert list(some.refused_topics) == [f"tick.S{number}" for number in (*range(20, 25), *range(26, 30), 25)]


PARTS = ("tick.", "tick.EUR", "tick.EURUSD", "tick.EURUSDX", "tick.GBP", "stats", "t", "ticks", "ticksome", "", "x" * 128)
PREFIXES = st.tuples(st.sampled_from(PARTS), st.sampled_from(("", "\0", "\0\0", "A"))).map(lambda parts: "".join(parts).encode())
KEYS = st.sampled_from([part.encode() + b"\0" for part in PARTS if part and not part.endswith(".")])
STEPS = st.one_of(
    st.tuples(st.just("subscribe"), PREFIXES),
    st.tuples(st.just("unsubscribe"), PREFIXES),
    st.tuples(st.just("log"), KEYS),
    st.tuples(st.just("drop"), KEYS),
    st.tuples(st.just("forget_subscriptions")),
)


@given(st.lists(STEPS, max_size=60))
def test_whatever_the_order_a_topic_is_wanted_exactly_if_a_subscription_covers_it(steps):
    some, prefixes = topics(), []
    for name, *args in steps:
        getattr(some, name)(*args)
        if name == "subscribe":
            prefixes += args
        elif name == "unsubscribe" and args[0] in prefixes:
            prefixes.remove(args[0])
        elif name == "forget_subscriptions":
            prefixes.clear()
        for key in (TICKS, b"tick.EURUSD\0", *some.logs):
            assert some.is_wanted(key) == any(key.startswith(prefix) for prefix in prefixes)
        assert {key: log.wanted for key, log in some.logs.items()} == {key: some.is_wanted(key) for key in some.logs}
        assert (some.ticks_wanted, some.subscriptions.count) == (some.is_wanted(TICKS), len(prefixes))


class Untouchable(dict):
    """Topics that count lookups, and that must not be iterated."""

    read = 0

    def __getitem__(self, key):
        self.read += 1
        return super().__getitem__(key)

    def values(self):
        raise AssertionError("a subscription goes through all topics")

    __iter__ = items = keys = values


def test_a_subscription_looks_up_only_the_topics_that_it_covers():
    some = topics(limit=5000)
    for number in range(4000):
        some.log(b"tick.S%04d\0" % number)
    some.logs = Untouchable(some.logs)
    for prefix, covered in ((b"tick.S0007\0", 1), (b"tick.S001", 10), (b"tick.NEVER\0", 0), (b"z", 0), (b"config.", 0)):
        some.logs.read = 0
        some.subscribe(prefix)
        some.welcome(prefix, 9)
        some.unsubscribe(prefix)
        assert some.logs.read <= 3 * covered, prefix


# Welcome of a new subscriber


@pytest.mark.parametrize("prefix", [EUR, EUR[:-1]])
def test_an_exact_topic_with_or_without_its_nul_gets_its_last_message(prefix):
    some = topics()
    some.publish(EUR, pack({"n": 1}), 5)
    some.publish(EUR, pack({"n": 2}), 6)
    assert decode_publication(some.welcome(prefix, 9)) == Publication("tick.EURUSD", Stamp(7, 2, 6), pack({"n": 2}))


def test_the_topic_of_all_ticks_gets_an_empty_array_with_the_number_that_comes_next():
    some = topics()
    some.ticks = 41
    assert decode_publication(some.welcome(TICKS, 9)) == Publication("ticks", Stamp(7, 42, 9), b"\x90")


@pytest.mark.parametrize(("prefix", "topic", "wanted"), [(b"tick.", "tick.", 2), (b"", "", 3), (b"config.", "config.", 0)])
def test_a_prefix_gets_the_last_messages_of_all_its_topics_as_one(prefix, topic, wanted):
    some = topics()
    for number, key in enumerate((EUR, EURX, b"stats\0", EUR), 1):
        some.publish(key, pack({"n": number}), number)
    some.log(b"tick.SILENT\0")
    message = decode_publication(some.welcome(prefix, 9))
    rows = msgpack.unpackb(message.body)
    assert (message.topic, message.stamp, len(rows)) == (topic, Stamp(7, 0, 9), wanted)
    last = {"tick.EURUSD": (2, 4), "tick.EURUSDX": (1, 2), "stats": (1, 3)}
    for name, stamp, body in rows:
        sequence, number = last[name]
        assert (stamp, body) == (STAMP.pack(7, sequence, number), {"n": number})


@pytest.mark.parametrize("prefix", [HELLO, b"tick.NEVER\0", b"tick", b"\xff\0\0", b"\0"])
def test_where_there_is_nothing_yet_it_is_the_hello(prefix):
    message = decode_publication(topics().welcome(prefix, 9))
    assert (message.topic, message.stamp, msgpack.unpackb(message.body)) == ("hulak.hello", Stamp(7, 1, 9), {"protocol": 1})


def test_what_was_there_before_is_restored_though_the_limit_is_lower_by_now():
    frames = [encode_publication(f"tick.S{at}".encode(), Stamp(3, at, 5), b"\x80") for at in range(1, 6)]
    some = topics(limit=2)
    some.restore(frames, 15)
    assert [log.sequence for log in some.fed.values()] == [1, 2, 3, 4, 5]
    with pytest.raises(ProtocolError, match="2 topics are in use"):
        some.log(b"tick.NEW\0")
