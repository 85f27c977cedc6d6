"""Feeds whose quotes look right and are not: each wrong one is refused and reported, others continue, no prices are mixed up."""

import asyncio
import http
import json
import random
import subprocess
import threading
import time

import bare
import pytest
import zmq
from local_bus import LocalBus
from verdicts import assert_reported
from waiting import eventually
from websockets.asyncio.server import serve

from hulak.bus.wire import codec
from hulak.clients.history import History, last_events

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
SEED = 20261129
WITHIN_S = 20
LIMIT_S = 10.0
NOW_MS = int(time.time() * 1000)
CARRIED = {  # name of the venue -> its topic
    "M&M": "M_26_M",
    "^GSPC": "_5E_GSPC",
    "BTC/USDT:USDT": "BTCUSDT_3A_USDT",
    "BTC/USDT": "BTCUSDT",
    "BTCUSDT.P": "BTCUSDT.P",
    "000001.SH": "000001.SH",
    "000001.SZ": "000001.SZ",
    "币安人生USDT": "_E5B881E5AE89E4BABAE7949F_USDT",
}
TIMES = (NOW_MS, NOW_MS / 1000, NOW_MS * 1000, NOW_MS * 10**6, None)
WRONG = (  # no quote, no valid topic, or no valid time; each is refused by itself
    '{"symbol":"BTC_USDT","bid":1,"ask":2}',
    '{"symbol":"","bid":1,"ask":2}',
    f'{{"symbol":"{"x" * 99}","bid":1,"ask":2}}',
    '{"symbol":"M&M","bid":"1,5","ask":2}',
    '{"symbol":"M&M","bid":null,"ask":null}',
    *(f'{{"symbol":"M&M","bid":1,"ask":2,"timestamp":{at}}}' for at in (1, 17_041_536_001, 10**14, -5, 7 * 10**12)),
)


class Venue:
    """A WebSocket venue in a thread: at /NAME the lines of that name are sent to each client, at /busy clients are refused."""

    def __init__(self, **lines):
        self.lines, self.turned_away, self.codes = lines, 0, []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._do(self._serve())
        self._port = self._server.sockets[0].getsockname()[1]

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT_S)

    async def _serve(self):
        return await serve(self._client, "127.0.0.1", 0, process_request=self._request)

    def _request(self, connection, request):
        if request.path != "/busy":
            return None
        self.turned_away += 1
        response = connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "slow down")
        response.headers["Retry-After"] = "600"
        return response

    async def _client(self, connection):
        name = connection.request.path.partition("?")[0][1:]
        sender = asyncio.ensure_future(self._send(connection, name))
        await connection.wait_closed()
        sender.cancel()
        self.codes.append(connection.close_code)

    async def _send(self, connection, name):
        for line in self.lines[name]:
            await connection.send(line)
        while True:
            await connection.send(self.lines[name][0])
            await asyncio.sleep(0.05)

    def url(self, name):
        return f"ws://127.0.0.1:{self._port}/{name}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        async def close():
            self._server.close()
            await self._server.wait_closed()

        self._do(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT_S)
        self._loop.close()


def hostile(draw, count):
    """Draw messages: good quotes of odd names, some alone and some in lists, with wrong ones among them."""
    names = list(CARRIED)
    lines = []
    for _ in range(count):
        name, at = draw.choice(names), draw.choice(TIMES)
        sides = draw.choice(((1.5, 2.5), (-37.63, -37.5), (0, 2.5), (1.5, 0)))
        quote = json.dumps({"symbol": name, "bid": sides[0], "ask": sides[1], "timestamp": at})
        lines.append(draw.choice((quote, f"[{draw.choice(WRONG)},{quote}]", draw.choice(WRONG))))
    return [json.dumps({"symbol": name, "bid": 1.5, "ask": 2.5}) for name in names] + [*WRONG, *lines]


def start(local_bus, name, url, *more):
    return local_bus.hulak("feed", "--name", name, "--venue", "json", "--url", url, *more)


def row(local_bus, name):
    return next((process for process in local_bus.stats()["processes"] if process["name"] == name), {})


def run(local_bus, *words):
    process = local_bus.hulak(*words, out=subprocess.PIPE)
    output, _ = process.communicate(timeout=WITHIN_S)
    return process.returncode, output.decode(), process.log.read_text()


def prices(local_bus, prefix="tick."):
    with local_bus.client() as client:
        return {event.topic.removeprefix("tick."): event.body for event in last_events(client, prefix)}


def bodies(local_bus, topic):
    with local_bus.client() as client:
        return [event.body for event in History(client, topic)]


