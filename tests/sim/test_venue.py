"""The venue over a real loopback WebSocket, read with the feeds' own parsers."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import venue_messages
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hulak.clients.feeds.venues.registry import VENUES
from hulak.sim.fx_market import PAIRS, Market, Quote
from hulak.sim.recording import Playback, Recorded, Recording, load_recording
from hulak.sim.venue import serve_venue

ROOT = Path(__file__).parents[2]
LIMIT_S = 30.0  # on a busy machine; a second on an idle one


def run(story):
    async def limited():
        async with asyncio.timeout(LIMIT_S):
            await story

    asyncio.run(limited())


def client(venue, path, **options):
    # Without a bound of its own the client always reads, so that closing handshakes end at once.
    return connect(f"ws://127.0.0.1:{venue.port}{path}", **{"max_queue": None, "close_timeout": 0.2, **options})


@asynccontextmanager
async def connected(source, path):
    async with await serve_venue("127.0.0.1", 0, source) as venue, client(venue, path) as connection:
        yield connection


async def ticks_of(connection, parser, count):
    ticks = []
    while len(ticks) < count:
        ticks += VENUES[parser]().parse(await connection.recv(), received_ms=7)
    return ticks


async def until_closed(connection):
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(await connection.recv())
    return messages


def test_the_combined_form_sends_the_symbols_of_its_path():
    async def story():
        async with connected(Market(1, 5_000.0), "/stream?streams=eurusd@bookTicker/gbpusd@bookTicker") as connection:
            first = json.loads(await connection.recv())
            ticks = await ticks_of(connection, "binance", 50)
        assert first["stream"] in {"eurusd@bookTicker", "gbpusd@bookTicker"}
        assert {tick.symbol for tick in ticks} == {"EURUSD", "GBPUSD"}
        assert all(tick.ask > tick.bid and tick.timestamp == 7 for tick in ticks)

    run(story())


def test_the_raw_form_sends_bare_events_and_takes_subscriptions():
    async def story():
        async with connected(Market(1, 5_000.0), "/ws") as connection:
            await connection.send('{"method":"SUBSCRIBE","params":["usdjpy@bookTicker"],"id":1}')
            assert await connection.recv() == '{"result":null,"id":1}'
            ticks = await ticks_of(connection, "binance", 20)
            await connection.send('{"method":"UNSUBSCRIBE","params":["usdjpy@bookTicker"],"id":2}')
            while await connection.recv() != '{"result":null,"id":2}':
                pass
        assert {tick.symbol for tick in ticks} == {"USDJPY"}

    run(story())


def test_every_symbol_comes_in_the_plain_form_with_the_venues_time():
    async def story():
        before_ms = int(time.time() * 1000)
        async with connected(Market(1, 5_000.0), "/json") as connection:
            ticks = await ticks_of(connection, "json", 2_000)
        assert {tick.symbol for tick in ticks} == {pair.symbol for pair in PAIRS}
        assert before_ms <= ticks[0].timestamp <= ticks[-1].timestamp <= time.time() * 1000

    run(story())


def test_the_plain_form_can_be_limited_to_symbols():
    async def story():
        async with connected(Market(1, 5_000.0), "/json?symbols=eurusd,USDJPY") as connection:
            ticks = await ticks_of(connection, "json", 100)
        assert {tick.symbol for tick in ticks} == {"EURUSD", "USDJPY"}

    run(story())


def test_all_clients_of_a_market_get_the_same_quotes_in_the_same_order():
    async def story():
        async with (
            await serve_venue("127.0.0.1", 0, Market(1, 2_000.0)) as venue,
            client(venue, "/ws/!bookTicker") as raw,
            client(venue, "/stream?streams=!bookTicker") as combined,
        ):
            other = [json.loads(await combined.recv())["data"] for _ in range(500)]
            first = [json.loads(await raw.recv())]
            while first[-1]["u"] < other[-1]["u"]:  # they may have connected at different times
                first.append(json.loads(await raw.recv()))
            assert venue.quotes >= 500
        numbers = [quote["u"] for quote in first]
        assert numbers == list(range(numbers[0], numbers[0] + len(first)))
        both = set(numbers) & {quote["u"] for quote in other}
        assert both
        assert [quote for quote in first if quote["u"] in both] == [quote for quote in other if quote["u"] in both]

    run(story())


def test_a_path_that_is_not_there_is_refused_with_404():
    async def story():
        async with await serve_venue("127.0.0.1", 0, Market(1)) as venue:
            with pytest.raises(InvalidStatus) as caught:
                await client(venue, "/prices")
        assert caught.value.response.status_code == 404

    run(story())


@pytest.mark.parametrize("path", ["/ws", "/json"])
def test_a_recording_is_replayed_as_it_is_to_every_client_and_then_closed(path):
    messages = tuple(Recorded(float(at), f'{{"n":{at}}}') for at in range(300))

    async def story():
        source = Recording(messages, speed=None, close_at_end=True)
        async with (
            await serve_venue("127.0.0.1", 0, source) as venue,
            client(venue, path) as first,
            client(venue, path) as other,
        ):
            for connection in (first, other):
                assert await until_closed(connection) == [message.text for message in messages]
                assert connection.close_code == 1000

    run(story())


def test_a_recording_keeps_its_pace():
    async def story():
        async with connected(Recording((Recorded(0.0, "0"), Recorded(4.0, "4")), speed=20.0), "/ws") as connection:
            assert await connection.recv() == "0"
            first = time.monotonic()
            assert await connection.recv() == "4"
            assert time.monotonic() - first > 0.1

    run(story())


def test_binances_messages_of_a_recording_arrive_as_the_ticks_they_are(tmp_path):
    path = venue_messages.write_recording(tmp_path / "binance.txt", venue_messages.binance())

    async def story():
        source = load_recording(path, speed=None, close_at_end=True)
        async with connected(source, "/stream?streams=!bookTicker") as connection:
            parsed = [VENUES["binance"]().parse(message, 7) async for message in connection]
        assert (len(parsed), sum(map(len, parsed))) == (265, 84)

    run(story())


class Broken:
    """A live source that fails."""

    now_s = 0.0

    def advance(self, dt_s):
        raise RuntimeError("no more quotes")


def test_a_source_that_fails_ends_the_venue_instead_of_leaving_it_silent():
    async def story():
        async with await serve_venue("127.0.0.1", 0, Broken()) as venue:
            with pytest.raises(RuntimeError, match="no more quotes"):
                await venue.run_until(asyncio.Event())

    run(story())


def narrow_socket(venue):
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", venue.port))
    return narrow


def test_a_client_that_takes_nothing_of_a_recording_is_closed():
    source = Recording(tuple(Recorded(0.0, "x" * 65_536) for _ in range(256)), speed=None)

    async def story():
        async with (
            await serve_venue("127.0.0.1", 0, source, stalled_s=0.1) as venue,
            client(venue, "/ws", sock=narrow_socket(venue), max_queue=1) as slow,
        ):
            while not venue.slow_clients:  # noqa: ASYNC110 (a condition; `run` limits it)
                await asyncio.sleep(0)
            assert len(await until_closed(slow)) < 256

    run(story())


def test_a_client_that_takes_nothing_does_not_hold_up_the_end_of_the_venue():
    source = Recording(tuple(Recorded(0.0, "x" * 65_536) for _ in range(256)), speed=None)

    async def story():
        venue = await serve_venue("127.0.0.1", 0, source)
        async with client(venue, "/ws", sock=narrow_socket(venue), max_queue=1) as slow:
            await slow.recv()
            begun = time.monotonic()
            await venue.close()
            assert time.monotonic() - begun < 10.0  # else without limit

    run(story())


def test_a_client_that_does_not_read_is_closed_and_the_others_get_everything():
    count = 40_000
    quotes = [Quote("EURUSD", 1.08, 1.0801, at / 25_000, 5) for at in range(count)]

    async def story():
        async with await serve_venue("127.0.0.1", 0, Playback(quotes), buffer_bytes=65_536) as venue:
            stalled = narrow_socket(venue)
            path = "/stream?streams=!bookTicker"
            async with client(venue, path, sock=stalled, max_queue=1) as slow, client(venue, path) as quick:
                last = 0
                while last < count:
                    last = json.loads(await quick.recv())["data"]["u"]
                assert venue.slow_clients == 1
                assert len(await until_closed(slow)) < count
                assert slow.close_code != 1000

    run(story())


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_venue_process_ends_at_once_after_a_signal(number, long):
    program = (
        "from hulak.sim.fx_market import Market; from hulak.sim.venue import run_venue;"
        "run_venue('127.0.0.1', 0, Market(1), on_ready=lambda port: print(port, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT)

    async def story():
        async with connect(f"ws://127.0.0.1:{process.stdout.readline().strip()}/json") as connection:
            await connection.recv()
            process.send_signal(number)
            await until_closed(connection)
            assert connection.close_code == 1001

    try:
        run(story())
        assert process.wait(timeout=1 if long else 20) == 0
    finally:
        process.kill()
        process.communicate()
