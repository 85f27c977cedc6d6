"""Removed topics: gone after restarts, their ticks still in the journal, and none of their numbers used twice."""

import random

import pytest
from journal_fixture import killed, newest

from hulak.bus.broker.storage.segment_file import read_head
from hulak.bus.core.journal.record_format import Snapshot
from hulak.bus.errors import ProtocolError

KEY = b"tick.EURUSD\0"


def refusal(fixture, **args):
    with pytest.raises(ProtocolError) as caught:
        fixture.replay(**args)
    return caught.value


@pytest.mark.parametrize("how", [killed, lambda fixture: fixture.journal.close()])
def test_a_removed_topic_stays_away_over_a_restart_and_then_continues_after_its_old_numbers(offices, how):
    fixture = offices()
    fixture.write(8)
    assert fixture.remove("EURUSD") == [KEY]
    fixture.write(2, symbols=("USDJPY",))
    how(fixture)
    again = offices()
    assert (again.recovered.why_new_epoch, list(again.topics.fed)) == ("", [b"tick.USDJPY\0"])
    assert refusal(again, topic="tick.EURUSD").code == "UNKNOWN_TOPIC"
    again.write(2, symbols=("EURUSD",))
    assert again.topics.logs[KEY].sequence == 6
    killed(again)
    third = offices()
    assert (third.topics.logs[KEY].sequence, third.topics.ended) == (6, {KEY: 4})


def test_its_old_ticks_are_read_in_the_global_order_and_not_under_its_name(offices):
    fixture = offices(segment_bytes=4096)
    for _ in range(5):
        fixture.write(20)
        fixture.beat()
    fixture.remove("EURUSD")
    for _ in range(5):
        fixture.write(20)
        fixture.beat()
    error = refusal(fixture, topic="tick.EURUSD", to=60)
    assert (error.code, error.details) == ("TOO_OLD", {"oldest": 51, "begins": True})
    rows, summary = fixture.replay(topic="tick.EURUSD", from_=51)
    assert [message.stamp.sequence for _, message in rows] == list(range(51, 101))
    assert summary["missing"] == []
    assert [message.stamp.sequence for _, message in fixture.replay(topic="tick.EURUSD", from_=77, to=81)[0]] == list(
        range(77, 82)
    )
    by_time = fixture.replay(topic="tick.EURUSD", since_ns=1)[0]
    assert [message.stamp.sequence for _, message in by_time] == list(range(51, 101))
    for topic, count in (("ticks", 200), ("tick.EURUSD\0", 100)):
        assert len(fixture.replay(topic=topic)[0]) == count


def test_a_head_from_before_there_were_removed_topics_is_read(offices, folder):
    fixture = offices()
    fixture.write(4)
    fixture.remove("EURUSD")
    head = read_head(newest(folder))
    assert (head.ended, head.floor) == ({KEY: 2}, 0)
    assert Snapshot(1, "b", 2, 3) == Snapshot(1, "b", 2, 3, ended={}, floor=0)


@pytest.mark.parametrize("seed", range(6))
def test_no_epoch_topic_and_number_ever_names_two_ticks(offices, monkeypatch, seed):
    monkeypatch.setattr("hulak.bus.core.ticks.topic_logs.MOST_ENDED", 4)
    draw, fixture, seen = random.Random(seed), offices(segment_bytes=4096), {}
    names = [f"S{number}" for number in range(12)]
    for _ in range(120):
        what = draw.random()
        if what < 0.6:
            fixture.write(draw.randrange(1, 12), symbols=draw.sample(names, 3))
        elif what < 0.75:
            fixture.beat()
        elif what < 0.92:
            fixture.remove(*draw.sample(names, draw.randrange(1, 6)))
        else:
            seen.update(check(fixture, seen))
            (killed if draw.random() < 0.5 else lambda ending: ending.journal.close())(fixture)
            fixture = offices(segment_bytes=4096)
    check(fixture, seen)
    for key, log in fixture.topics.fed.items():
        began = fixture.topics.ended.get(key, 0) + 1
        rows, summary = fixture.replay(topic=key[:-1].decode(), from_=began)
        assert [message.stamp.sequence for _, message in rows] == list(range(began, log.sequence + 1))
        assert summary["missing"] == []


def check(fixture, seen):
    """Check that each published tick has a unique name, and that all of them are in the journal."""
    for number, frame in fixture.published:
        name = frame[: frame.index(b"\0") + 17]
        assert seen.setdefault(name, (number, frame)) == (number, frame)
    return seen
