"""Live feeds of the venues that want to be pinged, against their simulations: subscriptions, pings, reconnects, other symbols."""

import asyncio
import random
import time
from collections import Counter
from types import SimpleNamespace

import pytest
import structlog
from venue_thread import VenueThread

from hulak.bus.backoff import Backoff
from hulak.bus.process.settings import FeedSettings
from hulak.clients.feeds.live import LiveFeed
from hulak.clients.feeds.venues.registry import dialect_of

WITHIN_S = 20.0
SILENCE_S = 1.5  # of a client that the venue closes
SETTINGS = FeedSettings(
    client_id="app", client_secret="s3cret", token="t0ken", account=7, heartbeat_stale_s=1.2, resolve_s=5.0, stale_s=60.0
)
VENUES = ("okx", "bybit", "bitget", "hyperliquid", "deribit", "ctrader")
PINGS = {  # in what keeps a client of the venue alive
    "okx": "ping",
    "bitget": "ping",
    "bybit": '{"op": "ping"',
    "hyperliquid": '{"method": "ping"',
    "deribit": "public/test",
    "ctrader": '{"payloadType": 51',
}


class Running:
    """A live feed that runs in this event loop; its ticks are counted by symbol."""

    def __init__(self, venue, url, symbols, settings=SETTINGS):
        self.wanted, self.counts, self.ticks, self.logged = (0, symbols), Counter(), [], []
        log = structlog.wrap_logger(None, processors=[self._keep], wrapper_class=structlog.make_filtering_bound_logger(0))
        publisher = SimpleNamespace(log=log, post=self._post, counters={})
        backoff = Backoff(0.05, 0.2, random.random)
        make = dialect_of(venue, settings)
        self.feed = LiveFeed(publisher, make, url, symbols, settings, backoff, wanted=lambda: self.wanted)
        self.publisher = publisher

    def _keep(self, logger, level, event):
        self.logged.append(event)
        raise structlog.DropEvent

    def _post(self, tick, time_ns):
        self.counts[tick.symbol] += 1
        self.ticks.append(tick)

    def report(self):
        self.feed.update_counters()
        return self.publisher.counters

    def change(self, *symbols):
        self.wanted = (self.wanted[0] + 1, list(symbols))

    async def until(self, condition):
        deadline = time.monotonic() + WITHIN_S
        while not condition():
            assert time.monotonic() < deadline, (self.report(), self.logged)
            await asyncio.sleep(0.01)

    async def gets(self, *symbols, more=3):
        """Wait until ticks of each of these symbols come."""
        before = Counter(self.counts)
        await self.until(lambda: all(self.counts[symbol] >= before[symbol] + more for symbol in symbols))


def run(story, venue, symbols, settings=SETTINGS, path=None):
    """Run a story with a feed of a simulated venue."""

    async def main(simulated):
        running = Running(venue, simulated.url(path or f"/{venue}"), symbols, settings)
        task = asyncio.ensure_future(running.feed.run())
        try:
            await story(running, simulated)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with VenueThread(heartbeat_s=0.3, silence_s=SILENCE_S) as simulated:
        asyncio.run(main(simulated))


