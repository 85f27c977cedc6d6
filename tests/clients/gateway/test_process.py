"""The gateway process without a broker: access, messages, and clients that do not read."""

import asyncio
import contextlib
import json
import math
import socket
import urllib.error
import urllib.request

import msgpack
import pytest
import structlog
from local_bus import LocalBus
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hulak.bus.wire.messages import Tick
from hulak.clients.gateway.process import Gateway

LIMIT_S = 20


def serving(work, **settings):
    """Run `work(gateway, url)` beside a gateway."""

    async def run():
        with LocalBus(**{f"gateway.{name}": value for name, value in settings.items()}) as local_bus:
            async with Gateway(local_bus.settings, local_bus.home, structlog.get_logger()) as gateway, asyncio.timeout(LIMIT_S):
                await work(gateway, f"ws://127.0.0.1:{gateway.port}/ws")

    asyncio.run(run())


async def request(socket_, **message):
    await socket_.send(json.dumps(message))
    return json.loads(await socket_.recv())


async def closed(socket_):
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket_.recv()
    return socket_.close_code


def test_a_client_gets_greeting_frames_and_answers(monkeypatch):
    monkeypatch.setattr("hulak.clients.gateway.bus_calls.CALL_S", 0.2)

    async def work(gateway, url):
        gateway.cache.take_state("d1", msgpack.packb({"symbol": "EURUSD", "price": 1.1}))
        async with connect(url) as client:
            assert json.loads(await client.recv())["type"] == "hello"
            assert (await request(client, type="ping", id="a")) == {"type": "pong", "id": "a"}
            frame = await request(client, type="subscribe", displays=["*"], ticks=["EURUSD"])
            assert frame["displays"] == {"d1": {"symbol": "EURUSD", "price": 1.1}}
            gateway.cache.take_ticks([Tick("USDJPY", 1.0, 2.0, 5, "x"), Tick("EURUSD", 1.0, 2.0, 5, "x")])
            gateway.woken.set()
            assert list(json.loads(await client.recv())["ticks"]) == ["EURUSD"]
            refusal = await request(client, type="display.create", symbol="EURUSD", id=4)
            assert (refusal["type"], refusal["id"], refusal["code"]) == ("error", 4, "TIMEOUT"), "there is no broker"

    serving(work)


def test_an_odd_state_does_not_end_the_loop_and_the_age_is_that_of_states_that_were_sent():
    async def work(gateway, url):
        async with connect(url) as client:
            await client.recv()
            await client.send(json.dumps({"type": "subscribe", "displays": ["d1"], "ticks": ["EURUSD"]}))
            for odd in ("x", [], math.inf, math.nan, {}):
                gateway.cache.take_state("d1", msgpack.packb({"symbol": "EURUSD", "price": 1.1, "published_ms": odd}))
                gateway.woken.set()
                assert "published_ms" not in json.loads(await client.recv())["displays"]["d1"]
            assert gateway.sessions.figures(0.0)["state_age_us"] is None
            gateway.cache.take_state("d1", msgpack.packb({"symbol": "EURUSD", "price": 1.1, "published_ns": 5}))
            gateway.woken.set()
            await client.recv()
            await client.send(json.dumps({"type": "unsubscribe", "displays": ["d1"]}))
            assert (await request(client, type="ping", id=1)) == {"type": "pong", "id": 1}
            for bid in (1.0, 2.0):
                gateway.cache.take_state("d1", msgpack.packb({"symbol": "EURUSD", "price": 1.2, "published_ns": 6}))
                gateway.cache.take_ticks([Tick("EURUSD", bid, 3.0, 5, "x")])
                gateway.woken.set()
                await client.recv()
            assert gateway.sessions.figures(0.0)["state_age_us"]["count"] == 1

    serving(work)


def test_nine_bad_messages_end_the_connection():
    async def work(_, url):
        async with connect(url) as client:
            await client.recv()
            for _ in range(8):
                assert (await request(client, type="nonsense"))["code"] == "BAD_MESSAGE"
            await client.send("[")
            assert await closed(client) == 4000

    serving(work)


def test_a_message_that_is_too_large_ends_the_connection():
    async def work(_, url):
        async with connect(url) as client:
            await client.send("x" * 70_000)
            assert await closed(client) == 1009

    serving(work)


def test_pages_of_other_origins_get_nothing():
    async def work(_, url):
        async with connect(url, origin="http://evil.example") as client:
            assert await closed(client) == 4003

    serving(work)


