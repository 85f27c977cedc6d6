"""Where a router gives what it has put in order: events, the newest event of each topic, ticks as values, or chunks. Pure.

A sink is given chunks. Only the next message of a topic comes without one, by `append` or `extend`: that way is short, since
nearly every message goes it. Both are the methods of a list or deque, bound once: no function in Python is called for a message.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from hulak.bus.subscriber.events import TICKS, Event, row_events
from hulak.bus.subscriber.sequence_tracker import Chunk
from hulak.bus.wire.messages import Tick
from hulak.bus.wire.names import JOURNALLED as JOURNALLED_ROOTS
from hulak.bus.wire.names import TICK_TOPICS

JOURNALLED = tuple(prefix.decode() for prefix in JOURNALLED_ROOTS)  # own topics that are not journalled have no epoch
OF_TICKS = TICK_TOPICS.decode()
NO_TICKS = tuple(prefix for prefix in JOURNALLED_ROOTS if prefix != TICK_TOPICS)


class Sink(Protocol):
    """The receiver of a router's messages."""

    @property
    def decoded(self) -> bool:
        """Items of `ticks` are wanted as `Tick`s, not as bodies."""

    @property
    def append(self) -> Callable[[Any], object]:
        """Take the next message of a single topic."""

    @property
    def extend(self) -> Callable[[list[Tick]], object] | None:
        """Take the next message of `ticks`; those of `tick.<symbol>` are then wanted as `Tick`s, too. None: as a chunk."""

    def give(self, topic: str, chunk: Chunk) -> None:
        """Take messages of a topic, or items of `ticks`."""


class EventSink:
    """Receives every message, in order."""

    decoded, extend = False, None

    def __init__(self) -> None:
        self.items: deque[Event] = deque()
        self.append, self.pop = self.items.append, self.items.popleft

    def give(self, topic: str, chunk: Chunk) -> None:
        """Add messages of a topic."""
        self.items.extend(_events(topic, chunk))


class NewestSink:
    """Keeps of each topic, and of each symbol of `ticks`, the newest message that was not read yet."""

    decoded, extend = False, None

    def __init__(self) -> None:
        self.items: OrderedDict[str, Event] = OrderedDict()

    def append(self, event: Event) -> None:
        """Replace the topic's message by this one."""
        self.items[event.topic] = event

    def give(self, topic: str, chunk: Chunk) -> None:
        """Add messages of a topic."""
        for event in _events(topic, chunk):
            self.items[event.unpacked.get("symbol") if topic == TICKS else topic] = event

    def pop(self) -> Event:
        """Remove and return the message of the topic that has waited longest."""
        return self.items.popitem(last=False)[1]


class TickSink:
    """Receives every tick as a value, in order; malformed ones are skipped."""

    decoded = True

    def __init__(self) -> None:
        self.items: list[Tick] = []
        self.append, self.extend = self.items.append, self.items.extend

    def give(self, topic: str, chunk: Chunk) -> None:
        """Add ticks; messages of other topics are ignored."""
        if topic == TICKS or topic.startswith(OF_TICKS):
            self.items += [tick for tick in chunk.items if tick is not None] if chunk.holes else chunk.items

    def take(self) -> list[Tick]:
        """Remove and return all that is there."""
        items = self.items.copy()
        self.items.clear()
        return items


class ChunkSink:
    """Receives chunks of `ticks`, whose items are `Tick`s, and every message of other topics."""

    decoded, extend = True, None

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.events: list[Event] = []
        self.append = self.events.append

    def give(self, topic: str, chunk: Chunk) -> None:
        """Take a chunk of ticks, or messages of another topic."""
        if topic == TICKS:
            self.chunks.append(chunk)
        else:
            self.events += chunk.items

    def take(self) -> tuple[list[Chunk], list[Event]]:
        """Remove and return all that is there."""
        chunks, events = self.chunks.copy(), self.events.copy()
        self.chunks.clear()
        self.events.clear()
        return chunks, events


def _events(topic: str, chunk: Chunk) -> Iterable[Event]:
    return row_events(chunk) if topic == TICKS else chunk.items
