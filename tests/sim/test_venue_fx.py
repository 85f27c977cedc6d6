"""The simulated FX backend: its answers, and over a real loopback WebSocket as the feeds' dialect reads them."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.venues.dialect import Heartbeat, Ready, Subscribed, SymbolError
from hulak.clients.feeds.venues.fx import FxBackend
from hulak.sim.fx_market import Market, Quote
from hulak.sim.venue import serve_venue
from hulak.sim.venue_fx import MOST_SYMBOLS, FxClient, encode_tick

LIMIT_S = 10.0


def run(story, **options):
    async def limited():
        async with (
            asyncio.timeout(LIMIT_S),
            await serve_venue("127.0.0.1", 0, Market(1, 2000.0), **options) as venue,
            # a venue that hangs sends no close frame
            connect(f"ws://127.0.0.1:{venue.port}/fx", max_queue=None, close_timeout=0.1) as connection,
        ):
            await story(venue, connection)

    asyncio.run(limited())


async def events(connection):
    fx = FxBackend()
    async for message in connection:
        for event in fx.parse(message, 5):
            yield event


def test_a_client_is_greeted_asks_and_gets_what_it_asked_for():
    async def story(_, connection):
        for send in FxBackend().subscribe(["EURUSD", "NOPE", "USDJPY"]):
            await connection.send(send.text)
        replies = events(connection)
        begun, symbols = [], set()
        async for event in replies:
            if isinstance(event, Tick):
                symbols.add(event.symbol)
            else:
                begun.append(event)
            if len(symbols) == 2 and Heartbeat() in begun:
                break
        assert begun[:2] == [Ready(), Ready()]
        assert [event for event in begun[2:] if event != Heartbeat()] == [
            Subscribed("EURUSD"),
            SymbolError("NOPE", "SYMBOL_NOT_FOUND", "Failed to get data for NOPE: Symbol not found"),
            Subscribed("USDJPY"),
        ]
        assert symbols == {"EURUSD", "USDJPY"}

    run(story, heartbeat_s=0.05)


def test_a_quiet_venue_sends_heartbeats_only():
    async def story(venue, connection):
        venue.quiet = True
        await connection.send(FxBackend().subscribe(["EURUSD"])[0].text)
        beats = 0
        async for event in events(connection):
            assert not isinstance(event, Tick)
            beats += event == Heartbeat()
            if beats == 5:
                break

    run(story, heartbeat_s=0.02)


def test_a_venue_that_hangs_does_not_even_answer_a_ping():
    async def story(venue, connection):
        venue.hang()
        pong = await connection.ping()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await pong
        async with connect(f"ws://127.0.0.1:{venue.port}/fx", close_timeout=0.1) as second:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await second.recv()

    run(story, heartbeat_s=0.02)


def test_a_venue_can_drop_all_connections():
    async def story(venue, connection):
        venue.drop()
        await connection.wait_closed()
        assert connection.close_code == 1006

    run(story)


def test_a_tick_is_written_as_the_backend_writes_it():
    assert json.loads(encode_tick(Quote("EURUSD", 1.08567, 1.0857, 0.0, 5), 1_701_234_567_890)) == {
        "type": "tick",
        "source": "ctrader",
        "v": "1.0.0",
        "symbol": "EURUSD",
        "bid": 1.08567,
        "ask": 1.0857,
        "price": 1.085685,
        "timestamp": 1_701_234_567_890,
        "receivedAt": 1_701_234_567_890,
    }


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"type": "get_symbol_data_package", "symbol": "XYZ"}, "SYMBOL_NOT_FOUND"),
        ({"type": "get_symbol_data_package", "symbol": 7}, "INVALID_SYMBOL"),
        ({"type": "get_symbol_data_package"}, "INVALID_SYMBOL"),
        ({"type": "reinit"}, None),
        (None, None),
    ],
)
def test_what_cannot_be_done_is_an_error(request_, code):
    answer = json.loads(FxClient(["EURUSD"]).receive(json.dumps(request_)))
    assert (answer["type"], answer.get("code")) == ("error", code)


def test_subscriptions_end_and_are_bounded():
    client = FxClient([f"S{number}" for number in range(MOST_SYMBOLS + 1)])
    replies = [
        json.loads(client.receive(json.dumps({"type": "get_symbol_data_package", "symbol": symbol}))) for symbol in client.known
    ]
    assert sum(answer["type"] == "symbolDataPackage" for answer in replies) == MOST_SYMBOLS
    assert client.receive(json.dumps({"type": "unsubscribe", "symbols": [*client.symbols, 7]})) is None
    assert client.symbols == set()
    assert json.loads(client.receive("{"))["type"] == "error"
