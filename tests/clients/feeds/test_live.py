"""The address in the reports of a live feed."""

import asyncio
import itertools
import random
import time
from types import SimpleNamespace

import pytest
import structlog

from hulak.bus.backoff import Backoff
from hulak.bus.process.settings import FeedSettings
from hulak.clients.feeds.live import LiveFeed
from hulak.clients.feeds.venues.registry import VENUES


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://user:pass@host:9443/ws/eurusd@bookTicker?key=s3cret", "wss://host:9443/ws/eurusd@bookTicker"),
        ("ws://127.0.0.1:5560/json", "ws://127.0.0.1:5560/json"),
    ],
)
def test_secrets_in_an_address_are_not_reported(url, shown):
    feed = LiveFeed(None, VENUES["json"], url, [], FeedSettings(), Backoff(0.5, 15.0, random.random))
    assert feed.shown_url == shown


class Venue:
    """A connection that says nothing."""

    async def receive(self):
        await asyncio.Event().wait()  # until cancelled

    async def ping(self):
        await asyncio.Event().wait()  # until cancelled

    async def send(self, text):
        pass


def test_the_age_limit_follows_the_live_configuration():
    """A feed with a limit of an hour leaves its silent venue when the limit is lowered while it reads."""
    checks = itertools.count()

    def stale_s():
        return 3600.0 if next(checks) < 3 else 0.001

    post = SimpleNamespace(log=structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50)))
    settings = FeedSettings(heartbeat_stale_s=0.01)
    feed = LiveFeed(post, VENUES["json"], "ws://h/json", [], settings, Backoff(0.5, 15.0, random.random), stale_s)
    feed.health.connect(time.monotonic())
    feed.health.open(time.monotonic())

    why = asyncio.run(asyncio.wait_for(feed._live(Venue(), feed.dialect()), 5))
    assert why.startswith("no data for 0.001 s")
    assert next(checks) == 4  # one at the start, two of an hour, and the one that ended it
