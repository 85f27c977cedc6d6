"""`Feed`: a program's own ticks, numbered and confirmed, over a broker that comes late, is restarted and refuses some."""

import contextlib
import logging
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusError, BusTimeout, FeedError
from hulak.clients.feed import Feed
from hulak.clients.history import History, last_events

WITHIN_S = 20


def feed_of(local_bus, name="mine", **options):
    return Feed(name, settings=local_bus.settings, home=local_bus.home, **{"timeout_s": WITHIN_S, **options})


def journalled(local_bus, topic):
    with local_bus.client() as client:
        return [event.body for event in History(client, f"tick.{topic}\0")]


def test_ticks_are_in_the_journal_in_their_order_when_the_feed_is_closed():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        with local_bus.subscriber("tick.EURUSD") as subscriber, feed_of(local_bus) as feed:
            for number in range(100):
                feed.post("eur/usd", 1.0 + number, 1.5 + number, timestamp=1_700_000_000_000 + number)
            assert [subscriber.poll(WITHIN_S).body["bid"] for _ in range(100)] == [1.0 + number for number in range(100)]
        ticks = journalled(local_bus, "EURUSD")
        assert [tick["timestamp"] for tick in ticks] == [1_700_000_000_000 + number for number in range(100)]
        assert {tick["source"] for tick in ticks} == {"mine"}
        assert all(tick["received_ns"] > 0 for tick in ticks)


def test_nothing_is_lost_when_the_broker_is_killed_on_the_way():
    with LocalBus() as local_bus:
        broker = local_bus.start_broker()
        with feed_of(local_bus) as feed:
            feed.post("X", 1, 2)
            feed.flush()
            broker.kill()
            broker.wait()
            for number in range(2, 50):
                feed.post("X", number, number + 1)
            with pytest.raises(BusTimeout, match=r"48 ticks were not confirmed within 0\.1 s; the feed keeps them"):
                feed.flush(0.1)
            local_bus.start_broker()
        assert [tick["bid"] for tick in journalled(local_bus, "X")] == list(range(1, 50))


def test_a_tick_is_described_by_its_fields():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        moment = datetime(2026, 11, 29, 12, tzinfo=UTC)
        with feed_of(local_bus, source="venue", prefix="my") as feed:
            feed.post("BTC/USD", None, 2.5, timestamp=moment)
            feed.post("BTC/USD", 3, 2.5, timestamp=moment, halted=True)
            before_ms = time.time_ns() // 10**6
            feed.post("BTC/USD", 1, 2)
        one_sided, crossed, plain = journalled(local_bus, "my.BTCUSD")
        assert (one_sided["bid"], one_sided["ask"], one_sided["flags"]) == (None, 2.5, ["one-sided"])
        assert (crossed["flags"], crossed["source"]) == (["crossed", "halted"], "venue")
        assert one_sided["timestamp"] == int(moment.timestamp() * 1000)
        assert before_ms <= plain["timestamp"] <= time.time_ns() // 10**6


@pytest.mark.parametrize(
    ("tick", "text"),
    [
        (("", 1, 2), "symbol"),
        (("X\n", 1, 2), "symbol"),
        (("X", float("nan"), 2), "bid is nan, must be a finite number"),
        (("X", 1, "much"), "ask is 'much', must be a finite number"),
        (("X", 1, 2, 5), "timestamp is 5, must be a whole number of ms since 1970 UTC, from 1990 to 2100"),
        (("X", 1, 2, datetime(2026, 1, 1)), "must have a time zone"),  # noqa: DTZ001 - that is what is wrong with it
        (("X", 1, 2, datetime(1980, 1, 1, tzinfo=UTC)), "from 1990 to 2100"),
        (("X", 1, 2, True), "timestamp is True"),
        ((None, 1, 2), "symbol is None, must be text"),
        (("X", 1, 2, datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))), "from 1990 to 2100"),
    ],
)
def test_a_bad_tick_is_refused_before_anything_is_posted(tick, text, tmp_path):
    feed = Feed("mine", home=tmp_path, timeout_s=0.0)
    with pytest.raises(FeedError, match=text):
        feed.post(*tick[:3], **({"timestamp": tick[3]} if len(tick) > 3 else {}))
    feed.close()


@pytest.mark.parametrize("name", ["", "x" * 201, "\ud800", "a\nb", 5, b"x"])
def test_a_feed_has_a_name(name):
    with pytest.raises(FeedError, match=r"name is .*, must be text of 1 to 200 printable characters"):
        Feed(name)


@pytest.mark.parametrize("source", ["x" * 201, "\ud800", 5, "any"])
def test_a_source_is_a_text_that_does_not_mean_all_sources(source):
    with pytest.raises(FeedError, match="source is "):
        Feed("mine", source=source)