def test_one_client_too_many_is_refused():
    async def work(_, url):
        async with connect(url) as client:
            await client.recv()
            with pytest.raises(InvalidStatus) as refused:
                await connect(url)
            assert refused.value.response.status_code == 503

    serving(work, max_clients=1)


def test_probes_and_page_are_served_beside_the_websockets():
    def get(url):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    async def work(gateway, url):
        base = url.replace("ws:", "http:").removesuffix("/ws")
        status, body = await asyncio.to_thread(get, f"{base}/readyz")
        assert status == 503
        assert json.loads(body)["reasons"] == ["no statistics from the broker yet"]
        assert (await asyncio.to_thread(get, f"{base}/healthz"))[0] == 200
        status, body = await asyncio.to_thread(get, f"{base}/metrics")
        assert status == 200
        assert b"hulak_broker_up 0.0" in body
        assert (await asyncio.to_thread(get, f"{base}/../../pyproject.toml"))[0] == 404

    serving(work)


def test_a_client_that_does_not_read_is_disconnected_and_its_memory_bounded(monkeypatch):
    monkeypatch.setattr("hulak.clients.gateway.fanout.BEHIND_S", 0.5)
    client_bytes = 1 << 16

    async def work(gateway, url):
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        plain.connect(("127.0.0.1", gateway.port))
        async with connect(url, sock=plain) as stuck, connect(url) as quick:
            for client in (stuck, quick):
                await client.recv()
                await client.send('{"type":"subscribe","displays":["*"]}')
            (session, _) = gateway.sessions.clients
            stuck.transport.pause_reading()
            seen, most, number = 0, 0, 0
            while gateway.figures()["too_slow"] == 0:
                number += 1
                gateway.cache.take_state("d1", msgpack.packb({"symbol": "EURUSD", "price": number, "padding": "x" * 5000}))
                gateway.woken.set()
                seen = json.loads(await quick.recv())["displays"]["d1"]["price"]
                most = max(most, session.connection.transport.get_write_buffer_size())
            assert seen == number, "the other client misses nothing"
            assert most < client_bytes / 16 + 2 * 6000, "the mark, and a frame"
            assert session.state.conflated > 0
            stuck.transport.resume_reading()
            assert await closed(stuck) == 4002

    serving(work, client_bytes=client_bytes)


@pytest.mark.parametrize(
    ("failure", "code"), [(OverflowError("Integer value out of range"), "BAD_ARGUMENT"), (KeyError("a bug"), "INTERNAL")]
)
def test_a_command_that_fails_in_the_gateway_is_answered_too(failure, code):
    async def work(gateway, url):
        async def fails(service, args):
            raise failure

        gateway.calls.call = fails
        async with connect(url) as client:
            await client.recv()
            refusal = await request(client, type="config.set", scope="global", values={"log_level": 1 << 70}, id=4)
            assert (refusal["type"], refusal["id"], refusal["code"]) == ("error", 4, code)
            assert (await request(client, type="dead.list", id=1 << 70)).items() >= {"type": "error", "id": 1 << 70}.items()
            assert (await request(client, type="ping", id=1 << 70)) == {"type": "pong", "id": 1 << 70}

    serving(work)


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
REQUESTS = {
    "a client": UPGRADE + b"\r\n",
    "a refused one": UPGRADE + b"Authorization: Bearer hulak_x\r\n\r\n",
    "a probe": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}
BEHIND = {"garbage": b"\xff" * 100, "a Close": b"\x88\x80\0\0\0\0", "an unmasked frame": b"\x81\x05hello"}


@pytest.mark.parametrize("message", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
def test_what_a_client_sends_behind_its_request_is_no_error_of_the_gateway(message, behind):
    async def work(gateway, url):
        for turns in range(10):  # of the loop, between the request and the rest
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(message)
            for _ in range(turns):
                await asyncio.sleep(0)
            writer.write(behind)
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
        async with connect(url) as client:
            assert json.loads(await client.recv())["type"] == "hello"

    with capture_logs() as logged:
        serving(work)
    assert [entry for entry in logged if entry["log_level"] == "error"] == []


def test_an_error_of_the_gateway_in_a_handshake_is_an_event_with_its_traceback():
    async def work(gateway, url):
        gateway.routes.is_full = lambda: 1 / 0
        with pytest.raises(InvalidStatus):
            await connect(url)

    with capture_logs() as logged:
        serving(work)
    (error,) = [entry for entry in logged if entry["log_level"] == "error"]
    assert (error["event"], error["why"]) == ("websockets failed", "process_request failed")
    assert error["exc_info"][0] is ZeroDivisionError


def test_two_hosts_are_a_bad_request():
    async def work(gateway, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()

    serving(work)
