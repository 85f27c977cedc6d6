"""`ChunkSubscriber`: all ticks with their numbers, many at a time; for who holds many consumers and joins them with the journal.

What `Subscriber` gives one by one is given here as it came: chunks of consecutive numbers of the one global order, decoded once.
"""

from pathlib import Path
from typing import Any

from bus.process.settings import Settings
from bus.subscriber.events import TICKS, Event
from bus.subscriber.frame_router import JOURNALLED, FrameRouter
from bus.subscriber.sequence_tracker import Chunk
from bus.subscriber.subscriber import Subscriber
from bus.wire import codec
from bus.wire.messages import Publication


class ChunkRouter(FrameRouter):
    """A router whose ticks come out in chunks of `Tick`s; what is no tick is None, and holds its number's place."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.typed = True
        self.chunks: list[Chunk] = []
        self.heard: dict[str, int] = {}  # topic -> its last number, of those that are no ticks, as the newest heartbeats tell

    def _hear(self, message: Publication) -> None:
        super()._hear(message)
        told = codec.unpack(message.body)["topics"]
        self.heard.update({topic: last for topic, last in told.items() if not topic.startswith(JOURNALLED)})

    def _took_ticks(self, frame: bytes) -> bool:
        del frame
        return False  # all go the one way that keeps their numbers

    def _take(self, message: Publication) -> None:
        if message.topic != TICKS and message.topic.encode() + b"\0" in self.subscriptions:
            self.out.append(Event(message.topic, message.stamp, message.body))
        else:
            super()._take(message)

    def _give(self, topic: str, chunk: Chunk) -> None:
        if topic == TICKS:
            self.chunks.append(chunk)


class ChunkSubscriber(Subscriber):
    """A lossless subscription to `ticks`, and to further whole topics that are not ticks.

    Args:
        topics: those beside `ticks`.
        settings: say where the broker is.
        home: its folder.
        hold: ticks held back while a gap is repaired, at most.
    Raises:
        BusTimeout: no broker publishes.
    """

    ROUTER: type[FrameRouter] = ChunkRouter
    _router: ChunkRouter

    def __init__(self, *topics: str, settings: Settings, home: Path, hold: int = 10_000) -> None:
        super().__init__(TICKS, *topics, settings=settings, home=home, hold=hold, timeout_s=1.0)

    @property
    def position(self) -> int | None:
        """The number of the tick that is given next; None before the broker has told."""
        tracker = self._router.trackers.get(TICKS)
        return tracker.expected if tracker is not None and tracker.expected else None

    def heard(self, topic: str) -> int:
        """Give the number of a topic's last message as the newest heartbeat has it: if it has not come by now, it was missed."""
        return self._router.heard.get(topic, 0)

    def look(self) -> tuple[list[Chunk], list[Event]]:
        """Take in what is there, bounded; never waits.

        Returns:
            chunks of ticks in order, and messages of the other topics.
        """
        self._receive()
        router = self._router
        chunks, router.chunks = router.chunks, []
        events = list(router.out)
        router.out.clear()
        return chunks, events

    def next_due(self) -> float | None:
        """When `look` has something to do though nothing came, in monotonic seconds."""
        return self._replay_requests.next_due()
