"""Where a router gives what it has put in order: events, the newest event of each topic, ticks as values, or chunks. Pure.

A sink is given chunks. Only what is the next message of its own topic comes alone, with `append`: that way is short, since nearly
every message goes it.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from hulak.bus.subscriber.events import TICKS, Event, row_events
from hulak.bus.subscriber.sequence_tracker import Chunk
from hulak.bus.wire.messages import Tick
from hulak.bus.wire.names import OWNED_BY_FEEDS

JOURNALLED = OWNED_BY_FEEDS.decode()


class Sink(Protocol):
    """What a router gives to."""

    @property
    def typed(self) -> bool:
        """Messages of `tick.<symbol>` are wanted as `Tick`s, not as `Event`s."""

    @property
    def rows(self) -> Callable[[int, int, list[Tick], int], None] | None:
        """Take the next message of `ticks`: epoch, first number, ticks, time in ns; None: its bodies are wanted, as a chunk."""

    @property
    def append(self) -> Callable[[Any], object]:
        """Take the next message of a topic of its own."""

    def give(self, topic: str, chunk: Chunk) -> None:
        """Take messages of a topic, or items of `ticks`."""


class EventSink:
    """Every message, in order."""

    typed, rows = False, None

    def __init__(self) -> None:
        self.items: deque[Event] = deque()
        self.append, self.pop = self.items.append, self.items.popleft

    def give(self, topic: str, chunk: Chunk) -> None:
        """Take messages of a topic."""
        self.items.extend(_events(topic, chunk))


class NewestSink:
    """Of each topic, and of each symbol of `ticks`, the newest message that was not read yet."""

    typed, rows = False, None

    def __init__(self) -> None:
        self.items: OrderedDict[str, Event] = OrderedDict()

    def append(self, event: Event) -> None:
        """Take a message instead of the one before."""
        self.items[event.topic] = event

    def give(self, topic: str, chunk: Chunk) -> None:
        """Take messages of a topic."""
        for event in _events(topic, chunk):
            self.items[event.unpacked.get("symbol") if topic == TICKS else topic] = event

    def pop(self) -> Event:
        """Remove and return the message of the topic that has waited for longest."""
        return self.items.popitem(last=False)[1]


class TickSink:
    """Every tick as a value, in order; what is no tick is left out."""

    typed = True

    def __init__(self) -> None:
        self.items: list[Tick] = []

    @property
    def append(self) -> Callable[[Tick], None]:
        """Take one tick."""
        return self.items.append

    def rows(self, _epoch: int, _first: int, ticks: list[Tick], _time_ns: int) -> None:
        """Take ticks."""
        self.items += ticks

    def give(self, topic: str, chunk: Chunk) -> None:
        """Take ticks; messages of other topics are passed over."""
        if topic == TICKS or topic.startswith(JOURNALLED):
            self.items += [tick for tick in chunk.items if tick is not None] if chunk.holes else chunk.items

    def take(self) -> list[Tick]:
        """Remove and return all that is there."""
        found, self.items = self.items, []
        return found


class ChunkSink:
    """Chunks of `ticks`, whose items are `Tick`s, and every message of other topics."""

    typed = False

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.events: list[Event] = []

    @property
    def append(self) -> Callable[[Event], None]:
        """Take one message of another topic."""
        return self.events.append

    def rows(self, epoch: int, first: int, ticks: list[Tick], time_ns: int) -> None:
        """Take a chunk of ticks."""
        self.chunks.append(Chunk(epoch, first, ticks, time_ns))

    def give(self, topic: str, chunk: Chunk) -> None:
        """Take a chunk of ticks, or messages of another topic."""
        if topic == TICKS:
            self.chunks.append(chunk)
        else:
            self.events += chunk.items

    def take(self) -> tuple[list[Chunk], list[Event]]:
        """Remove and return all that is there."""
        chunks, self.chunks = self.chunks, []
        events, self.events = self.events, []
        return chunks, events


def _events(topic: str, chunk: Chunk) -> Iterable[Event]:
    return row_events(chunk) if topic == TICKS else chunk.items
