"""How a live feed handles unusual messages: good quotes are published, each bad name is reported once, Retry-After is obeyed."""

import asyncio
import random
import time
from types import SimpleNamespace

import pytest
import structlog

from hulak.bus.backoff import Backoff
from hulak.bus.process.settings import FeedSettings
from hulak.clients.feeds import live
from hulak.clients.feeds.live import LiveFeed
from hulak.clients.feeds.transports import VenueRefused
from hulak.clients.feeds.venues.registry import VENUES


class LiveFeedFixture:
    """A live feed whose ticks and log events are kept."""

    def __init__(self, *symbols, **how):
        self.ticks, self.logged = [], []
        quiet = structlog.make_filtering_bound_logger(0)
        log = structlog.wrap_logger(None, processors=[self._keep], wrapper_class=quiet)
        publisher = SimpleNamespace(log=log, post=lambda tick, time_ns: self.ticks.append(tick), counters={})
        backoff = Backoff(0.5, 15.0, random.random)
        self.feed = LiveFeed(publisher, VENUES["json"], "ws://h/json", symbols, FeedSettings(), backoff, **how)
        self.dialect = self.feed.dialect()
        self.feed.health.connect(time.monotonic())

    def _keep(self, logger, level, event):
        self.logged.append({"level": level, **event})
        raise structlog.DropEvent

    def take(self, *messages):
        for message in messages:
            self.feed._receive(message, self.dialect)

    def errors(self):
        self.feed.update_counters()
        return self.feed.publisher.counters["symbol_errors"]


def quote(name, bid="1", ask="2"):
    return f'{{"symbol":"{name}","bid":{bid},"ask":{ask}}}'


def test_each_bad_name_is_reported_once_and_the_other_quotes_are_published():
    fixture = LiveFeedFixture("A", "NO\0PE")
    fixture.feed.health.open(time.monotonic())
    fixture.take(*[quote(name) for name in ("M&M", "A/B", "A_B", "A_B", "A_B", "x" * 70, "x" * 70, "A/B")])
    assert [tick.symbol for tick in fixture.ticks] == ["M_26_M", "AB", "AB"]
    assert {name: text.split(":")[0] for name, text in fixture.errors().items()} == dict.fromkeys(
        ["NO\0PE", "A_B", "x" * 37 + "..."], "INVALID_SYMBOL"
    )
    assert "which belongs to 'A/B' of this venue" in fixture.errors()["A_B"]
    warned = [event["symbol"] for event in fixture.logged if event["level"] == "warning"]
    assert warned == ["A_B", "x" * 37 + "..."]
    assert fixture.feed.refused == 5


def test_a_bad_row_does_not_affect_the_others_and_flags_are_counted():
    fixture = LiveFeedFixture()
    fixture.take(f"[{quote('A', 0)},{quote('B', '{}')},{quote('C', 3)}]", quote("D", 0, 0))
    assert [(tick.symbol, tick.bid, tick.ask, tick.flags) for tick in fixture.ticks] == [
        *(("A", None, 2.0, ("one-sided",)), ("C", 3.0, 2.0, ("crossed",)), ("D", None, None, ("empty",)))
    ]
    assert (fixture.feed.refused, fixture.feed.quote_flags.counts) == (1, {"one-sided": 1, "crossed": 1, "empty": 1})


@pytest.mark.parametrize(("source", "expected"), [("", "json"), ("sim-json", "sim-json")])
def test_ticks_have_the_source_of_the_venue_unless_another_one_is_set(source, expected):
    fixture = LiveFeedFixture(source=source)
    fixture.take(quote("A"), quote("B"))
    assert [(tick.symbol, tick.bid, tick.source) for tick in fixture.ticks] == [("A", 1.0, expected), ("B", 1.0, expected)]


@pytest.mark.parametrize(("again", "least_s"), [("60", 60.0), ("never", 0.0)])
def test_the_retry_after_of_a_venue_is_waited_for(monkeypatch, again, least_s):
    fixture, slept = LiveFeedFixture(), []
    fixture.feed.health.stop(0.0)

    def refuse(*_, **__):
        raise VenueRefused("the venue answered 429", {"Retry-After": again})

    async def sleep(delay_s):
        slept.append(delay_s)
        if len(slept) > 1:
            raise asyncio.CancelledError

    async def story():
        monkeypatch.setattr(live, "connection", refuse)
        monkeypatch.setattr(live, "asyncio", SimpleNamespace(ensure_future=asyncio.ensure_future, sleep=sleep))
        monkeypatch.setattr(fixture.feed, "_update_counters_periodically", asyncio.Event().wait)
        await fixture.feed.run()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(story())
    assert all(least_s <= delay_s <= max(least_s, 15.0) for delay_s in slept)
    lost = [event for event in fixture.logged if event["event"] == "venue lost"]
    assert [event["asked_to_wait_s"] for event in lost] == [least_s or None] * 2
