"""Connections that speak HTTP: refused upgrades, slow and malformed requests."""

import asyncio
import contextlib

import structlog
from local_bus import LocalBus
from structlog.testing import capture_logs

from hulak.clients.gateway import http_connection
from hulak.clients.gateway.process import Gateway

LIMIT_S = 20
HOST = b"Host: 127.0.0.1\r\n"
SOCKET = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def serving(work):
    async def run():
        with LocalBus() as local_bus:
            async with Gateway(local_bus.settings, local_bus.home, structlog.get_logger()) as gateway, asyncio.timeout(LIMIT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                await work(gateway, reader, writer)
                writer.close()
                while gateway.figures()["connections"]:  # noqa: ASYNC110 - the gateway's own loop
                    await asyncio.sleep(0.01)

    with capture_logs() as logged:
        asyncio.run(run())
    assert [entry for entry in logged if entry["log_level"] == "error"] == []


def test_an_upgrade_that_the_connection_does_not_ask_for_is_refused():
    async def work(gateway, reader, writer):
        writer.write(SOCKET.replace(b"Connection: Upgrade\r\n", b""))
        assert b" 426 " in await reader.readline()
        await reader.read()

    serving(work)


def test_a_request_whose_head_does_not_come_ends_its_connection(monkeypatch):
    monkeypatch.setattr(http_connection, "HEAD_S", 0.05)

    async def work(gateway, reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""

    serving(work)


def test_a_malformed_body_behind_its_response_is_no_error_of_the_gateway():
    async def work(gateway, reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.write(b"not a chunk\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()

    serving(work)


def test_a_head_that_is_too_large_is_refused():
    async def work(gateway, reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"x" * (2 * http_connection.HEAD_BYTES))
        with contextlib.suppress(ConnectionError):
            assert (await reader.read())[:13] in (b"", b"HTTP/1.1 400 ")

    serving(work)
