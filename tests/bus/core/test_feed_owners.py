"""Instances of feeds: each belongs to the key that opened it, and no key can use up the room of the others."""

import pytest

from hulak.bus.core.security.feed_owners import IDLE_S, MOST, SHARE, FeedOwners
from hulak.bus.core.ticks.intake import Intake
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError


class Feeds:
    def __init__(self, max_sources=8 * SHARE):
        self.intake = Intake(TopicLogs(1, 10), lambda error: None, max_bytes=1000, max_sources=max_sources)
        self.owners = FeedOwners(self.intake)

    def open(self, instance, name, now=0.0, sent=None):
        self.owners.open(instance, name, now)
        source = self.intake.open(instance, 1, now)
        if sent is not None:
            source.sent = sent

    def known(self):
        return set(self.intake.sources)


def test_an_instance_belongs_to_the_key_that_opened_it_while_it_is_known():
    feeds = Feeds()
    assert feeds.owners.has(7, "alice")
    feeds.open(7, "alice")
    feeds.open(7, "bob")
    assert [feeds.owners.has(7, name) for name in ("alice", "bob", "")] == [True, False, False]


def test_owners_of_forgotten_instances_are_forgotten():
    feeds = Feeds(10)
    feeds.open(7, "alice")
    for instance in range(100, 100 + MOST):
        feeds.owners.open(instance, "", 0.0)
        feeds.intake.sources.pop(instance, None)
    assert not feeds.owners.has(7, "bob")
    assert feeds.owners.has(100, "bob")


def test_a_key_at_its_share_loses_its_own_longest_idle_instance_and_no_other():
    feeds = Feeds()
    feeds.open(1, "bob")
    for instance in range(10, 18):
        feeds.open(instance, "alice", sent=float(instance))
    feeds.intake.sources[13].sent = 2.0
    feeds.open(20, "alice", now=2.0 + IDLE_S)
    assert feeds.known() == {1, 10, 11, 12, 14, 15, 16, 17, 20}
    assert feeds.owners.has(13, "bob")


def test_a_key_whose_instances_all_send_gets_no_more_and_the_others_do():
    feeds = Feeds()
    for instance in range(10, 18):
        feeds.open(instance, "alice", sent=100.0)
    with pytest.raises(ProtocolError, match=r"key 'alice' has 8 instances .* at most 8") as caught:
        feeds.open(20, "alice", now=100.0)
    assert caught.value.code == "BUSY"
    feeds.open(17, "alice", now=100.0)  # it has this instance already
    feeds.open(21, "bob", now=100.0)
    assert feeds.known() == {*range(10, 18), 21}


def test_a_key_that_opens_instances_without_end_takes_no_room_from_others():
    feeds = Feeds()
    feeds.open(1, "bob", sent=0.0)
    feeds.open(2, "", sent=0.0)
    for instance in range(100, 5000):
        feeds.open(instance, "alice")
    assert len(feeds.known()) == 2 + 8
    assert {1, 2} <= feeds.known()


def test_when_many_keys_have_used_up_all_room_an_idle_instance_of_the_one_with_most_is_forgotten():
    feeds = Feeds()
    for key in range(SHARE):
        for number in range(8):
            feeds.open(100 * key + number + 1, f"key{key}", sent=float(key == 0))
    del feeds.intake.sources[701]
    feeds.open(900, "")
    feeds.open(901, "late", now=IDLE_S)
    assert len(feeds.known()) == 8 * SHARE
    assert feeds.known() >= {900, 901, *range(1, 9)}  # those of the first key sent something a moment later


def test_the_owner_has_no_share():
    feeds = Feeds()
    for instance in range(1, 1 + 8 * SHARE):
        feeds.open(instance, "", sent=0.0)
    assert len(feeds.known()) == 8 * SHARE
