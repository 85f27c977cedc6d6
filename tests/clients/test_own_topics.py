"""`Publisher`: own topics over a real broker that is killed, a second owner, and bodies that are refused."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest
from local_bus import ROOT, LocalBus
from waiting import eventually

from hulak.bus.errors import BusError, BusTimeout, FeedError
from hulak.clients.history import History, last_events
from hulak.clients.own_topics import MOST_BYTES, AsyncPublisher, Publisher

WITHIN_S = 20

OWNER = """
import sys, time
from hulak import Publisher

with Publisher("signals", timeout_s=20) as signals:
    signals.post("first")
    signals.flush()
    print("there", flush=True)
    time.sleep(600)
"""


def publisher_of(local_bus, name="signals", **options):
    return Publisher(name, settings=local_bus.settings, home=local_bus.home, **{"timeout_s": WITHIN_S, **options})


def names(local_bus):
    with local_bus.client() as client:
        return {row["name"]: row for row in client.call("hulak.topic.owners", timeout_s=5)}


def test_journalled_topics_lose_nothing_over_a_kill_of_the_broker_and_go_on_with_their_numbers():
    with LocalBus() as local_bus:
        broker = local_bus.start_broker()
        with (
            local_bus.subscriber("app.signals.") as subscriber,
            publisher_of(local_bus, journal=True) as signals,
            publisher_of(local_bus, "live") as live,
        ):
            for number in range(10):
                signals.post({"symbol": "EURUSD", "n": number}, "EURUSD")
                live.post(number)
            signals.flush()
            live.flush()
            assert (signals.journalled, live.journalled) == (True, False)
            broker.kill()
            broker.wait()
            for number in range(10, 20):
                signals.post({"symbol": "EURUSD", "n": number}, "EURUSD")
                live.post(number)
            local_bus.start_broker()
            signals.flush()
            live.flush()
            events = [subscriber.poll(WITHIN_S) for _ in range(20)]
            owner = f"app.signals/{os.getpid()}"
            eventually(lambda: names(local_bus)["signals"]["owner"] == owner, within_s=WITHIN_S)
            row = names(local_bus)["signals"]
        assert [event.body["n"] for event in events] == list(range(20))
        assert [event.stamp.sequence for event in events] == list(range(1, 21))
        assert (row["journalled"], row["topics"]) == (True, 1)
        with local_bus.client() as client:
            assert [event.body["n"] for event in History(client, "app.signals.EURUSD")] == list(range(20))
            assert [event.body for event in History(client, "ticks")] == [{}] * 20
            [last] = last_events(client, "app.live")
        assert (last.body, last.stamp.epoch, last.stamp.sequence) == (19, 0, 10)  # numbered again by the new broker
        with local_bus.subscriber("app.", since="oldest") as subscriber:
            seen = [subscriber.poll(WITHIN_S) for _ in range(22)]
        kept = [(event.topic, event.stamp.sequence) for event in seen if event.stamp.epoch and event.topic != "live"]
        assert kept == [("app.signals.EURUSD", number) for number in range(1, 21)]
        assert ("app.live", 10) in [(event.topic, event.stamp.sequence) for event in seen]


def test_a_second_owner_is_refused_while_the_first_one_lives_and_succeeds_it_after_a_crash(tmp_path):
    with LocalBus() as local_bus:
        local_bus.start_broker()
        variables = {**os.environ, **local_bus.variables, "PYTHONPATH": str(ROOT)}
        first = subprocess.Popen([sys.executable, "-c", OWNER], env=variables, stdout=subprocess.PIPE, cwd=tmp_path)
        try:
            assert first.stdout.readline() == b"there\n"
            with pytest.raises(BusError, match=r"'app\.signals' is owned by app\.signals/\d+, which claimed it") as refused:
                publisher_of(local_bus).open()
            assert refused.value.code == "NOT_YOURS"
            first.send_signal(signal.SIGKILL)
            began = time.monotonic()
            with publisher_of(local_bus) as second:
                second.post("second")
            assert time.monotonic() - began < WITHIN_S
        finally:
            first.kill()
            first.wait()
            first.stdout.close()
        with local_bus.client() as client:
            [last] = last_events(client, "app.signals")
            assert (last.body, last.stamp.sequence) == ("second", 2)
            assert client.call("hulak.stats", timeout_s=5)["ticks"]["own"]["refused_claims"] >= 2


def test_a_name_is_free_as_soon_as_its_publisher_is_closed_and_its_instance_is_forgotten():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        for number in range(3):
            with publisher_of(local_bus, timeout_s=5) as signals:
                signals.post(number)
        assert names(local_bus)["signals"]["owner"] == ""
        stats = local_bus.stats()["ticks"]
        assert (stats["own"]["taken"], stats["own"]["names"], stats["own"]["topics"]) == (3, 0, 1)


def test_messages_on_their_way_are_not_refused_when_a_publisher_is_closed_without_a_flush():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        signals = publisher_of(local_bus, journal=True)
        signals.open()
        for number in range(200):
            signals.post(number)
        signals.close()
        eventually(lambda: local_bus.stats()["ticks"]["own"]["taken"] == 200, within_s=WITHIN_S)
        assert "collector" not in local_bus.stats()["rejected"]


def test_what_the_broker_refuses_is_reported_by_flush_with_topic_and_code():
    with LocalBus(**{"broker.max_topics": 12}) as local_bus:
        local_bus.start_broker()
        with publisher_of(local_bus) as signals:
            signals.post(b"x" * 70_000, "large")
            for number in range(5):
                signals.post(number, f"t{number}")
            with pytest.raises(BusError, match=r"refused 3 messages: .*app\.signals\.large \(TOO_LARGE\)") as refused:
                signals.flush()
            assert "TOO_MANY_TOPICS" in str(refused.value)
        with pytest.raises(BusError, match="are not journalled; to change that, remove them first"):
            publisher_of(local_bus, journal=True).open()
        counts = local_bus.stats()["rejected"]["collector"]
        assert (counts["TOO_LARGE"], counts["TOO_MANY_TOPICS"]) == (1, 2)


def test_an_asynchronous_publisher_posts_in_order_and_confirms():
    async def post(local_bus):
        options = {"settings": local_bus.settings, "home": local_bus.home, "timeout_s": WITHIN_S}
        async with AsyncPublisher("signals", journal=True, **options) as signals:
            for number in range(500):
                await signals.post(number)
            await signals.flush()
            assert (signals.journalled, signals.counters()["unconfirmed"]) == (True, 0)

    with LocalBus() as local_bus:
        local_bus.start_broker()
        asyncio.run(post(local_bus))
        with local_bus.client() as client:
            assert [event.body for event in History(client, "app.signals")] == list(range(500))


@pytest.mark.parametrize("name", ["", "a.b", "x" * 65, "a b", "é", None, 5, "a\n"])
def test_a_name_that_no_topic_can_have_is_refused(name):
    with pytest.raises(FeedError, match="must be 1 to 64 letters, digits, '_' and '-'"):
        Publisher(name)


@pytest.mark.parametrize(
    ("body", "rest", "why"),
    [
        (object(), "", "which msgpack cannot hold"),
        ({1: 2}, "", "the keys of a dict must be texts"),
        (1 << 64, "", "which msgpack cannot hold"),
        ("\ud800", "", "which msgpack cannot hold"),
        ("x" * MOST_BYTES, "", "must be at most"),
        (1, "a b", "must be letters"),
        (1, "a.", "not end with"),
        (1, "x" * 128, "must be 1 to 128"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused_at_once(body, rest, why, tmp_path):
    publisher = Publisher("signals", home=tmp_path, timeout_s=0.0)
    with pytest.raises(FeedError, match=why):
        publisher.post(body, rest)
    publisher.close()


def test_without_a_broker_the_error_names_its_address(tmp_path):
    with pytest.raises(BusTimeout, match=r"no broker accepted messages at .*start one with `hulak up`"):
        Publisher("signals", home=tmp_path, timeout_s=0.0).open()


def test_the_topics_of_a_name_can_be_of_the_other_kind_after_they_were_removed():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        for journal in (True, False):
            with publisher_of(local_bus, journal=journal) as signals:
                signals.post(1, "a")
                signals.post(1)
            with local_bus.client() as client:
                removed = client.call("hulak.topic.remove", "", {"topics": ["app.signals", "app.signals.*"]}, timeout_s=5)
            assert removed == {"removed": ["app.signals", "app.signals.a"]}
        eventually(lambda: names(local_bus) == {}, within_s=WITHIN_S)