def test_faulty_feeds_and_files_are_refused_and_reported_and_do_not_affect_others(long, record_figure):
    """Full: 20,000 drawn messages; short: 200."""
    lines = hostile(random.Random(SEED), 20_000 if long else 200)
    with LocalBus() as local_bus, Venue(odd=lines, good=['{"symbol":"GOOD","bid":1,"ask":2}']) as venue:
        local_bus.start_broker()
        feeds = [start(local_bus, "odd", venue.url("odd")), start(local_bus, "good", venue.url("good"), "--symbols", "GOOD,x\ny")]
        start(local_bus, "busy", venue.url("busy"))
        bad = sum(line in WRONG or line[0] == "[" for line in lines)
        timeout_s = WITHIN_S * (9 if long else 1)
        odd = eventually(lambda: (odd_row := row(local_bus, "odd")).get("refused", 0) >= bad and odd_row, within_s=timeout_s)
        eventually(lambda: row(local_bus, "good").get("posted", 0) > 3, within_s=WITHIN_S)
        eventually(lambda: row(local_bus, "busy").get("asked_to_wait_s"), within_s=WITHIN_S)

        result = prices(local_bus)
        assert set(result) == {*CARRIED.values(), "GOOD"}
        assert set(odd["symbol_errors"]) == {"BTC_USDT", "", "x" * 37 + "..."}
        assert set(row(local_bus, "good")["symbol_errors"]) == {"x\ny"}
        for body in (body for symbol in CARRIED.values() for body in bodies(local_bus, f"tick.{symbol}")):
            assert abs(body["timestamp"] - NOW_MS) < 3_600_000
            assert ("one-sided" in body.get("flags", [])) == (None in (body["bid"], body["ask"]))

        refuse_raw(local_bus)
        files(local_bus)
        refusals = ("feed odd: its venue refuses 3 symbols", "feed good: its venue refuses 1 symbol")
        assert_reported(local_bus, *refusals, "feed busy is backoff", feeds=2, unserved=True)
        rivals(local_bus, venue)
        for feed in feeds:
            feed.terminate()
            assert feed.wait(WITHIN_S) == 0, feed.log.read_text()
        eventually(lambda: len(venue.codes) >= 2, within_s=WITHIN_S)
        assert (set(venue.codes), venue.turned_away) == ({1000}, 1)
        record_figure(
            f"hostile feeds: {len(lines):,} messages, {odd['refused']:,} refused, {odd['posted']:,} ticks of {len(result)} topics"
        )


def refuse_raw(local_bus):
    """Feeds of another make, with times of another unit: refused at the door."""
    before = local_bus.stats()["rejected"].get("collector", {}).get("BAD_TIME", 0)
    wrong = (NOW_MS // 1000, NOW_MS * 1000, -5, 10**15)
    with zmq.Context() as context, context.socket(zmq.XPUB) as feed:
        feed.connect(local_bus.addresses["collector"])
        assert feed.poll(WITHIN_S * 1000)
        for at in wrong:
            body = bare.pack({"symbol": "RAW", "bid": 1.0, "ask": 2.0, "timestamp": at})
            feed.send(codec.feed_frame("RAW", 0, 1, 1, body))
        eventually(
            lambda: local_bus.stats()["rejected"].get("collector", {}).get("BAD_TIME", 0) == before + len(wrong),
            within_s=WITHIN_S,
        )
    assert "RAW" not in prices(local_bus)


def files(local_bus):
    """Files: a file without quotes posts nothing, an old one only if requested, and an export is posted unchanged."""
    taken = local_bus.stats()["ticks"]["symbols"]
    for name, text, error in (
        ("bars_eurusd.csv", "time,open,high,low,close\n1704153600000,1,2,1,2\n", "bars"),
        ("old_eurusd.csv", "time,ask,bid\n1704153600123,1.10432,1.10428\n", "--prefix NAME"),
        ("new_eurusd.csv", f"{NOW_MS},1.1,1.2\n1704153600123,1.1,1.2\n", "--prefix NAME"),
    ):
        (local_bus.home / name).write_text(text)
        code, _, output = run(local_bus, "feed", "--file", local_bus.home / name, "--speed", "max")
        assert (code, error in output) == (1, True), output
    assert local_bus.stats()["ticks"]["symbols"] == taken, "the old tick of the new file is sorted before the new one"
    assert run(local_bus, "feed", "--file", local_bus.home / "old_eurusd.csv", "--prefix", "old", "--speed", "max")[0] == 0
    old = prices(local_bus)["old.EURUSD"]
    assert (old["symbol"], old["bid"], old["ask"]) == ("old.EURUSD", 1.10428, 1.10432)

    csv = local_bus.home / "export.csv"
    topic = "tick.M_26_M"
    assert run(local_bus, "journal", "export", "--topic", topic, "--format", "csv", "--output", csv)[0] == 0
    recorded = len(csv.read_text().splitlines()) - 1
    assert run(local_bus, "feed", "--file", csv, "--prefix", "again", "--speed", "max")[0] == 0
    again = bodies(local_bus, "tick.again.M_26_M")
    assert len(again) == recorded > 0
    assert [{**body, "symbol": "M_26_M"} for body in again] == bodies(local_bus, topic)[:recorded]


def rivals(local_bus, venue):
    """Two feeds of one symbol: reported, and no longer when one has a prefix."""
    assert local_bus.stats()["ticks"]["shared"] == 0
    with_prefix = start(local_bus, "third", venue.url("good"), "--prefix", "third")
    eventually(lambda: "third.GOOD" in prices(local_bus), within_s=WITHIN_S)
    assert local_bus.stats()["ticks"]["shared"] == 0
    second = start(local_bus, "second", venue.url("good"))
    both = {"tick.GOOD": ["good", "second"]}  # a feed has its name here once it has reported
    eventually(lambda: local_bus.stats()["ticks"]["shared_topics"] == both, within_s=WITHIN_S)
    assert "tick.GOOD gets ticks of good and second" in run(local_bus, "feeds")[1]
    for feed in (with_prefix, second):
        feed.terminate()
        assert feed.wait(WITHIN_S) == 0, feed.log.read_text()
