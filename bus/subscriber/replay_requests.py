"""The subscriber's requests to the journal, by the frontend, for missed messages. PROTOCOL.md section 7.3.

The broker runs the replays of one connection a few at a time, and reports every half second that they are under way. So the
timeout is that of the connection, not of each request: nothing is requested again while anything arrives.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zmq
from msgspec import Struct

from hulak.bus.errors import BusError, Forbidden
from hulak.bus.process.pending_requests import PendingRequest
from hulak.bus.process.requests import RequestChannel
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.sequence_tracker import Ask
from hulak.bus.wire.messages import Error, MessageToClient, Part, Reply

AGAIN_S = 5.0  # seconds without a message on the connection, after which all requests are sent again
BUSY_S = (0.05, 0.5)  # range of the delay after the broker could not accept a request
LATER = ("BUSY", "INTERNAL", "REPLACED")  # errors after which the same request may be sent again


class ReplayRows(Struct, frozen=True):
    """Some of the requested rows: [number in the global order, frame]."""

    topic: str
    rows: list[Any]


class ReplayEnded(Struct, frozen=True):
    """The replay ended; the broker continues at `further` if it is asked again, or has no more if None."""

    topic: str
    further: int | None
    refused: BusError | None = None  # why the broker refused the request


class TooOld(Struct, frozen=True):
    """The broker has nothing before `oldest`."""

    topic: str
    oldest: int
    begins: bool = False  # earlier messages belong to a removed topic of this name
    oldest_ns: int = 0  # when the broker began what it has, ns since 1970 UTC; 0: unknown


class OtherEpoch(Struct, frozen=True):
    """The number before the first one requested was given under another epoch: the messages known up to it are not valid."""

    topic: str


ReplayAnswer = ReplayRows | ReplayEnded | TooOld | OtherEpoch


class ReplayRequests:
    """Replays under way, one per topic.

    Args:
        context: the subscriber's.
        settings: the broker's addresses.
        home: the broker's folder.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", settings: Settings, home: Path) -> None:
        # The queue must hold a request for each topic.
        self._channel = RequestChannel(context, settings, home, silence_s=AGAIN_S, new_ids=True, sndhwm=0, rcvhwm=10_000)
        self._requests: dict[str, PendingRequest] = {}  # topic -> its request under way

    @property
    def socket(self) -> "zmq.Socket[bytes] | None":
        """Return the socket to poll for input; None before the first request."""
        return self._channel.socket

    @property
    def busy(self) -> bool:
        """Return whether a request is under way."""
        return bool(self._requests)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def ask(self, topic: str, ask: Ask, epoch: int = 0) -> None:
        """Request numbers of a topic; replaces the former request for it.

        Args:
            topic: a topic, or a prefix that ends with `.` or `*`.
            ask: both ends inclusive.
            epoch: of the number before the first one requested; 0: any.
        """
        self.ask_with(topic, {"topic": topic, "from": ask.first, "to": ask.last, **({"epoch": epoch} if epoch else {})})

    def ask_with(self, topic: str, args: dict[str, Any]) -> None:
        """Send a request with these arguments of section 7.3; replaces the former request of the same `topic`."""
        self.forget(topic)
        self._requests[topic] = self._channel.ask("hulak.replay", args, about=topic)

    def forget(self, topic: str) -> None:
        """Drop the request for a topic."""
        request = self._requests.pop(topic, None)
        if request is not None:
            self._channel.forget(request)

    def forget_all(self) -> None:
        """Drop all requests."""
        for topic in list(self._requests):
            self.forget(topic)

    def ask_again(self) -> None:
        """Send again the requests that the broker could not accept, and all after a restart or a silence."""
        self._channel.step()

    def next_due(self) -> float | None:
        """Return when `ask_again` has something to do, in monotonic seconds."""
        return self._channel.next_due() if self._requests else None

    def answers(self) -> Iterator[ReplayAnswer]:
        """Read the answers that have arrived."""
        for request, message in self._channel.answers():
            if request is not None:
                answer = self._read(request, message)
                if answer is not None:
                    yield answer

    def _read(self, request: PendingRequest, message: MessageToClient) -> ReplayAnswer | None:
        topic: str = request.about
        if isinstance(message, Part):
            return ReplayRows(topic, message.value) if message.value else None
        if isinstance(message, Error) and message.code in LATER:
            self._channel.repeat(request, random.uniform(*BUSY_S))  # noqa: S311 - so that not all come back at once
            return None
        del self._requests[topic]
        return ReplayEnded(topic, message.value["next"]) if isinstance(message, Reply) else _read_error(topic, message)


def _read_error(topic: str, message: Error) -> ReplayAnswer:
    details = message.details
    match message.code:
        case "TOO_OLD":
            return TooOld(topic, details["oldest"], details.get("begins", False), details.get("oldest_ns", 0))
        case "OTHER_EPOCH":
            return OtherEpoch(topic)
        case "UNKNOWN_TOPIC":
            return ReplayEnded(topic, None)
        case "FORBIDDEN":
            return ReplayEnded(topic, None, Forbidden(message.text, details))
    return ReplayEnded(topic, None, BusError(message.code, message.text, details))