@pytest.mark.parametrize("venue", VENUES)
def test_a_feed_subscribes_pings_and_returns_and_its_symbols_change_without_a_new_connection(venue):
    async def story(running, simulated):
        await running.gets("EURUSD", "USDJPY")
        await running.until(lambda: running.report()["state"] == "connected")
        assert list(running.report()["symbol_errors"]) == ["NOPE"]
        assert running.report()["symbol_errors"]["NOPE"].startswith(("SYMBOL_NOT_FOUND: ", "SUBSCRIPTION_FAILED: Invalid sub"))

        running.change("EURUSD", "GBPUSD", "WRONG", "EUR/USD")  # without USDJPY and NOPE
        await running.until(lambda: "pending" not in running.report()["symbol_changes"].values() and running.counts["GBPUSD"])
        changes = {name: state.partition(":")[0] for name, state in running.report()["symbol_changes"].items()}
        codes = {changes.pop("WRONG"), changes.pop("EUR/USD")}
        assert changes == {"USDJPY": "removed", "NOPE": "removed", "GBPUSD": "subscribed"}
        assert codes <= {"SYMBOL_NOT_FOUND", "SUBSCRIPTION_FAILED", "INVALID_SYMBOL"}
        gone = running.counts["USDJPY"]
        await running.gets("EURUSD", "GBPUSD")
        assert (running.counts["USDJPY"], running.report()["symbols_version"]) == (gone, 1)

        await running.until(lambda: any(PINGS[venue] in str(message) for message in list(simulated.venue.received)))
        before = time.monotonic()
        await running.until(lambda: time.monotonic() > before + SILENCE_S + 0.1)
        assert (simulated.venue.silent_clients, running.report()["connections"], running.report()["refused"]) == (0, 1, 0)
        assert running.report()["heartbeat_age_s"] < SETTINGS.heartbeat_stale_s

        simulated.call(simulated.venue.drop)
        await running.until(lambda: running.report()["connections"] == 2)
        await running.gets("EURUSD", "GBPUSD")
        assert running.counts["USDJPY"] == gone
        assert {tick.source for tick in running.ticks} == {venue}
        assert all(tick.bid < tick.ask for tick in running.ticks)

    run(story, venue, ["EURUSD", "USDJPY", "NOPE"])


def test_a_venue_closes_a_client_that_does_not_ping_which_the_simulation_shows(monkeypatch):
    async def story(running, simulated):
        await running.until(lambda: simulated.venue.silent_clients)

    monkeypatch.setattr("hulak.clients.feeds.venues.okx.Okx.timers", ())
    run(story, "okx", ["EURUSD"])


def test_a_refused_sign_in_is_reported_and_tried_again_with_growing_delays():
    async def story(running, simulated):
        await running.until(lambda: running.report()["attempts"] >= 3)
        lost = [event["why"] for event in running.logged if event["event"] == "venue lost"]
        assert lost[0] == "sign-in of account refused: 'CH_ACCESS_TOKEN_INVALID' 'Invalid access token'"
        assert "revoked" not in str(running.logged) + str(running.report())

    run(story, "ctrader", ["EURUSD"], FeedSettings(client_id="app", client_secret="s", token="revoked", account=7))


def test_symbols_of_a_url_change_by_a_new_connection():
    async def story(running, simulated):
        await running.gets("EURUSD", "USDJPY")
        running.change("USDJPY", "GBPUSD")
        await running.until(lambda: running.report()["connections"] == 2 and running.counts["GBPUSD"])
        gone = running.counts["EURUSD"]
        await running.gets("USDJPY", "GBPUSD")
        assert running.counts["EURUSD"] == gone
        assert running.report()["symbol_changes"] == {"EURUSD": "removed", "GBPUSD": "subscribed"}
        assert running.report()["attempts"] <= 1

    run(story, "json", ["EURUSD", "USDJPY"])


def test_a_feed_that_takes_all_its_url_sends_refuses_symbols():
    async def story(running, simulated):
        await running.gets("EURUSD", "USDJPY")
        running.change("GBPUSD")
        await running.until(lambda: running.report()["symbol_changes"])
        assert running.report()["symbol_changes"] == {"GBPUSD": "SUBSCRIPTION_FAILED: this feed takes all that its url sends"}
        await running.gets("EURUSD", "GBPUSD")
        assert running.report()["connections"] == 1

    run(story, "json", [])


def test_a_feed_of_a_stream_of_all_symbols_refuses_symbols_too():
    # Binance's own venue takes requests beside the streams of the url: the feed would have counted the added symbol alone
    async def story(running, simulated):
        await running.gets("EURUSD", "USDJPY")
        running.change("GBPUSD")
        await running.until(lambda: running.report()["symbol_changes"])
        assert running.report()["symbol_changes"] == {"GBPUSD": "SUBSCRIPTION_FAILED: this feed takes all that its url sends"}
        assert running.report()["symbols_named"] == 0

    run(story, "binance", [], path="/ws/!bookTicker")


def test_the_last_symbol_is_not_removed():
    async def story(running, simulated):
        await running.gets("EURUSD")
        running.change()
        await running.until(lambda: any(event["event"] == "symbols not removed" for event in running.logged))
        await running.gets("EURUSD")

    run(story, "json", ["EURUSD"])
