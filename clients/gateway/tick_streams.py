"""Streams of ticks for clients of `/ws`: every tick of a topic, from the journal and then live. PROTOCOL.md section 12.6."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed

from hulak.bus.errors import BusError, ConfigError, ProtocolError
from hulak.bus.subscriber.asyncio_wait import readable
from hulak.bus.subscriber.events import GAP, TICKS
from hulak.bus.subscriber.sinks import JOURNALLED
from hulak.bus.subscriber.subscriber import WAKE_S
from hulak.bus.wire.names import OWN_TOPICS
from hulak.clients.gateway import protocol
from hulak.clients.gateway.client_message import Id
from hulak.clients.gateway.open_streams import OpenStreams, Stream
from hulak.clients.subscriber import LIVE, Event

OWN = OWN_TOPICS.decode()
PER_CLIENT = 4  # streams of one connection
ROWS = 200  # of one message
MOST_BYTES = 1 << 17  # of their bodies
Send = Callable[[bytes], Awaitable[None]]


class TickStreams:
    """The streams of one client.

    Args:
        streams: of all clients.
        holder: the client, as `OpenStreams.open` has it.
        send: sends a message to the client; waits while that does not read.
    """

    def __init__(self, streams: OpenStreams, holder: str, send: Send) -> None:
        self._streams = streams
        self._holder = holder
        self._send = send
        self._tasks: dict[Id, asyncio.Task[None]] = {}

    def begin(self, message: protocol.TicksRead) -> bytes | None:
        """Begin a stream; return the error if it cannot be begun."""
        if message.id in self._tasks:
            return protocol.error("BAD_ARGUMENT", f"id {message.id!r} is that of an open stream, must be another one", message.id)
        if len(self._tasks) >= PER_CLIENT:
            return protocol.error("BUSY", f"{PER_CLIENT} streams of ticks are open, the maximum of a client", message.id)
        try:
            stream = self._streams.open(self._holder, message.topic, **_beginning(message))
        except BusError as error:
            return protocol.error(error.code, str(error), message.id)
        except (ConfigError, ProtocolError) as error:
            return protocol.error("BAD_ARGUMENT", str(error), message.id)
        self._tasks[message.id] = asyncio.get_running_loop().create_task(self._run(message.id, stream))
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

    async def _run(self, name: Id, stream: Stream) -> None:
        this = asyncio.current_task()
        try:
            with suppress(ConnectionClosed):
                await self._pass_on(name, stream)
        finally:
            self._streams.close(stream)
            if self._tasks.get(name) is this:
                del self._tasks[name]

    async def _pass_on(self, name: Id, stream: Stream) -> None:
        try:
            while True:
                rows, gaps, ended = _next(stream)
                if rows or gaps:
                    await self._send(protocol.tick_rows(name, rows, live=stream.live and not ended, gaps=gaps))
                if ended:
                    await self._send(protocol.tick_rows(name, [], live=True))
                if not rows and not gaps and not ended:
                    await readable(stream.sockets(), asyncio.Event(), WAKE_S)
                await asyncio.sleep(0)  # the other clients' turn
        except BusError as error:
            await self._send(protocol.error(error.code, str(error), name))


def _beginning(message: protocol.TicksRead) -> dict[str, Any]:
    given = {"since": message.since, "from_sequence": message.first, "last": message.last}
    return {key: value for key, value in given.items() if value is not None} or {"since": "now"}


def _next(stream: Stream) -> tuple[list[dict[str, Any]], list[Any], bool]:
    """Return the next ticks that are there, bounded, what is lost among them, and whether the journal ends behind them."""
    rows: list[dict[str, Any]] = []
    gaps: list[Any] = []
    room = MOST_BYTES
    while len(rows) < ROWS and room > 0 and (event := stream.poll()) is not None:
        room -= len(event.packed or b"")
        if event.topic == LIVE:
            return rows, gaps, True
        if event.topic == GAP:
            gaps.append(event.body)
        elif event.topic == TICKS or event.topic.startswith(JOURNALLED):  # an empty prefix has the topics of the broker, too
            with suppress(ProtocolError):  # of an old journal
                rows.append(_row(event))
    return rows, gaps, False


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
