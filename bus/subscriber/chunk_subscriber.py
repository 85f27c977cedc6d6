"""`ChunkSubscriber`: all ticks with their numbers, in batches; for a process with many consumers that also reads the journal.

It returns the same as `Subscriber`, in the form it arrived: chunks of consecutive numbers of the global order, decoded once.
"""

from pathlib import Path

import zmq

from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.events import TICKS, Event, subscription
from hulak.bus.subscriber.frame_receiver import FrameReceiver
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.sequence_tracker import Chunk
from hulak.bus.subscriber.sinks import ChunkSink

BROKER_WITHIN_S = 1.0


class ChunkSubscriber:
    """A lossless subscription to `ticks`, and to further whole topics that are not ticks.

    Args:
        topics: further topics.
        settings: the broker's addresses.
        home: the broker's folder.
        hold: ticks held back while a gap is repaired, at most.
        name: see `Subscriber`.
    Raises:
        BusTimeout: no broker publishes.
    """

    def __init__(self, *topics: str, settings: Settings, home: Path, hold: int = 10_000, name: str | None = None) -> None:
        self._sink = ChunkSink()
        subscriptions = [subscription(topic) for topic in (TICKS, *topics)]
        self._router = FrameRouter(subscriptions, self._sink, lossless=True, hold=hold)
        self._receiver = FrameReceiver(self._router, settings, home, BROKER_WITHIN_S, name=name)

    @property
    def position(self) -> int | None:
        """Return the number of the next tick; None before the broker has sent one."""
        tracker = self._router.trackers.get(TICKS)
        return tracker.expected if tracker is not None and tracker.expected else None

    def last_sequence(self, topic: str) -> int:
        """Return a topic's last number in the newest heartbeat: a message up to it that has not arrived by now was missed."""
        return self._router.last_sequences.get(topic, 0)

    def poll(self) -> tuple[list[Chunk], list[Event]]:
        """Receive the messages that have arrived, bounded; never waits.

        Returns:
            chunks of ticks in order, whose items are `Tick`s, or None for a malformed one; and messages of the other topics.
        """
        self._receiver.receive()
        return self._sink.take()

    def sockets(self) -> "list[zmq.Socket[bytes] | int]":
        """List the sockets to poll for input."""
        return self._receiver.sockets()

    def next_due(self) -> float | None:
        """Return when `poll` has something to do without a message, in monotonic seconds."""
        return self._receiver.next_due()

    def counters(self) -> dict[str, int]:
        """Return the counters, see `FrameRouter.counters`."""
        return self._router.counters()

    def close(self) -> None:
        """Close the connection."""
        self._receiver.close()
