"""What a live feed tells of its address."""

import random

import pytest

from bus.core.backoff import Backoff
from bus.settings import FeedSettings
from clients.feeds import VENUES
from clients.live_feed import LiveFeed


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://user:pass@host:9443/ws/eurusd@bookTicker?key=s3cret", "wss://host:9443/ws/eurusd@bookTicker"),
        ("ws://127.0.0.1:5560/json", "ws://127.0.0.1:5560/json"),
    ],
)
def test_what_may_be_secret_in_an_address_is_not_told(url, shown):
    feed = LiveFeed(None, VENUES["json"], url, [], FeedSettings(), Backoff(0.5, 15.0, random.random))
    assert feed.shown_url == shown
