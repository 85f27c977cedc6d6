"""The subscriber's way to the journal: asks the frontend for what was missed. PROTOCOL.md section 7.3.

The broker carries out the replays of one connection a few at a time, and tells every half second that it is at it. So it is the
connection's silence that counts, not that of one request: nothing is asked for again while anything arrives.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.process.pending_requests import PendingRequest
from hulak.bus.process.requests import RequestChannel
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.sequence_tracker import Ask
from hulak.bus.wire.messages import Error, MessageToClient, Part, Reply

AGAIN_S = 5.0  # without a word on the connection; then everything is asked for again
BUSY_S = (0.05, 0.5)  # between these, after the broker could not take a request
LATER = ("BUSY", "INTERNAL", "REPLACED")  # errors after which the same may be asked for again


@dataclass(frozen=True, slots=True)
class ReplayRows:
    """Some of what was asked for: [number in the global order, frame]."""

    topic: str
    rows: list[Any]


@dataclass(frozen=True, slots=True)
class ReplayEnded:
    """The replay ended; the broker wants to be asked again from `further`, or had no more."""

    topic: str
    further: int | None


@dataclass(frozen=True, slots=True)
class TooOld:
    """The broker has nothing before `oldest`."""

    topic: str
    oldest: int
    begins: bool = False  # what was before is of a topic of this name that was removed


@dataclass(frozen=True, slots=True)
class OtherEpoch:
    """The number before the first one wanted was given under another epoch: what is known up to it does not hold."""

    topic: str


ReplayAnswer = ReplayRows | ReplayEnded | TooOld | OtherEpoch


class ReplayRequests:
    """Replays under way, one per topic.

    Args:
        context: of the subscriber.
        settings: say where the broker is.
        home: its folder.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", settings: Settings, home: Path) -> None:
        # As many may wait to be sent as there are topics.
        self._channel = RequestChannel(context, settings, home, silence_s=AGAIN_S, new_ids=True, sndhwm=0, rcvhwm=10_000)
        self._requests: dict[str, PendingRequest] = {}  # topic -> its request under way

    @property
    def socket(self) -> "zmq.Socket[bytes] | None":
        """The socket to poll for input; None before something is asked for."""
        return self._channel.socket

    @property
    def busy(self) -> bool:
        """True while an answer is awaited."""
        return bool(self._requests)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def ask(self, topic: str, ask: Ask, epoch: int = 0) -> None:
        """Ask for numbers of a topic; instead of what was asked for it before.

        Args:
            topic: or a prefix that ends with `.` or `*`.
            ask: both ends inclusive.
            epoch: that the number before the first one wanted must have; 0: whichever.
        """
        self.forget(topic)
        args: dict[str, Any] = {"topic": topic, "from": ask.first, "to": ask.last}
        if epoch:
            args["epoch"] = epoch
        self._requests[topic] = self._channel.ask("hulak.replay", args, about=topic)

    def forget(self, topic: str) -> None:
        """Expect nothing more of a topic."""
        request = self._requests.pop(topic, None)
        if request is not None:
            self._channel.forget(request)

    def ask_again(self) -> None:
        """Repeat what the broker could not take, and everything to one that was restarted or says nothing any more."""
        self._channel.step()

    def next_due(self) -> float | None:
        """When `ask_again` has something to do, in monotonic seconds."""
        return self._channel.next_due() if self._requests else None

    def answers(self) -> Iterator[ReplayAnswer]:
        """Read the answers that have come."""
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
        if isinstance(message, Reply):
            return ReplayEnded(topic, message.value["next"])
        if message.code == "TOO_OLD":
            return TooOld(topic, message.details["oldest"], message.details.get("begins", False))
        return OtherEpoch(topic) if message.code == "OTHER_EPOCH" else ReplayEnded(topic, None)
