"""Streams of ticks for clients of `/ws`: every tick of a topic, from the journal and then live. PROTOCOL.md section 12.6.

Each stream has a separate subscriber. It is read no faster than its client reads: the subscriber holds back a bounded number of
ticks, and reads on from the journal. Live messages that arrive while it is not read wait in its socket, at most
`broker.subscriber_hwm` of them, until the client is disconnected for not reading.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed

from hulak.bus.errors import BusError, ConfigError, ProtocolError
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.asyncio_wait import readable
from hulak.bus.subscriber.events import TICKS
from hulak.bus.subscriber.sinks import JOURNALLED
from hulak.bus.subscriber.subscriber import WAKE_S
from hulak.bus.wire.names import OWN_TOPICS
from hulak.clients.gateway import protocol
from hulak.clients.gateway.client_message import Id
from hulak.clients.subscriber import LIVE, Event, Subscriber

OWN = OWN_TOPICS.decode()
PER_CLIENT = 4  # streams
MOST = 64  # streams of all clients
ROWS = 200  # of one message
HOLD = 2000  # live messages that a stream holds back, at most
Send = Callable[[bytes], Awaitable[None]]


class StreamOpener:
    """Opens the subscribers of all clients' streams.

    Args:
        settings: have the broker's addresses.
        home: the broker's folder.
    """

    def __init__(self, settings: Settings, home: Path) -> None:
        self.count = 0  # streams that are open
        self._settings = settings
        self._home = home

    def open(self, message: protocol.TicksRead) -> Subscriber:
        """Begin a stream.

        Raises:
            BusError: `BUSY`; `TIMEOUT`, there is no broker.
            ConfigError, ProtocolError: the topic or its beginning is not allowed.
        """
        given = {"since": message.since, "from_sequence": message.first, "last": message.last}
        begin = {key: value for key, value in given.items() if value is not None} or {"since": "now"}
        return self.subscribe(message.topic, **begin)

    def subscribe(self, *topics: str, **begin: Any) -> Subscriber:
        """Begin a stream of several topics; `begin` has the options of `Subscriber`. Raises as `open`."""
        if self.count >= MOST:
            raise BusError("BUSY", f"{self.count} streams of ticks are open at the gateway, the maximum; try again later")
        options: dict[str, Any] = {"settings": self._settings, "home": self._home, "timeout_s": 0.0, "hold": HOLD}
        subscriber = Subscriber(*topics, transport="socket", **options, **begin)
        self.count += 1
        return subscriber

    def close(self, subscriber: Subscriber) -> None:
        """End a stream."""
        self.count -= 1
        subscriber.close()


class TickStreams:
    """The streams of one client.

    Args:
        opener: of all streams.
        send: sends a message to the client; waits while that does not read.
    """

    def __init__(self, opener: StreamOpener, send: Send) -> None:
        self._opener = opener
        self._send = send
        self._tasks: dict[Id, asyncio.Task[None]] = {}

    def begin(self, message: protocol.TicksRead) -> bytes | None:
        """Begin a stream; return the error if it cannot be begun."""
        if message.id in self._tasks:
            return protocol.error("BAD_ARGUMENT", f"id {message.id!r} is that of an open stream, must be another one", message.id)
        if len(self._tasks) >= PER_CLIENT:
            return protocol.error("BUSY", f"{PER_CLIENT} streams of ticks are open, the maximum of a client", message.id)
        try:
            subscriber = self._opener.open(message)
        except BusError as error:
            return protocol.error(error.code, str(error), message.id)
        except (ConfigError, ProtocolError) as error:
            return protocol.error("BAD_ARGUMENT", str(error), message.id)
        self._tasks[message.id] = asyncio.get_running_loop().create_task(self._run(message.id, subscriber))
        return None

    def stop(self, stream: Id) -> None:
        """End a stream; nothing if there is none of this id."""
        task = self._tasks.pop(stream, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """End all streams."""
        for stream in list(self._tasks):
            self.stop(stream)

    async def _run(self, stream: Id, subscriber: Subscriber) -> None:
        this = asyncio.current_task()
        try:
            with suppress(ConnectionClosed):
                await self._pass_on(stream, subscriber)
        finally:
            self._opener.close(subscriber)
            if self._tasks.get(stream) is this:
                del self._tasks[stream]

    async def _pass_on(self, stream: Id, subscriber: Subscriber) -> None:
        try:
            while True:
                rows, ended = _rows(subscriber)
                if rows:
                    await self._send(protocol.tick_rows(stream, rows, live=subscriber.live and not ended))
                if ended:
                    await self._send(protocol.tick_rows(stream, [], live=True))
                if not rows and not ended:
                    await readable(subscriber.sockets(), asyncio.Event(), WAKE_S)
                await asyncio.sleep(0)  # the other clients' turn
        except BusError as error:
            await self._send(protocol.error(error.code, str(error), stream))


def _rows(subscriber: Subscriber) -> tuple[list[dict[str, Any]], bool]:
    """Return the next ticks that are there, bounded, and whether the journal ends behind them."""
    rows: list[dict[str, Any]] = []
    while len(rows) < ROWS and (event := subscriber.poll(0)) is not None:
        if event.topic == LIVE:
            return rows, True
        if event.topic == TICKS or event.topic.startswith(JOURNALLED):  # an empty prefix has the topics of the broker, too
            with suppress(ProtocolError):  # of an old journal
                rows.append(_row(event))
    return rows, False


def _row(event: Event) -> dict[str, Any]:
    stamp, body = event.stamp, event.body
    fields = body if isinstance(body, dict) else {}
    if event.topic.startswith(OWN):  # any value, whose fields could have the names of the head's
        fields = {"body": body}
    elif (
        "bid" in fields and not {"interval", "alert"} & fields.keys()
    ):  # a tick; bars, alerts, trades and states of markets have all of their fields
        fields = {key: body[key] for key in protocol.TICK_FIELDS if key in body}
    head = {"topic": event.topic, "epoch": stamp.epoch, "sequence": stamp.sequence, "time_ms": stamp.time_ns / 1e6}
    return {**head, **fields, **head}
