"""Silence of others, while the observer itself is stopped or starved."""

from hulak.bus.wire.fair_silence import Watch
from hulak.clients.judge.heartbeats import HEARTBEAT, Heartbeats


def test_silence_counts_from_the_last_sign_while_the_observer_runs():
    watch = Watch(100.0)
    for now in (100.25, 100.5, 101.0, 101.7):
        watch.check(now)
    assert watch.silence_s(100.2, 101.7) == 1.5


def test_an_observer_that_stood_still_blames_no_process_for_that_time():
    watch = Watch(100.0)
    watch.check(100.2)
    watch.check(160.0)
    assert watch.silence_s(100.1, 160.0) == 0.0
    watch.check(160.7)
    watch.check(161.4)
    assert watch.silence_s(100.1, 161.5) == 1.5, "from then on messages can arrive"
    assert watch.silence_s(161.25, 161.5) == 0.25


class Message:
    def __init__(self, topic):
        self.topic = topic


def test_heartbeats_are_taken_and_other_messages_passed():
    beats, stats = Heartbeats(10.0), Message("stats")
    assert beats.passed(stats, 10.2) is stats
    assert beats.silence_s(10.4) is None, "no heartbeat yet"
    assert beats.passed(Message(HEARTBEAT), 10.5) is None
    for now in (11.0, 11.5, 12.0):
        assert beats.passed(None, now) is None
    assert beats.silence_s(12.0) == 1.5
