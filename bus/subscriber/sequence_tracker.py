"""A subscriber's copy of one numbered topic, without holes: PROTOCOL.md sections 3.2 and 7.3. Pure.

What is published and what is replayed both come in as chunks of consecutive numbers; what goes out is in order, each number
once. Where a number is missing, the tracker asks for it and holds back what came behind it, bounded; what can never be had is
told as a gap, with the reason. Numbers go on over epochs, so a restarted broker is repaired like any other gap. But a new epoch
may use numbers again, and the first of them may have been missed: so the journal is looked at backwards, in growing steps, to
where the known epoch ends.

    JOINING --first message--> LIVE --gap, new epoch--> REPAIRING --repaired--> LIVE
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

LOOK_BACK = 64  # numbers before the expected one that are looked at first when an epoch is new, then 16 times as many, ...


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Consecutive messages of one topic."""

    epoch: int
    first: int  # number of the first item
    items: Sequence[Any]
    time_ns: int = 0  # when the broker numbered them, ns since 1970 UTC
    holes: bool = False  # an item is None: it could not be read, and holds its number's place

    @property
    def behind(self) -> int:
        """The number behind the last item."""
        return self.first + len(self.items)

    def since(self, number: int) -> "Chunk":
        """Cut off what comes before `number`."""
        if number <= self.first:
            return self
        return Chunk(self.epoch, number, self.items[number - self.first :], self.time_ns, self.holes)


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


TrackerOutput = Chunk | Ask | Gap


class TrackerState(Enum):
    """Where a tracker is in its life."""

    JOINING = "joining"
    LIVE = "live"
    REPAIRING = "repairing"


