"""A subscriber's note to the broker: its name, and the number of messages that it has missed. PROTOCOL.md section 3.10."""

import os
import sys
import time
from pathlib import Path

import zmq

from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.wire.subscriber_names import SubscriberNote, plain_name

AGAIN_S = 1.0  # between two notes of a subscriber that misses messages all the time


def program_name() -> str:
    """Return the name of this program, by its command line."""
    path = Path(sys.argv[0] if sys.argv and sys.argv[0] not in ("", "-c") else sys.executable or "python")
    return plain_name(path.parent.name if path.name == "__main__.py" else path.name.removesuffix(".py"))


class NameNote:
    """The note of one subscriber; it is sent again when messages were missing.

    Args:
        socket: connected to the publisher.
        router: counts what is missing.
        name: of the program; None: by the command line.
    """

    def __init__(self, socket: "zmq.Socket[bytes]", router: FrameRouter, name: str | None) -> None:
        self._socket = socket
        self._router = router
        self._name = program_name() if name is None else plain_name(name)
        self._sent = SubscriberNote(self._name, os.getpid()).encode()
        self._next = 0.0  # monotonic seconds
        socket.subscribe(self._sent)

    def update(self, *, ended: bool = False) -> None:
        """Send the numbers again, if they have changed; `ended`: at once, since all missed messages were replayed."""
        now = time.monotonic()
        if now < self._next and not ended:
            return
        self._next = now + AGAIN_S
        counts = self._router.counters()
        missed = counts["repaired"] + counts["lost"]
        note = SubscriberNote(self._name, os.getpid(), counts["gaps"], missed, counts["lost"]).encode()
        if note != self._sent:
            self._socket.unsubscribe(self._sent)
            self._socket.subscribe(note)
            self._sent = note
