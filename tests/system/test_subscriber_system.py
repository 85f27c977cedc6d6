"""`Subscriber` against a real broker: modes, `async for`, joining, and repair."""

import asyncio

import pytest
from local_bus import LocalBus
from unnumbered_feed import UnnumberedFeed
from waiting import eventually

from hulak.bus.errors import BusTimeout, ConfigError, ProtocolError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Tick
from hulak.clients.subscriber import Subscriber

pytestmark = pytest.mark.system


@pytest.fixture
def local_bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        yield local_bus


@pytest.fixture
def feed(local_bus):
    with UnnumberedFeed(local_bus) as feed:
        yield feed


def take(subscriber, count):
    events = []
    while len(events) < count:
        event = subscriber.poll(10)
        assert event is not None, f"only {len(events)} of {count} came"
        events.append(event)
    return events


def test_an_async_for_gets_every_tick_in_order(local_bus, feed):
    async def read():
        subscriber = local_bus.subscriber("tick.EURUSD")
        posting = asyncio.ensure_future(asyncio.to_thread(feed.post, 3000))
        numbers = []
        async for event in subscriber:
            numbers.append(event.stamp.sequence)
            if len(numbers) == 3000:
                break
        await posting
        subscriber.close()
        return numbers

    assert asyncio.run(asyncio.wait_for(read(), 30)) == list(range(1, 3001))


def test_joining_an_exact_topic_begins_with_its_last_value(local_bus, feed):
    feed.post(5)
    eventually(lambda: local_bus.stats()["ticks"]["taken"] == 5, within_s=30)
    with local_bus.subscriber("tick.EURUSD") as subscriber:
        feed.post(2)
        assert [(event.stamp.sequence, event.body["bid"]) for event in take(subscriber, 3)] == [(5, 5.0), (6, 6.0), (7, 7.0)]


def test_joining_a_prefix_begins_with_every_last_value_and_includes_new_topics_from_their_first_message(local_bus, feed):
    feed.post(2, "EURUSD", "USDJPY")
    eventually(lambda: local_bus.stats()["ticks"]["taken"] == 4, within_s=30)
    with local_bus.subscriber("tick.") as subscriber:
        assert {(event.topic, event.stamp.sequence) for event in take(subscriber, 2)} == {("tick.EURUSD", 2), ("tick.USDJPY", 2)}
        feed.post(1, "GBPUSD", "EURUSD")
        assert [(event.topic, event.stamp.sequence) for event in take(subscriber, 2)] == [("tick.GBPUSD", 1), ("tick.EURUSD", 3)]


def test_all_ticks_come_numbered_in_the_global_order(local_bus, feed):
    feed.post(3)
    eventually(lambda: local_bus.stats()["ticks"]["taken"] == 3, within_s=30)
    with local_bus.subscriber("ticks") as subscriber:
        feed.post(50, "EURUSD", "USDJPY")
        events = take(subscriber, 100)
        assert [event.stamp.sequence for event in events] == list(range(4, 104))
        assert [event.body["bid"] for event in events] == [float(price) for price in range(4, 104)]


def test_the_latest_mode_returns_the_newest_of_each_topic_and_never_an_older_one(local_bus, feed):
    with local_bus.subscriber("tick.", mode="latest") as subscriber:
        feed.post(200, "EURUSD", "USDJPY")
        eventually(lambda: local_bus.stats()["ticks"]["taken"] == 400, within_s=30)
        last = {}
        while len(last) < 2 or min(last.values()) < 200:
            event = subscriber.poll(10)
            assert event is not None
            assert event.stamp.sequence > last.get(event.topic, 0)
            last[event.topic] = event.stamp.sequence


