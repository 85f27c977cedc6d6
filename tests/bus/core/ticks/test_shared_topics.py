"""Topics that several feeds post to at one time; time is a number."""

import random

from hulak.bus.core.ticks.intake import Intake
from hulak.bus.core.ticks.shared_topics import MOST_INSTANCES, MOST_TOPICS, REMEMBERED_S, REPORTED_S, SharedTopics
from hulak.bus.core.ticks.topic_logs import TopicLog, TopicLogs
from hulak.bus.wire.codec import feed_frame


def log(name="A"):
    return TopicLog(f"tick.{name}".encode() + b"\0", wanted=False)


def posted(rivals, topic, *turns):
    for instance, now in turns:
        if instance != topic.instance:
            rivals.turn(topic, instance, now)


def test_a_topic_is_shared_when_a_feed_posts_again_after_another_one():
    rivals, topic = SharedTopics(), log()
    posted(rivals, topic, (1, 0.0), (1, 1.0), (2, 2.0))
    assert list(rivals.topics(2.0)) == []
    posted(rivals, topic, (1, 3.0))
    assert list(rivals.topics(3.0)) == [("tick.A", [2, 1])]
    posted(rivals, topic, (2, 4.0), (2, 5.0))
    assert list(rivals.topics(5.0)) == [("tick.A", [1, 2])]


def test_a_feed_that_is_started_again_and_again_is_one():
    rivals, topic = SharedTopics(), log()
    posted(rivals, topic, *((instance, float(instance)) for instance in range(1, 100)))
    assert list(rivals.topics(100.0)) == []
    assert len(rivals._seen[topic.key]) == MOST_INSTANCES


def test_slow_feeds_are_detected_within_an_hour_and_reported_for_a_minute():
    rivals, topic = SharedTopics(), log()
    posted(rivals, topic, (1, 0.0), (2, 10.0), (1, 10.0 + REMEMBERED_S))
    assert [name for name, _ in rivals.topics(10.0 + REMEMBERED_S + REPORTED_S)] == ["tick.A"]
    assert list(rivals.topics(11.0 + REMEMBERED_S + REPORTED_S)) == []
    rivals, topic = SharedTopics(), log()
    posted(rivals, topic, (1, 0.0), (2, 10.0), (1, 11.0 + REMEMBERED_S))
    assert list(rivals.topics(11.0 + REMEMBERED_S)) == []


def test_the_memory_of_topics_is_bounded():
    rivals = SharedTopics()
    for number in range(MOST_TOPICS + 5):
        posted(rivals, log(f"S{number}"), (1, 0.0), (2, 1.0), (1, 2.0))
    assert len(rivals._seen) == len(rivals._shared) == MOST_TOPICS


def test_feeds_that_share_many_topics_are_detected_though_one_tick_of_a_turn_is_checked():
    topics = TopicLogs(epoch=7, limit=100)
    intake = Intake(topics, reject=print, max_bytes=1000)
    turns = random.Random(7)
    intake.open(8, 1, 0.0)
    for number in range(300):
        for lowest in (0, 8):  # two feeds, each of 12 symbols, 4 of which are of both
            burst = [feed_frame(f"S{at}", lowest, 12 * number + at - lowest + 1, 1, b"\x80") for at in range(lowest, lowest + 12)]
            intake.turn(burst, 1.0, turns.randrange(10**9, 10**12))
    assert sorted(name for name, _ in intake.rivals.topics(1.0)) == ["tick.S10", "tick.S11", "tick.S8", "tick.S9"]
