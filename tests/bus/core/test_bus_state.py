"""The broker's whole state, without a socket."""

import msgpack
import pytest

from hulak.bus.backoff import Backoff
from hulak.bus.core.broker_state import BrokerState, Limits, Rejects
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import decode_publication, feed_frame, pack
from hulak.bus.wire.messages import HeldTask, Ready, Request, Result, WorkerHeartbeat

SHELL = {"process": {"pid": 7}}


@pytest.fixture
def bus():
    return make()


def make(max_topics=100):
    def refused(error):
        raise AssertionError(error)

    limits = Limits(max_topics=max_topics)
    return BrokerState(3, "1.2.3", limits, Policy(), refused, 100.0, Backoff(0.5, 60.0, lambda: 0.5))


def test_a_new_bus_reports_zero_counts(bus):
    stats = bus.stats(102.5, SHELL)
    assert stats["broker"] == {"version": "1.2.3", "protocol": 1, "epoch": 3, "uptime_s": 2.5, "pid": 7}
    assert stats["ticks"]["taken"] == stats["ticks"]["symbols"] == stats["tasks"]["queued"] == stats["rejected"]["total"] == 0
    assert (stats["workers"], stats["processes"], stats["ticks"]["feed_to_broker_us"]) == ([], [], None)


def test_ticks_workers_tasks_reports_and_refusals_all_show_in_the_stats(bus):
    bus.intake.open(5, 1, 0.0)
    bus.turn([feed_frame("EURUSD", 5, 1, 999_000, b"\x80"), feed_frame("NABIL", 5, 2, 999_000, b"\x80")], 100.0, 1_000_000)
    bus.turn([feed_frame("EURUSD", 5, 1, 1, b"\x80"), feed_frame("NABIL", 5, 9, 1, b"\x80")], 100.0, 1_000_000)
    bus.turn([feed_frame("EURUSD", 6, 1, 1, b"\x80")], 100.0, 1_000_000)
    bus.topics.subscribe(b"tick.")
    bus.dispatcher.ready(100.0, b"w", Ready("nepse", "w/1", 1, (), {"slot": "nepse_1"}))
    for number in range(3):
        bus.dispatcher.request(100.0, b"c", Request(bytes([number]) * 16, "nepse", ""))
    bus.dispatcher.heartbeat(100.5, b"w", WorkerHeartbeat((HeldTask(bytes(16), 1),), {"rss_bytes": 5}))
    bus.dispatcher.result(100.5, b"w", Result(bytes(16), 1, True, None))
    bus.reports.take(100.0, "feed", "binance", 9, {"posted": 2})
    bus.rejects.count("frontend", b"peer", "BAD_BODY", 0.0)
    stats = bus.stats(101.0, SHELL)
    ticks, tasks = stats["ticks"], stats["tasks"]
    assert (ticks["taken"], ticks["symbols"], ticks["subscriptions"]) == (2, 2, 1)
    assert (ticks["duplicates"], ticks["early"], ticks["unopened"]) == (1, 1, 1)
    assert ticks["feed_to_broker_us"]["max"] == 1.0
    assert (tasks["queued"], tasks["running"], tasks["waiting"], tasks["accepted"], tasks["done"]) == (1, 1, 0, 3, 1)
    (worker,) = stats["workers"]
    assert worker == {
        "name": "w/1",
        "service": "nepse",
        "state": "busy",
        "credit": 1,
        "held": 1,
        "done": 1,
        "failed": 0,
        "age_s": 1.0,
        "slot": "nepse_1",
        "rss_bytes": 5,
    }
    assert stats["processes"] == [{"kind": "feed", "name": "binance", "pid": 9, "age_s": 1.0, "posted": 2}]
    assert stats["rejected"] == {"total": 1, "frontend": {"BAD_BODY": 1}}


def test_a_symbol_ticks_for_a_minute_after_its_last_tick(bus):
    second = 1_000_000_000
    bus.intake.open(5, 1, 0.0)
    bus.turn([feed_frame("EURUSD", 5, 1, 1, b"\x80")], 100.0, 1000 * second)
    bus.turn([feed_frame("USDJPY", 5, 2, 1, b"\x80")], 130.0, 1030 * second)

    def ticking(time_s):
        ticks = bus.stats(131.0, {**SHELL, "time_ns": time_s * second})["ticks"]
        return ticks["ticking"], ticks["symbols"]

    assert [ticking(time_s) for time_s in (1030, 1060, 1061, 1090, 1091)] == [(2, 2), (2, 2), (1, 2), (1, 2), (0, 2)]


def test_topics_of_several_feeds_are_reported_with_the_names_of_the_feeds(bus):
    bus.reports.take(0.0, "feed", "kraken", 5, {"instance": "7"})
    for instance in (7, 1 << 62):
        bus.intake.open(instance, 1, 0.0)
    for number in (1, 2):
        for instance in (7, 1 << 62, 0):
            bus.intake.turn([feed_frame("BTCUSD", instance, number, 1, b"\x80")], 1.0, 1)
    ticks = bus.stats(2.0, {})["ticks"]
    assert (ticks["shared"], ticks["shared_topics"]) == (
        1,
        {"tick.BTCUSD": ["instance 4000000000000000", "kraken", "unnumbered feeds"]},
    )
    later = bus.stats(70.0, {})["ticks"]
    assert (later["shared"], later["shared_topics"]) == (0, {})