@dataclass(slots=True)
class SequenceTracker:
    """One topic.

    Args:
        hold: how many messages are held back at most while a gap is repaired; beyond it they are dropped, and asked for later.
        expected: the number to begin with; 0 begins with whatever comes first.
    """

    hold: int = 10_000
    expected: int = 0
    epoch: int = 0
    state: TrackerState = TrackerState.JOINING
    held: deque[Chunk] = field(default_factory=deque)
    held_items: int = 0
    upto: int = 0  # while repairing: the last number asked for
    low: int = 1  # while looking back: the first number asked for
    floor: int = 1  # the journal has nothing before it, as far as we know
    given: int = 0  # epoch of what was given out last
    known: int = 1  # while repairing: the number up to which the journal has what was given out
    look_back: int = 0  # how far we look back for where `epoch` begins; 0 once that is known
    highest: int = 0  # seen or heard of
    gaps: int = 0  # seen
    repaired: int = 0  # messages
    lost: int = 0  # messages that could never be had
    duplicates: int = 0  # messages

    def live(self, chunk: Chunk) -> list[TrackerOutput]:
        """Take in what was published."""
        if chunk.epoch < self.epoch:
            self.duplicates += len(chunk.items)
            return []
        out = self._new_epoch(chunk.epoch, chunk.first - 1) if chunk.epoch > self.epoch else []
        self.highest = max(self.highest, chunk.behind - 1)
        if self.state is TrackerState.JOINING:
            self.expected, self.given = self.expected or chunk.first, chunk.epoch
            self.state = TrackerState.LIVE
        if self.state is TrackerState.REPAIRING:
            self._hold(chunk)
            return out
        return out + self._follow(chunk)

    def _new_epoch(self, epoch: int, last: int) -> list[TrackerOutput]:
        """Numbers that come again under another epoch are other messages; `last` is one that was used before now, or 0."""
        known, self.epoch = self.epoch, epoch
        if not known:
            return []
        if self.state is TrackerState.LIVE:  # nothing was missing: what was given out is what that epoch had
            self.given = known
        self.held.clear()
        self.held_items = 0
        self.highest, self.floor, self.look_back = last, 1, LOOK_BACK
        return self._again_from(last + 1) + self._look_back(last)

    def _again_from(self, first: int) -> list[TrackerOutput]:
        if first >= self.expected:
            return []
        gap = Gap(first, self.expected - 1, f"the broker began epoch {self.epoch} without them, and uses them again")
        self.expected = first
        return [gap]

    def _look_back(self, upto: int) -> list[TrackerOutput]:
        self.low = self.known = max(self.floor, self.expected - self.look_back)
        if self.low > upto:  # there is nothing before
            self.look_back = 0
            return self._catch_up()
        self.gaps += self.state is not TrackerState.REPAIRING and self.expected <= upto
        self.state, self.upto = TrackerState.REPAIRING, upto
        return [Ask(self.low, upto)]

    def _must_look_further(self, chunk: Chunk) -> bool:
        """Judge the first of what was looked back for: unless it is as it was known, the epoch may begin before it."""
        if chunk.epoch > self.given and chunk.first < self.expected and self.low == chunk.first > self.floor:
            return True
        self.look_back = 0
        return False

    def _follow(self, chunk: Chunk) -> list[TrackerOutput]:
        if chunk.first > self.expected:
            self._hold(chunk)
            return [self._ask(chunk.first - 1)]
        new = chunk.since(self.expected)
        self.duplicates += len(chunk.items) - len(new.items)
        return self._give(new) if new.items else []

    def _give(self, chunk: Chunk) -> list[TrackerOutput]:
        self.expected, self.given = chunk.behind, chunk.epoch
        return [chunk]

    def _ask(self, upto: int) -> Ask:
        if self.state is not TrackerState.REPAIRING:
            self.gaps += 1
            self.given = self.epoch
        self.state, self.upto, self.known = TrackerState.REPAIRING, upto, self.expected
        return Ask(self.expected, upto)

    def _hold(self, chunk: Chunk) -> None:
        if self.held_items + len(chunk.items) > self.hold or (self.held and self.held[-1].behind != chunk.first):
            self.held.clear()  # all of it is in the journal, and asked for when this repair has ended
            self.held_items = 0
        if len(chunk.items) <= self.hold:
            self.held.append(chunk)
            self.held_items += len(chunk.items)

    def heard(self, epoch: int, last: int) -> list[TrackerOutput]:
        """Take in what a heartbeat told: the number of the topic's last message, which came before the heartbeat."""
        if epoch < self.epoch or self.state is TrackerState.JOINING:
            return []
        if epoch > self.epoch:
            return self._new_epoch(epoch, last)
        self.highest = max(self.highest, last)
        if self.state is TrackerState.LIVE and last >= self.expected:
            return [self._ask(last)]
        return []

    def replayed(self, chunks: list[Chunk]) -> list[TrackerOutput]:
        """Take in part of what was asked for, in order."""
        out: list[TrackerOutput] = []
        for chunk in chunks:
            if self.state is not TrackerState.REPAIRING:
                break
            if chunk.epoch > self.epoch:  # the broker was restarted meanwhile
                return out + self._new_epoch(chunk.epoch, chunk.behind - 1)
            if self.look_back and self._must_look_further(chunk):
                self.look_back *= 16
                return out + self._look_back(self.upto)
            if chunk.epoch > self.given and self.known < self.expected:
                expected = min(chunk.first, self.expected)
                out += self._again_from(min(self.known, chunk.first))
                self.expected = expected
            self.known = chunk.behind
            if chunk.behind <= self.expected:
                continue
            if chunk.first > self.expected:
                out.append(self._lose(chunk.first - 1, "the journal does not have them"))
            new = chunk.since(self.expected)
            self.repaired += len(new.items)
            out += self._give(new)
        return out

    def replay_ended(self, further: int | None) -> list[TrackerOutput]:
        """The replay ended; `further` is where the broker wants to be asked again, None if it had no more."""
        if self.state is not TrackerState.REPAIRING:
            return []
        self.look_back = 0
        if further is not None and further <= self.upto:
            return [Ask(further, self.upto)]  # maybe below what is expected: where a new epoch begins is looked for
        out: list[TrackerOutput] = []
        if self.known < self.expected:  # looked back at, and not there
            out.append(Gap(self.known, self.expected - 1, f"the journal cannot tell whether epoch {self.epoch} uses them again"))
        if self.expected <= self.upto:
            out.append(self._lose(self.upto, "the journal does not have them"))
        return out + self._catch_up()

    def too_old(self, oldest: int, *, begins: bool = False) -> list[TrackerOutput]:
        """The broker has nothing before `oldest` any more; `begins`: what there was is of a topic that was removed."""
        if self.state is not TrackerState.REPAIRING:
            return []
        if begins and self.expected == 1:  # we were there before its first message: nothing was missed
            self.expected = oldest
        self.floor = max(self.floor, oldest)
        if self.known < self.expected and oldest <= self.upto:  # it looks back, and the journal has moved on
            self.low = oldest
            return [Ask(oldest, self.upto)]
        self.look_back = 0
        out: list[TrackerOutput] = []
        last = min(oldest - 1, self.upto)
        if last >= self.expected:
            out.append(self._lose(last, f"the journal begins at {oldest}"))
        if self.expected <= self.upto:
            return [*out, Ask(self.expected, self.upto)]
        return out + self._catch_up()

    def _lose(self, last: int, why: str) -> Gap:
        gap = Gap(self.expected, last, why)
        self.lost += last - self.expected + 1
        self.expected = last + 1
        return gap

    def _catch_up(self) -> list[TrackerOutput]:
        """Give out what was held back; ask again if that leaves a hole."""
        out: list[TrackerOutput] = []
        while self.held:
            chunk = self.held.popleft()
            self.held_items -= len(chunk.items)
            if chunk.first > self.expected:
                self.held.appendleft(chunk)
                self.held_items += len(chunk.items)
                return [*out, self._ask(chunk.first - 1)]
            new = chunk.since(self.expected)
            if new.items:
                out += self._give(new)
        if self.highest >= self.expected:
            return [*out, self._ask(self.highest)]
        self.state = TrackerState.LIVE
        return out
