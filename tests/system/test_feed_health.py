"""The real feed process against a venue that fails in each way there is; seen through `hulak feeds`."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from local_bus import LocalBus, free_ports
from venue_thread import VenueThread
from waiting import eventually

pytestmark = pytest.mark.system

WITHIN_S = 20.0
SLOW = {"HULAK_FEED__HEARTBEAT_STALE_S": 10}  # a busy machine's pauses are no silence
TIMES = {
    "feed.stale_s": 0.6,
    "feed.heartbeat_stale_s": 0.6,
    "feed.backoff_base_s": 0.05,
    "feed.backoff_cap_s": 0.2,
    "feed.resolve_s": 2.0,
}


@pytest.fixture(scope="module")
def local_bus():
    with LocalBus(**TIMES) as local_bus:
        local_bus.start_broker()
        yield local_bus


def start(local_bus, name, url, symbols="EURUSD,USDJPY", venue="fx", **variables):
    words = ["feed", "--name", name, "--venue", venue, "--url", url, "--symbols", symbols]
    return local_bus.hulak(*words, **variables)


def row(local_bus, name):
    return next((row for row in local_bus.stats()["processes"] if row["name"] == name), {})


def reached(local_bus, name, condition):
    return eventually(lambda: condition(feed := row(local_bus, name)) and feed, within_s=WITHIN_S)


def posts(local_bus, name, more=10):
    """Wait until the feed posts; returns its row."""
    before = reached(local_bus, name, lambda row: row.get("posted"))["posted"]
    return reached(local_bus, name, lambda row: row.get("posted", 0) >= before + more and row["state"] == "connected")


def command(local_bus, *words):
    environment = {**os.environ, **local_bus.variables}
    done = subprocess.run(
        [sys.executable, "-m", "hulak", *words], env=environment, capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout


def test_heartbeats_without_data_show_as_degraded_and_data_repairs_it(local_bus):
    with VenueThread() as venue:
        process = start(local_bus, "quiet", venue.url(), "EURUSD,USDJPY,NOPE", **SLOW)
        well = posts(local_bus, "quiet")
        assert well["symbol_errors"] == {"NOPE": "SYMBOL_NOT_FOUND: Failed to get data for NOPE: Symbol not found"}
        venue.quiet(True)
        degraded = reached(local_bus, "quiet", lambda row: row["state"] == "degraded" and row["stale"] == 3)
        assert degraded["data_age_s"] > max(0.6, degraded["heartbeat_age_s"])
        (shown,) = [row for row in json.loads(command(local_bus, "feeds", "--json")) if row["name"] == "quiet"]
        assert (shown["state"], shown["connections"], shown["errors"]) == ("degraded", 1, 1)
        assert shown["stale_symbols"] == ["EURUSD", "USDJPY", "NOPE"]
        lines = command(local_bus, "feeds").splitlines()
        assert any(line.startswith("quiet\tdegraded\t") for line in lines)
        assert "quiet: NOPE SYMBOL_NOT_FOUND: Failed to get data for NOPE: Symbol not found" in lines
        venue.quiet(False)
        assert posts(local_bus, "quiet")["connections"] == 1
        end(process)


def end(process):
    process.terminate()
    assert process.wait(30) == 0, process.log.read_text()


def test_a_venue_that_hangs_after_open_is_left_and_used_again_when_it_works(local_bus):
    (port,) = free_ports(1)
    with VenueThread(port) as venue:
        process = start(local_bus, "hang", venue.url())
        posts(local_bus, "hang")
        venue.call(venue.venue.hang)
        hung = reached(local_bus, "hang", lambda row: row["connections"] >= 3)
        assert hung["attempts"] >= 2
    with VenueThread(port):
        posts(local_bus, "hang")
        well = reached(local_bus, "hang", lambda row: row["stale"] == 0)
        assert (well["errors"], well["symbols"]) == (0, 2)
    log = process.log.read_text()
    assert "no data for 0.6 s and no heartbeat for 0.6 s" in log
    end(process)


def test_one_feeds_failure_does_not_touch_another(local_bus):
    with VenueThread() as well, VenueThread() as broken:
        processes = [start(local_bus, "well", well.url(), **SLOW), start(local_bus, "broken", broken.url(), **SLOW)]
        posts(local_bus, "well")
        before = posts(local_bus, "broken")["connections"]
        broken.call(broken.venue.drop)
        reached(local_bus, "broken", lambda row: row["connections"] > before)
        assert posts(local_bus, "broken")["pid"] == processes[1].pid  # its subscriptions were restored
        processes[1].kill()
        processes[1].wait(30)
        feed = posts(local_bus, "well")
        assert (feed["connections"], feed["attempts"], feed["errors"], feed["pid"]) == (1, 0, 0, processes[0].pid)
        end(processes[0])


def test_a_venue_that_refuses_every_connection_is_tried_without_limit(local_bus):
    (port,) = free_ports(1)
    process = start(local_bus, "refused", f"ws://127.0.0.1:{port}/fx")
    reached(local_bus, "refused", lambda row: row.get("attempts", 0) >= 21)
    with VenueThread(port):
        posts(local_bus, "refused")
        end(process)


def test_pongs_count_as_heartbeats_where_the_venue_sends_none(local_bus):
    with VenueThread() as simulated:
        processes = [
            start(local_bus, "json", simulated.url("/json"), "EURUSD,USDJPY", "json", **SLOW),
            start(local_bus, "binance", simulated.url("/ws"), "eurusd,usdjpy", "binance", **SLOW),
        ]
        assert [posts(local_bus, name)["symbols"] for name in ("json", "binance")] == [2, 2]
        simulated.quiet(True)
        for name in ("json", "binance"):
            assert reached(local_bus, name, lambda row: row["state"] == "degraded")["connections"] == 1
        for process in processes:
            end(process)


class PriceStream(BaseHTTPRequestHandler):
    """Plays OANDA: prices and heartbeats in chunks, until the server is released."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        price = '{{"type":"PRICE","instrument":"EUR_USD","time":"{0}","bids":[{{"price":"1.1"}}],"asks":[{{"price":"1.2"}}]}}\n'
        number = 0
        while not self.server.released.wait(0.02):
            number += 1
            beat = '{"type":"HEARTBEAT","time":"2016-10-27T08:38:44.327443673Z"}\n'
            line = (price.format(f"2016-10-27T08:38:{number % 60:02d}.5Z") + beat).encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.close_connection = True

    def log_message(self, *_):
        """Log nothing."""


def test_a_stream_of_http_lines_becomes_ticks_and_its_token_stays_out_of_the_log(local_bus):
    server = ThreadingHTTPServer(("127.0.0.1", 0), PriceStream)
    server.daemon_threads = True
    server.seen, server.released = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/v3/accounts/1/pricing/stream"
        process = start(local_bus, "oanda", url, "EUR_USD", "oanda", HULAK_FEED__TOKEN="s3cret", **SLOW)
        feed = posts(local_bus, "oanda")
        assert (feed["symbols"], feed["errors"]) == (1, 0)
        assert server.seen == [("/v3/accounts/1/pricing/stream?instruments=EUR_USD", "Bearer s3cret")]
        end(process)
        assert "s3cret" not in process.log.read_text()
        assert "s3cret" not in json.dumps(feed)
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