def test_two_feeds_of_one_name_in_one_process_have_two_reports():
    def reports(local_bus):
        rows = local_bus.stats()["processes"]
        return {row["name"]: (row["pid"], row["posted"]) for row in rows if row["kind"] == "feed"}

    name, pid = f"mine/{os.getpid()}", os.getpid()
    with LocalBus() as local_bus:
        local_bus.start_broker()
        with feed_of(local_bus) as first:
            first.post("A", 1, 2)
            with feed_of(local_bus) as second:
                second.post("B", 1, 2)
                second.post("B", 1, 2)
                eventually(lambda: reports(local_bus) == {name: (pid, 1), f"{name}-2": (pid, 2)}, within_s=WITHIN_S)
            eventually(lambda: reports(local_bus) == {name: (pid, 1)}, within_s=WITHIN_S)
        with feed_of(local_bus):
            eventually(lambda: reports(local_bus) == {name: (pid, 0)}, within_s=WITHIN_S)


def test_threads_may_open_post_and_close_one_feed():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        for _ in range(5):
            feed, codes = feed_of(local_bus), []

            def post(feed=feed, codes=codes):
                try:
                    while True:
                        feed.post("X", 1, 2)
                except BusError as error:
                    codes.append(error.code)

            threads = [threading.Thread(target=post) for _ in range(6)]
            for thread in threads:
                thread.start()
            eventually(lambda feed=feed: feed.counters()["posted"] > 100, within_s=WITHIN_S)
            feed.close()
            for thread in threads:
                thread.join(WITHIN_S)
            assert codes == ["CLOSED"] * 6
            for use in (feed.open, feed.flush, lambda feed=feed: feed.post("X", 1, 2)):
                with pytest.raises(BusError, match="this feed is closed"):
                    use()


def test_a_call_that_waits_leaves_the_others_alone():
    with LocalBus() as local_bus:
        broker = local_bus.start_broker()
        with feed_of(local_bus) as feed:
            broker.send_signal(signal.SIGSTOP)
            feed.post("X", 1, 2)
            waiting = threading.Thread(target=feed.flush)
            waiting.start()
            for number in range(100):
                feed.post("X", number, 2)
            assert waiting.is_alive()
            assert feed.counters()["posted"] == 101
            broker.send_signal(signal.SIGCONT)
            waiting.join(WITHIN_S)
            assert not waiting.is_alive()


def test_a_forked_process_gets_an_error_that_it_needs_a_separate_feed():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        with feed_of(local_bus) as feed:
            child = os.fork()
            if child == 0:
                code = 1
                with contextlib.suppress(BaseException):
                    feed.close()
                    try:
                        feed.post("X", 1, 2)
                    except BusError as error:
                        code = 0 if "make another one in a forked process" in str(error) else 2
                os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            feed.post("X", 1, 2)


class BrokenLogger:
    """Fails at its first event."""

    def info(self, event, **fields):
        raise ValueError("no disk")


def test_a_feed_whose_thread_ends_reports_why():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        feed = feed_of(local_bus, logger=BrokenLogger())
        with pytest.raises(BusError, match=r"the thread of this feed has ended: ValueError\('no disk'\)"):
            feed.open()
        feed.close()


def test_without_a_broker_the_feed_raises_an_error_and_is_closed():
    with LocalBus() as local_bus, pytest.raises(BusTimeout, match=r"no broker accepted ticks at tcp://.* within 0\.1 s"):
        feed_of(local_bus, timeout_s=0.1).open()


def test_ticks_that_the_broker_refuses_are_an_error_of_flush_once():
    with LocalBus(**{"broker.max_topics": 10}) as local_bus:
        local_bus.start_broker()
        with feed_of(local_bus) as feed:
            for number in range(12):
                feed.post(f"T{number}", 1, 2)
            with pytest.raises(BusError, match=r"the broker refused \d+ ticks: T\d+ \(TOO_MANY_TOPICS\)"):
                feed.flush()
        with local_bus.client() as client:
            assert last_events(client, "tick.T0")


def test_a_feed_is_shown_and_a_bus_that_waits_for_a_feed_does_not_take_it_for_one():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        with feed_of(local_bus, "mine") as feed:
            feed.post("X", 1, 2)
            (row,) = eventually(
                lambda: [process for process in local_bus.stats()["processes"] if process["kind"] == "feed"], within_s=10
            )
            assert row["name"].startswith("mine/")
            assert row["program"] is True
            eventually(lambda: feed.counters()["unconfirmed"] == 0, within_s=10)
            assert feed.counters()["posted"] == 1
        eventually(lambda: not [process for process in local_bus.stats()["processes"] if process["kind"] == "feed"], within_s=10)


@pytest.mark.parametrize("kind", ["library", "structlog"])
def test_a_logger_that_is_given_gets_what_happens(kind, caplog):
    import structlog  # noqa: PLC0415

    with LocalBus() as local_bus, caplog.at_level(logging.INFO), structlog.testing.capture_logs() as captured:
        local_bus.start_broker()
        logger = logging.getLogger("program") if kind == "library" else structlog.get_logger()
        with feed_of(local_bus, logger=logger):
            pass
    lines = caplog.messages if kind == "library" else [line["event"] for line in captured]
    assert any(line.startswith("feed connected") for line in lines)
    if kind == "library":
        assert "broker=ipc://" in caplog.text
