"""Server-sent events of topics: ticks from the journal and then live, every one of them; or the newest states, conflated.

A stream is read no faster than its client reads. A client that takes nothing for `SLOW_S` is disconnected. An event `status` says
that the broker is frozen or dead, and another one that it lives again: nothing new comes in between.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hulak.bus.errors import BusError, ConfigError, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.subscriber.asyncio_wait import readable
from hulak.bus.subscriber.events import GAP, TICKS
from hulak.bus.subscriber.sinks import JOURNALLED
from hulak.clients.gateway.api.bus_reads import row_of
from hulak.clients.gateway.api.problems import Problem, bad, problem_of
from hulak.clients.gateway.json_session import limit_send_buffer
from hulak.clients.gateway.open_streams import OpenStreams, Stream
from hulak.clients.json_text import to_json
from hulak.clients.subscriber import LIVE, Event

HEARTBEAT_S = 15.0  # between two comments of a stream without events
SLOW_S = 20.0  # limit for a client to take what was sent
WAKE_S = 0.25  # longest wait for events: a client that has gone is noticed, and a silent broker
ROWS = 200  # of one write
MOST_BYTES = 1 << 17  # likewise
STATES = ("stats", "displays", "display.", "config", "heartbeat")  # topics without a history: their newest message counts
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}
_ID = re.compile(r"([0-9]{1,20})/([0-9]{1,20})/([0-9]{1,20})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EventStream:
    """An open stream.

    Args:
        events: its messages.
        has_history: whether its events have ids, to go on from.
    """

    events: Stream
    has_history: bool


class EventStreams:
    """Opens the streams of all clients.

    Args:
        streams: these and those of the WebSockets: the bounds count both.
        log: of this process.
        silence: returns the judge's sentence about a silent broker; empty while it is not silent.
    """

    def __init__(self, streams: OpenStreams, log: Log, silence: Callable[[], str]) -> None:
        self.log = log
        self.silence = silence
        self._streams = streams

    def open(self, args: Mapping[str, Any], last_id: str | None, connection: Any) -> EventStream:
        """Begin a stream.

        Args:
            args: of `EventsQuery`.
            last_id: the id of the last event that the client has; it replaces where `args` begin.
            connection: a `GatewayConnection`; it is ended if the stream's place is given to another client.
        Raises:
            Problem: the topics do not go together, or a value is not allowed.
        """
        topics = tuple(dict.fromkeys(args["topics"]))
        states = [topic for topic in topics if topic.startswith(STATES)]
        begin = {"since": args.get("since"), "from_sequence": args.get("from"), "last": args.get("last")}
        begin = {name: value for name, value in begin.items() if value is not None}
        if states and (len(states) < len(topics) or begin):
            raise bad(f"topic {states[0]!r} has no history, so neither topics with one nor since, from and last go with it")
        if last_id and not states:
            begin = resumed(topics, last_id)
        try:
            options = {"mode": "latest"} if states else begin or {"since": "now"}
            return EventStream(self._streams.open(connection.holder, *topics, on_end=connection.abort, **options), not states)
        except BusError as error:
            raise problem_of(error, broker_up=False) from error
        except (ConfigError, ProtocolError) as error:
            raise bad(str(error)) from error

    def close(self, stream: EventStream) -> None:
        """End a stream."""
        self._streams.close(stream.events)


def resumed(topics: tuple[str, ...], last_id: str) -> dict[str, Any]:
    """Return where a stream goes on behind an event: of one topic at the next number, of several at the event's time.

    Raises:
        Problem: it is no id of an event.
    """
    match = _ID.fullmatch(last_id)
    if match is None:
        raise bad(f"header Last-Event-ID is {last_id[:60]!r}, must be EPOCH/SEQUENCE/TIME_NS as in an event's id")
    _, sequence, time_ns = map(int, match.groups())
    if len(topics) == 1 and (topics[0] == TICKS or not topics[0].endswith((".", "*"))) and topics[0]:
        return {"from_sequence": sequence + 1}
    try:
        return {"since": EPOCH + timedelta(microseconds=time_ns // 1000)}
    except OverflowError as error:
        raise bad(f"header Last-Event-ID is {last_id[:60]!r}, its time is beyond the year 9999") from error


def text_of(event: Event, *, has_id: bool) -> bytes:
    """Return an event in the form of the stream."""
    if event.topic == LIVE:
        return b"event: live\ndata: {}\n\n"
    if event.topic == GAP:
        return f"event: gap\ndata: {to_json(event.body)}\n\n".encode()
    stamp = event.stamp
    head = f"id: {stamp.epoch}/{stamp.sequence}/{stamp.time_ns}\n" if has_id else ""
    return f"{head}data: {to_json(row_of(event))}\n\n".encode()


class EventResponse(Response):
    """The response with a stream.

    Args:
        streams: of all clients.
        stream: this one.
    """

    media_type = "text/event-stream"

    def __init__(self, streams: EventStreams, stream: EventStream) -> None:
        super().__init__(None, HTTPStatus.OK, HEADERS)
        self._streams = streams
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the specification of ASGI."""
        limit_send_buffer(scope["state"]["connection"])
        gone = asyncio.create_task(_gone(receive))
        try:
            fields = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
            await send({"type": "http.response.start", "status": self.status_code, "headers": fields})
            if scope["method"] != "HEAD":
                await self._pass_on(send, gone)
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            self._streams.log.info("client disconnected", why="client does not read", path=scope["path"])
            scope["state"]["connection"].abort()
        finally:
            gone.cancel()
            self._streams.close(self._stream)

    async def _pass_on(self, send: Send, gone: "asyncio.Task[None]") -> None:
        stream, sent_at, was_silent = self._stream.events, 0.0, False
        while not gone.done():
            try:
                text = self._next(stream)
                ends = False
            except BusError as error:
                text, ends = _last_words(problem_of(error, broker_up=True)), True
            silence = self._streams.silence()
            if bool(silence) != was_silent:
                text, was_silent = _status(silence) + text, bool(silence)
            if not text and time.monotonic() - sent_at > HEARTBEAT_S:
                text = b": heartbeat\n\n"
            if text:
                async with asyncio.timeout(SLOW_S):
                    await send({"type": "http.response.body", "body": text, "more_body": True})
                sent_at = time.monotonic()
                await asyncio.sleep(0)  # the other clients' turn
            else:
                await readable(stream.sockets(), asyncio.Event(), WAKE_S)
            if ends:
                return

    def _next(self, stream: Stream) -> bytes:
        """Return the events that are there, bounded."""
        texts: list[bytes] = []
        room = MOST_BYTES
        while len(texts) < ROWS and room > 0 and (event := stream.poll()) is not None:
            # An empty prefix has the topics of the broker, too.
            if not self._stream.has_history or event.topic in (LIVE, GAP, TICKS) or event.topic.startswith(JOURNALLED):
                texts.append(text_of(event, has_id=self._stream.has_history))
                room -= len(texts[-1])
        return b"".join(texts)


async def _gone(receive: Receive) -> None:
    """Return when the client has ended its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _status(silence: str) -> bytes:
    return f"event: status\ndata: {to_json({'silent': bool(silence), 'text': silence})}\n\n".encode()


def _last_words(problem: Problem) -> bytes:
    return f"event: problem\ndata: {to_json(problem.members())}\n\n".encode()