def test_stats_are_published_every_second_as_a_numbered_topic(bus):
    bus.topics.subscribe(b"stats\0")
    bus.intake.open(5, 1, 0.0)
    bus.turn([feed_frame("EURUSD", 5, number, 1, b"\x80") for number in range(1, 11)], 100.0, 1)
    assert bus.stats_due == 101.0
    publication = decode_publication(bus.publish_stats(102.0, 55, SHELL))
    assert (publication.topic, publication.stamp.sequence, publication.stamp.time_ns) == ("stats", 1, 55)
    assert msgpack.unpackb(publication.body)["ticks"]["per_s"] == 5.0
    assert decode_publication(bus.publish_stats(103.0, 56, SHELL)).stamp.sequence == 2
    assert bus.stats_due == 104.0


def test_stats_without_subscribers_are_not_sent(bus):
    assert bus.publish_stats(101.0, 1, SHELL) is None


def test_the_brokers_own_topics_have_their_place_even_if_feeds_took_all_others():
    refused = []
    limits = Limits(max_topics=20)
    bus = BrokerState(3, "1", limits, Policy(), refused.append, 100.0, Backoff(0.5, 60.0, lambda: 0.5))
    bus.turn([feed_frame(f"S{number}", 0, 0, 1, b"\x80") for number in range(30)], 100.0, 1)
    assert {error.code for error in refused} == {"TOO_MANY_TOPICS"}
    bus.topics.subscribe(b"")
    assert decode_publication(bus.publish_stats(101.0, 1, SHELL)).topic == "stats"


def test_the_bus_is_due_when_its_stats_or_its_tasks_are(bus):
    assert bus.next_due() == 100.25
    bus.dispatcher.advance(101.5)
    assert bus.next_due() == 101.0


def test_stats_can_be_packed_with_any_values_of_workers(bus):
    info = {"pid": "seven", "name": 5, "nested": {"a": [1, None, {2: b"\xff"}]}}
    bus.dispatcher.ready(100.0, b"w", Ready("nepse", "w/1", 1, (), info))
    assert msgpack.unpackb(pack(bus.stats(101.0, SHELL)), strict_map_key=False)["workers"][0]["nested"] == info["nested"]


# Refusals


def test_a_refusal_is_counted_each_time_and_logged_once_per_peer_and_code():
    rejects = Rejects()
    assert [rejects.count("frontend", b"a", "BAD_BODY", now) for now in (0.0, 1.0, 299.0)] == [1, 0, 0]
    assert rejects.count("frontend", b"b", "BAD_BODY", 0.0) == 1
    assert rejects.count("frontend", b"a", "BAD_KIND", 0.0) == 1
    assert rejects.count("backend", b"a", "BAD_BODY", 0.0) == 1
    assert (rejects.total(), rejects.counts["frontend"]) == (6, {"BAD_BODY": 4, "BAD_KIND": 1})
    assert [rejects.count("frontend", b"a", "BAD_BODY", now) for now in (300.0, 301.0, 600.0)] == [3, 0, 2]


def test_peers_remembered_are_bounded():
    rejects = Rejects(remember=10)
    for number in range(100):
        rejects.count("frontend", b"%d" % number, "BAD_BODY", 0.0)
    assert (len(rejects._logged) <= 10, rejects.total()) == (True, 100)


def test_a_request_beyond_the_bound_is_refused_not_dropped():
    bus = BrokerState(3, "1", Limits(), Policy(max_tasks=1), lambda error: None, 100.0, Backoff(0.5, 60.0, lambda: 0.5))
    bus.dispatcher.request(100.0, b"c", Request(bytes(16), "nepse", ""))
    with pytest.raises(ProtocolError, match="1 tasks wait or run"):
        bus.dispatcher.request(100.0, b"c", Request(b"2" * 16, "nepse", ""))


def test_what_failed_of_late_and_what_there_may_be_shows_in_the_stats(bus):
    bus.dispatcher.ready(100.0, b"w", Ready("sums", "w/1", 8))
    bus.dispatcher.accept(100.0, [Posting(bytes(16), None, "sums", "a", b"\x80", 0, float("inf")).task(100.0)])
    bus.dispatcher.request(100.0, b"c", Request(bytes([1]) * 16, "sums", "", {}, {"retries": 0}))
    for number in range(2):
        failure = {"code": "BAD", "text": "no", "retryable": False}
        bus.dispatcher.result(101.0, b"w", Result(bytes([number]) * 16, 1, False, failure))
    stats = bus.stats(101.0, SHELL)
    assert stats["tasks"]["recent"] == {"window_s": 1.0, "done": 0, "failed": 2, "expired": 0, "dead_letters": 1}
    assert (stats["tasks"]["dead_letters"], stats["tasks"]["most"]) == (1, 10_000)
    assert (stats["ticks"]["topics"], stats["ticks"]["most_topics"], stats["ticks"]["refused_topics"]) == (4, 100, [])
    lost = bus.stats(101.0, {**SHELL, "journal": {"lost": 5}})
    assert lost["ticks"]["recent"] == {"window_s": 1.0, "topics_refused": 0, "lost": 5}
    for second in range(102, 1000):
        bus.publish_stats(float(second), 0, SHELL)
    assert bus.stats(1000.0, SHELL)["tasks"]["recent"]["failed"] == 0
