"""A subscriber's copy of one numbered topic, without holes: PROTOCOL.md sections 3.2 and 7.3. Pure.

What is published and what is replayed both come in as chunks of consecutive numbers; what goes out is in order, each number
once. Where a number is missing, the replica asks for it and holds back what came behind it, bounded; what can never be had is
told as a gap, with the reason. Numbers go on over epochs, so a restarted broker is repaired like any other gap.

    JOINING --first message--> LIVE --gap--> REPAIRING --repaired--> LIVE
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive messages of one topic."""

    epoch: int
    first: int  # number of the first item
    items: Sequence[Any]
    time_ns: int = 0  # when the broker numbered them, ns since 1970 UTC

    @property
    def behind(self) -> int:
        """The number behind the last item."""
        return self.first + len(self.items)

    def since(self, number: int) -> "Chunk":
        """Cut off what comes before `number`."""
        return self if number <= self.first else Chunk(self.epoch, number, self.items[number - self.first :], self.time_ns)


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the broker for these numbers again, both inclusive."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Gap:
    """These numbers, both inclusive, can never be had."""

    first: int
    last: int
    why: str


Out = Chunk | Ask | Gap


class State(Enum):
    """Where a replica is in its life."""

    JOINING = "joining"
    LIVE = "live"
    REPAIRING = "repairing"


@dataclass(slots=True)
class Replica:
    """One topic.

    Args:
        hold: how many messages are held back at most while a gap is repaired; beyond it they are dropped, and asked for later.
        expected: the number to begin with; 0 begins with whatever comes first.
    """

    hold: int = 10_000
    expected: int = 0
    epoch: int = 0
    state: State = State.JOINING
    held: deque[Chunk] = field(default_factory=deque)
    held_items: int = 0
    upto: int = 0  # while repairing: the last number asked for
    highest: int = 0  # seen or heard of
    gaps: int = 0  # seen
    repaired: int = 0  # messages
    lost: int = 0  # messages that could never be had
    duplicates: int = 0  # messages

    def live(self, chunk: Chunk) -> list[Out]:
        """Take in what was published."""
        if chunk.epoch < self.epoch:
            self.duplicates += len(chunk.items)
            return []
        out: list[Out] = []
        if chunk.epoch > self.epoch:
            out += self._new_epoch(chunk)
        self.highest = max(self.highest, chunk.behind - 1)
        if self.state is State.JOINING:
            self.expected = self.expected or chunk.first
            self.state = State.LIVE
        if self.state is State.REPAIRING:
            self._hold(chunk)
            return out
        return out + self._follow(chunk)

    def _new_epoch(self, chunk: Chunk) -> list[Out]:
        """Numbers that come again under another epoch are other messages: what was behind them is gone."""
        known, self.epoch = self.epoch, chunk.epoch
        if not known or chunk.first >= self.expected:
            return []
        gap = Gap(chunk.first, self.expected - 1, f"the broker began epoch {chunk.epoch} without them, and uses them again")
        self.held.clear()
        self.held_items = 0
        self.state, self.highest, self.expected = State.LIVE, chunk.behind - 1, chunk.first
        return [gap]

    def _follow(self, chunk: Chunk) -> list[Out]:
        if chunk.first > self.expected:
            self._hold(chunk)
            return [self._ask(chunk.first - 1)]
        new = chunk.since(self.expected)
        self.duplicates += len(chunk.items) - len(new.items)
        if not new.items:
            return []
        self.expected = new.behind
        return [new]

    def _ask(self, upto: int) -> Ask:
        if self.state is not State.REPAIRING:
            self.gaps += 1
        self.state, self.upto = State.REPAIRING, upto
        return Ask(self.expected, upto)

    def _hold(self, chunk: Chunk) -> None:
        if self.held_items + len(chunk.items) > self.hold or (self.held and self.held[-1].behind != chunk.first):
            self.held.clear()  # all of it is in the journal, and asked for when this repair has ended
            self.held_items = 0
        if len(chunk.items) <= self.hold:
            self.held.append(chunk)
            self.held_items += len(chunk.items)

    def heard(self, epoch: int, last: int) -> list[Out]:
        """Take in what a heartbeat told: the number of the topic's last message, which came before the heartbeat."""
        if epoch < self.epoch or self.state is State.JOINING:
            return []
        self.highest = max(self.highest, last)
        if self.state is State.LIVE and last >= self.expected:
            return [self._ask(last)]
        return []

    def replayed(self, chunks: list[Chunk]) -> list[Out]:
        """Take in part of what was asked for, in order."""
        out: list[Out] = []
        for chunk in chunks:
            if self.state is not State.REPAIRING or chunk.behind <= self.expected:
                continue
            if chunk.first > self.expected:
                out.append(self._lose(chunk.first - 1, "the journal does not have them"))
            new = chunk.since(self.expected)
            self.repaired += len(new.items)
            self.expected = new.behind
            out.append(new)
        return out

    def replay_ended(self, further: int | None) -> list[Out]:
        """The replay ended; `further` is where the broker wants to be asked again, None if it had no more."""
        if self.state is not State.REPAIRING:
            return []
        if further is not None and self.expected <= self.upto:
            return [Ask(max(self.expected, further), self.upto)]
        out: list[Out] = []
        if self.expected <= self.upto:
            out.append(self._lose(self.upto, "the journal does not have them"))
        return out + self._catch_up()

    def too_old(self, oldest: int) -> list[Out]:
        """The broker has nothing before `oldest` any more."""
        if self.state is not State.REPAIRING or oldest <= self.expected:
            return []
        out: list[Out] = [self._lose(min(oldest - 1, self.upto), f"the journal begins at {oldest}")]
        if self.expected <= self.upto:
            return [*out, Ask(self.expected, self.upto)]
        return out + self._catch_up()

    def _lose(self, last: int, why: str) -> Gap:
        gap = Gap(self.expected, last, why)
        self.lost += last - self.expected + 1
        self.expected = last + 1
        return gap

    def _catch_up(self) -> list[Out]:
        """Give out what was held back; ask again if that leaves a hole."""
        out: list[Out] = []
        while self.held:
            chunk = self.held.popleft()
            self.held_items -= len(chunk.items)
            if chunk.first > self.expected:
                self.held.appendleft(chunk)
                self.held_items += len(chunk.items)
                return [*out, self._ask(chunk.first - 1)]
            new = chunk.since(self.expected)
            if new.items:
                self.expected = new.behind
                out.append(new)
        if self.highest >= self.expected:
            return [*out, self._ask(self.highest)]
        self.state = State.LIVE
        return out