@pytest.mark.parametrize("transport", ["ring", "socket"])
def test_messages_that_a_killed_broker_did_not_deliver_are_repaired_from_the_journal_of_the_next(local_bus, feed, transport):
    how = {"transport": transport}
    with local_bus.subscriber("tick.EURUSD", **how) as subscriber, local_bus.subscriber("ticks", **how) as everything:
        feed.post(10)
        assert len(take(subscriber, 10)) == len(take(everything, 10)) == 10
        [broker] = [process for process in local_bus.processes if process.poll() is None]
        broker.kill()
        broker.wait()
        local_bus.start_broker()
        eventually(lambda: feed.post(1) or local_bus.stats()["ticks"]["taken"] >= 15, within_s=30)
        numbers = [event.stamp.sequence for event in take(subscriber, 5)]
        assert numbers == list(range(11, 16))
        assert [event.stamp.sequence for event in take(everything, 5)] == list(range(11, 16))
        assert subscriber.gaps == everything.gaps == []


@pytest.mark.parametrize("transport", ["ring", "socket"])
@pytest.mark.parametrize("topic", ["ticks", "tick.EURUSD", "tick."])
def test_ticks_can_be_read_as_values_in_batches_also_over_a_killed_broker(local_bus, feed, topic, transport):
    with local_bus.subscriber(topic, transport=transport) as subscriber:
        feed.post(100)
        [broker] = [process for process in local_bus.processes if process.poll() is None]
        eventually(lambda: local_bus.stats()["ticks"]["taken"] == 100, within_s=30)
        broker.kill()
        broker.wait()
        local_bus.start_broker()
        eventually(lambda: feed.post(10) or local_bus.stats()["ticks"]["taken"] >= 150, within_s=30)
        taken = local_bus.stats()["ticks"]["taken"]
        prices = []
        while len(prices) < taken:
            ticks = subscriber.poll_ticks(10)
            assert ticks, f"only {len(prices)} of {taken} came"
            assert {type(tick) for tick in ticks} == {Tick}
            prices += [tick.bid for tick in ticks]
        assert prices == sorted(set(prices))
        assert prices[:100] == [float(price) for price in range(1, 101)]
        assert subscriber.gaps == []


def test_a_tick_whose_body_lacks_a_key_does_not_affect_the_others(local_bus, feed):
    with local_bus.subscriber("ticks") as subscriber:
        feed.post(1)
        odd = codec.pack({"symbol": "EURUSD", "bid": "high"})
        feed.socket.send(codec.feed_frame("EURUSD", 0, 1, 1, odd))
        feed.post(1)
        prices = []
        while len(prices) < 2:
            prices += [tick.bid for tick in subscriber.poll_ticks(10)]
        assert prices == [1.0, 2.0]
        assert subscriber.counters()["malformed"] == 1


def test_a_wrong_topic_mode_or_home_is_refused_at_once(local_bus):
    where = {"settings": local_bus.settings, "home": local_bus.home}
    with pytest.raises(ProtocolError, match="a b"):
        Subscriber("tick.a b", **where)
    with pytest.raises(ConfigError, match="'fast'"):
        Subscriber("ticks", mode="fast", **where)
    with LocalBus() as empty, pytest.raises(BusTimeout, match="hulak up"):
        Subscriber("ticks", settings=empty.settings, home=empty.home, timeout_s=0.2)


def test_one_subscriber_receives_thousands_of_topics(local_bus, feed):
    symbols = [f"S{number:04d}" for number in range(3000)]  # more than libzmq's default queue of subscriptions holds
    feed.post(1, *symbols)
    eventually(lambda: local_bus.stats()["ticks"]["symbols"] == len(symbols), within_s=60)
    with local_bus.subscriber(*(f"tick.{symbol}" for symbol in symbols), transport="socket") as subscriber:
        assert {event.topic for event in take(subscriber, len(symbols))} == {f"tick.{symbol}" for symbol in symbols}
        assert local_bus.stats()["ticks"]["subscriptions"] == len(symbols) + 2  # heartbeat, hello
        feed.post(1, symbols[0], symbols[-1])
        assert [(event.topic, event.stamp.sequence) for event in take(subscriber, 2)] == [("tick.S0000", 2), ("tick.S2999", 2)]
    eventually(lambda: local_bus.stats()["ticks"]["subscriptions"] == 0, within_s=60)
