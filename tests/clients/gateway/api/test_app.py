"""The API of a gateway without a broker: bodies, bounds, connections; and streams of events whose client does not read."""

import asyncio
import dataclasses
import json
from types import SimpleNamespace

import pytest
import structlog
from local_bus import LocalBus
from structlog.testing import capture_logs

from hulak.bus.subscriber.events import Event
from hulak.bus.wire.messages import Stamp
from hulak.clients.gateway.api import app, context, events
from hulak.clients.gateway.api.request_reader import MOST_BYTES
from hulak.clients.gateway.process import Gateway
from hulak.clients.judge.members import silence

LIMIT_S = 20
SOCKET = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Connection:
    """Requests on one connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def ask(self, method, path, body=b"", kind="application/json"):
        fields = f"Host: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        self.writer.write(f"{method} /api/v1{path} HTTP/1.1\r\n{fields}\r\n".encode() + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return int(head.split()[1]), json.loads(await self.reader.readexactly(size))


def serving(work):
    async def run():
        with LocalBus() as local_bus:
            async with Gateway(local_bus.settings, local_bus.home, structlog.get_logger()) as gateway, asyncio.timeout(LIMIT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                await work(gateway, Connection(reader, writer))
                writer.close()

    with capture_logs() as logged:
        asyncio.run(run())
    assert [entry for entry in logged if entry["log_level"] == "error"] == []


def test_one_connection_has_requests_and_then_a_websocket():
    async def work(gateway, connection):
        assert (await connection.ask("GET", "/check"))[1]["level"] == "WARNING"
        assert (await connection.ask("GET", "/nothing"))[0] == 404
        status, problem = await connection.ask("PUT", "/alerts/high")
        assert (status, "this path has DELETE, PATCH; " in problem["detail"]) == (405, True)
        connection.writer.write(SOCKET)
        assert b" 101 " in await connection.reader.readuntil(b"\r\n\r\n")

    serving(work)


def test_without_a_broker_a_request_is_refused_in_time(monkeypatch):
    monkeypatch.setattr(context.Context.call, "__defaults__", (None, 0.1))

    async def work(gateway, connection):
        status, problem = await connection.ask("GET", "/stats")
        assert (status, problem["code"]) == (503, "NO_BROKER")

    serving(work)


def test_a_body_that_is_too_large_is_refused():
    async def work(gateway, connection):
        status, problem = await connection.ask("POST", "/tasks", b" " * (MOST_BYTES + 1))
        assert (status, problem["code"]) == (413, "TOO_LARGE")

    serving(work)


def test_a_body_that_does_not_come_ends_with_408(monkeypatch):
    monkeypatch.setattr(app, "BODY_S", 0.05)

    async def work(gateway, connection):
        connection.writer.write(b"POST /api/v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{")
        assert b" 408 " in await connection.reader.readline()

    serving(work)


def test_one_request_too_many_is_refused(monkeypatch):
    monkeypatch.setattr(app, "AT_ONCE", 0)

    async def work(gateway, connection):
        status, problem = await connection.ask("GET", "/check")
        assert (status, problem["code"]) == (503, "BUSY")

    serving(work)


def test_an_error_of_the_gateway_is_logged_and_answered():
    async def work(gateway, connection):
        gateway.api.context = dataclasses.replace(gateway.api.context, verdict=lambda: 1 / 0)
        status, problem = await connection.ask("GET", "/check")
        assert (status, problem["code"]) == (500, "INTERNAL")

    with pytest.raises(AssertionError, match="request failed"):
        serving(work)


class Streams:
    """Streams without a bus."""

    def __init__(self, silences=()):
        self.log, self.closed, self._silences = structlog.get_logger(), [], list(silences)

    def silence(self):
        return self._silences.pop(0) if self._silences else ""

    def close(self, stream):
        self.closed.append(stream)


def streamed(messages, send, silences=()):
    """Serve a stream of messages to a client; returns whether its connection was ended.

    Args:
        messages: of the broker.
        send: to the client.
        silences: the sentences of the judge about the broker, in turn.
    """

    async def run():
        pending, ended, gone = list(messages), [], asyncio.Event()
        subscriber = SimpleNamespace(poll=lambda: pending.pop(0) if pending else None, sockets=list)
        streams, stream = Streams(silences), events.EventStream(subscriber, True)
        transport = SimpleNamespace(get_extra_info=lambda _: None)
        connection = SimpleNamespace(transport=transport, abort=lambda: ended.append(True))

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        scope = {"method": "GET", "path": "/api/v1/events", "state": {"connection": connection}}
        async with asyncio.timeout(LIMIT_S):
            await events.EventResponse(streams, stream)(scope, receive, lambda message: send(message, gone))
        assert streams.closed == [stream]
        return bool(ended)

    return asyncio.run(run())


TICK = Event("tick.A", Stamp(7, 41, 1_800_000_000_000_000_000), None, {"bid": 1.5})


def test_a_stream_has_events_with_ids_and_a_comment_when_there_are_none(monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(events, "WAKE_S", 0.01)
    sent = []

    async def send(message, gone):
        sent.append(message.get("body", b""))
        if sent[-1].startswith(b":"):
            gone.set()

    assert not streamed([TICK], send)
    data = b'{"topic":"tick.A","epoch":7,"sequence":41,"time_ns":1800000000000000000,"bid":1.5}'
    assert sent[1:3] == [b"id: 7/41/1800000000000000000\ndata: " + data + b"\n\n", b": heartbeat\n\n"]


def test_a_stream_has_one_event_when_the_broker_is_silent_and_one_when_it_is_not(monkeypatch):
    monkeypatch.setattr(events, "WAKE_S", 0.01)
    sentence, sent = silence("broker", 1.2), []

    async def send(message, gone):
        sent.append(message.get("body", b""))
        if b'"silent":false' in sent[-1]:
            gone.set()

    assert not streamed([TICK], send, ["", "", sentence, silence("broker", 2.4), silence("broker", 3.0), ""])
    silent = b'event: status\ndata: {"silent":true,"text":"' + sentence.encode() + b'"}\n\n'
    assert sent[2:4] == [silent, b'event: status\ndata: {"silent":false,"text":""}\n\n']


def test_a_client_that_takes_nothing_is_disconnected(monkeypatch):
    monkeypatch.setattr(events, "SLOW_S", 0.05)

    async def send(message, gone):
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    assert streamed([TICK], send)
