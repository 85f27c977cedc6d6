"""Clients that stop reading a stream and read again later: every tick comes once, from the journal where need be."""

import asyncio
import json
import socket

import pytest
import structlog
from local_bus import LocalBus
from unnumbered_feed import UnnumberedFeed
from waiting import eventually
from websockets.asyncio.client import connect

from hulak.clients.gateway.process import Gateway

pytestmark = pytest.mark.system
LIMIT_S = 60
SYMBOLS = ("EURUSD", "EURGBP")
ROUNDS = 4000  # ticks of each symbol: more than the buffers between gateway and client take in


def with_gateway(work, **settings):
    async def run(local_bus, feed):
        async with Gateway(local_bus.settings, local_bus.home, structlog.get_logger()) as gateway, asyncio.timeout(LIMIT_S):
            await work(local_bus, gateway, feed)

    with LocalBus(**settings) as local_bus:
        local_bus.start_broker()
        with UnnumberedFeed(local_bus) as feed:
            asyncio.run(run(local_bus, feed))


async def until(condition):
    while not condition():  # noqa: ASYNC110 - of another task
        await asyncio.sleep(0.01)


async def posted(local_bus, feed, count):
    """Post ticks a few at a time, until the broker has them."""
    before = (await asyncio.to_thread(local_bus.stats))["ticks"]["taken"]
    for at in range(0, count, 100):
        feed.post(100, *SYMBOLS)
        if at % 1000 == 0:
            await asyncio.sleep(0)
    while (await asyncio.to_thread(local_bus.stats))["ticks"]["taken"] < before + count * len(SYMBOLS):  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.05)


async def stuck(local_bus, gateway, feed):
    """Post until the only stream rests, which is that of a client that does not read; then as many again."""
    [stream] = gateway.streams._streams
    while not stream.rests:
        await posted(local_bus, feed, 1000)
    await posted(local_bus, feed, ROUNDS)


def ids(rows, topic):
    return [row["sequence"] for row in rows if row["topic"] == topic]


@pytest.mark.parametrize("topics", ["ticks", "tick.", "tick.EURUSD"])
def test_a_client_of_events_that_reads_again_gets_every_tick_once(topics):
    async def work(local_bus, gateway, feed):
        await posted(local_bus, feed, 100)
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(("127.0.0.1", gateway.port))
        reader, writer = await asyncio.open_connection(sock=plain, limit=4096)
        writer.write(f"GET /api/v1/events?topics={topics}&since=oldest HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await until(lambda: gateway.streams._streams)
        await stuck(local_bus, gateway, feed)
        total = (await asyncio.to_thread(local_bus.stats))["ticks"]["taken"]
        text, rows, lives = b"", [], 0
        wanted = total // (2 if topics == "tick.EURUSD" else 1)
        while len(rows) < wanted or not gateway.streams._streams or next(iter(gateway.streams._streams)).rests:
            text += await reader.read(1 << 16)
            *events, text = text.replace(b"\r\n", b"\n").split(b"\n")
            rows += [json.loads(line[6:]) for line in events if line.startswith(b'data: {"topic"')]
            lives += events.count(b"event: live")
        feed.post(1, *SYMBOLS)  # live again
        while len(rows) < wanted + (1 if topics == "tick.EURUSD" else 2):
            text += await reader.read(1 << 16)
            *events, text = text.replace(b"\r\n", b"\n").split(b"\n")
            rows += [json.loads(line[6:]) for line in events if line.startswith(b'data: {"topic"')]
            lives += events.count(b"event: live")
        for topic in {row["topic"] for row in rows}:
            assert ids(rows, topic) == list(range(1, len(ids(rows, topic)) + 1))
        assert lives >= 1
        writer.close()

    with_gateway(work)


def test_a_client_of_ws_that_reads_again_gets_every_tick_once():
    async def work(local_bus, gateway, feed):
        async with connect(f"ws://127.0.0.1:{gateway.port}/ws", max_queue=1) as client:
            await client.send(json.dumps({"type": "ticks.read", "id": 1, "topic": "tick.", "since": "now"}))
            await until(lambda: gateway.streams._streams)
            await stuck(local_bus, gateway, feed)
            total = (await asyncio.to_thread(local_bus.stats))["ticks"]["taken"]
            rows, live = [], []
            while len(rows) < total or not live[-1]:
                message = json.loads(await client.recv())
                if message["type"] == "ticks":
                    assert "gaps" not in message
                    rows += message["rows"]
                    live.append(message["live"])
            for symbol in SYMBOLS:
                assert ids(rows, f"tick.{symbol}") == list(range(1, total // 2 + 1))
            assert False in live[live.index(True) :], "it fell behind, and says so"

    with_gateway(work, **{"gateway.client_bytes": 64 << 20})


def test_a_subscriber_that_rests_has_no_connection_and_misses_nothing_when_it_reads_again():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        with UnnumberedFeed(local_bus) as feed:

            def post(count):
                before = local_bus.stats()["ticks"]["taken"]
                feed.post(count)
                eventually(lambda: local_bus.stats()["ticks"]["taken"] == before + count, within_s=LIMIT_S)

            post(3)
            with (
                local_bus.subscriber("tick.EURUSD", transport="socket") as lossless,  # without a beginning in the past
                local_bus.subscriber("ticks", transport="socket", since="oldest") as history,
                local_bus.subscriber("tick.EURUSD", transport="socket", mode="latest") as latest,
            ):
                subscribers = (lossless, history, latest)
                seen = {subscriber: [] for subscriber in subscribers}

                def read(number):
                    for subscriber in subscribers:
                        while (event := subscriber.poll(0)) is not None:
                            seen[subscriber] += [event.stamp.sequence] if event.topic != "live" else []
                    return all(seen[subscriber][-1:] == [number] for subscriber in subscribers) and history.live

                eventually(lambda: read(3), within_s=LIMIT_S)
                for subscriber in subscribers:
                    subscriber.rest()
                    subscriber.rest()  # it does already
                    assert subscriber.rests
                post(500)
                eventually(lambda: read(503), within_s=LIMIT_S)
                post(1)
                eventually(lambda: read(504), within_s=LIMIT_S)
                assert seen[lossless] == list(range(3, 505))
                assert seen[history] == list(range(1, 505))
                assert not any(subscriber.rests or subscriber.gaps for subscriber in subscribers)
