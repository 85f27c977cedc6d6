"""`hulak feeds add|remove|symbols` with the real processes: the change reaches the venue, is kept, and says what was refused."""

import json
import os
import subprocess
import sys

import pytest
from local_bus import LocalBus
from venue_thread import VenueThread
from waiting import eventually

pytestmark = pytest.mark.system

WITHIN_S = 20.0
TIMES = {"feed.backoff_base_s": 0.05, "feed.backoff_cap_s": 0.2, "feed.resolve_s": 2.0}


def command(local_bus, *words):
    """Run a command with --json; returns its exit code and its result."""
    environment = {**os.environ, **local_bus.variables}
    done = subprocess.run(
        [sys.executable, "-m", "hulak", *words, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )
    return done.returncode, json.loads(done.stdout)


def start(local_bus, url):
    return local_bus.hulak(
        "feed", "--name", "desk", "--venue", "okx", "--url", url, "--symbols", "EURUSD,USDJPY", "--prefix", "d"
    )


def symbols(local_bus):
    code, result = command(local_bus, "feeds", "symbols", "desk")
    return {row["symbol"]: (row["since"], row["state"]) for row in result["symbols"]} if code == 0 else {}


def test_symbols_are_added_and_removed_while_a_feed_runs_and_kept_over_restarts():
    with LocalBus(**TIMES) as local_bus, VenueThread() as venue:
        broker = local_bus.start_broker()
        feed = start(local_bus, venue.url("/okx"))
        eventually(lambda: symbols(local_bus) == dict.fromkeys(["EURUSD", "USDJPY"], ("start", "")), within_s=WITHIN_S)

        assert command(local_bus, "feeds", "add", "desk", "GBPUSD", "NOPE")[0] == 1
        code, result = command(local_bus, "feeds", "add", "desk", "GBPUSD", "NOPE")  # again: nothing changes
        assert (code, result["version"], result["symbols"]["GBPUSD"]) == (1, 1, "subscribed")
        assert result["symbols"]["NOPE"].startswith("SYMBOL_NOT_FOUND: Wrong URL or channel:bbo-tbt,instId:NOPE")
        code, result = command(local_bus, "feeds", "remove", "desk", "USDJPY", "NOPE")
        assert (code, result["symbols"]) == (0, {"USDJPY": "removed", "NOPE": "removed"})
        expected = {"EURUSD": ("start", ""), "GBPUSD": ("added", ""), "USDJPY": ("removed", "")}
        assert symbols(local_bus) == expected

        code, error = command(local_bus, "feeds", "remove", "desk", "EURUSD", "GBPUSD")
        assert (code, error["error"]["text"]) == (
            1,
            "feed 'desk' would have no symbol left; end the feed, or add another symbol first",
        )
        code, error = command(local_bus, "feeds", "remove", "desk", "GBPUDS")
        assert error["error"]["text"] == "feed 'desk' has no symbol 'GBPUDS'; did you mean 'GBPUSD'?"
        code, error = command(local_bus, "feeds", "add", "dask", "GBPUSD")
        assert error["error"]["text"] == "no feed has the name 'dask'; did you mean 'desk'?"

        feed.terminate()
        assert feed.wait(30) == 0, feed.log.read_text()
        broker.terminate()
        assert broker.wait(30) == 0
        local_bus.start_broker()
        venue.call(venue.venue.received.clear)
        feed = start(local_bus, venue.url("/okx"))
        eventually(lambda: symbols(local_bus) == expected, within_s=WITHIN_S)
        (request,) = [json.loads(text) for text in list(venue.venue.received) if "subscribe" in text]
        assert [wanted["instId"] for wanted in request["args"]] == ["EURUSD", "GBPUSD"]
        feed.terminate()
        assert feed.wait(30) == 0, feed.log.read_text()
