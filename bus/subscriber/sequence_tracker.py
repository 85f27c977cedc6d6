"""A subscriber's copy of one numbered topic, without holes: PROTOCOL.md sections 3.2 and 7.3. Pure.

Published and replayed messages both come in as chunks of consecutive numbers; they go out in order, each number once. Where a
number is missing, the tracker requests it and holds later messages back, bounded; a number that cannot be replayed is reported
as a gap, with the reason. Numbers continue over epochs, so a broker's restart is repaired like any other gap. But a new epoch
may use numbers again, and the first of them may have been missed: so the journal is searched backwards, in growing steps, for
the end of the known epoch.

    JOINING --first message--> LIVE --gap, new epoch--> REPAIRING --repaired--> LIVE
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec
from msgspec import Struct

LOOK_BACK = 64  # numbers before the expected one that are replayed first when an epoch is new, then 16 times as many, ...


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Consecutive messages of one topic."""

    epoch: int
    first: int  # number of the first item
    items: Sequence[Any]
    time_ns: int = 0  # when the broker numbered them, ns since 1970 UTC
    holes: bool = False  # an item is None: it was malformed, and holds its number's place

    @property
    def behind(self) -> int:
        """Return the number after the last item."""
        return self.first + len(self.items)

    def since(self, number: int) -> "Chunk":
        """Return the chunk without the items before `number`."""
        if number <= self.first:
            return self
        return Chunk(self.epoch, number, self.items[number - self.first :], self.time_ns, self.holes)


class Ask(Struct, frozen=True):
    """Request these numbers from the broker, both inclusive."""

    first: int
    last: int


class Gap(Struct, frozen=True):
    """These numbers, both inclusive, are lost."""

    first: int
    last: int
    why: str


TrackerOutput = Chunk | Ask | Gap


class TrackerState(Enum):
    """The states of a tracker."""

    JOINING = "joining"
    LIVE = "live"
    REPAIRING = "repairing"


@dataclass(slots=True)
class SequenceTracker:
    """The state of one topic.

    Args:
        hold: messages held back at most while a gap is repaired; further ones are dropped, and requested later.
        expected: the number to begin with; 0 begins with the first message that comes.
    """

    hold: int = 10_000
    expected: int = 0
    epoch: int = 0
    state: TrackerState = TrackerState.JOINING
    held: deque[Chunk] = field(default_factory=deque)
    held_items: int = 0
    upto: int = 0  # while repairing: the last number asked for
    low: int = 1  # while looking back: the first number asked for
    floor: int = 1  # the journal has nothing before it, as far as is known
    given: int = 0  # epoch of the last message delivered
    known: int = 1  # while repairing: the number up to which the journal has the delivered messages
    look_back: int = 0  # how far back the beginning of `epoch` is searched; 0 once it is known
    highest: int = 0  # number in any message or heartbeat
    gaps: int = 0  # seen
    repaired: int = 0  # messages
    lost: int = 0  # messages that could not be replayed
    duplicates: int = 0  # messages

    def live(self, chunk: Chunk) -> list[TrackerOutput]:
        """Add a published chunk."""
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
        """Begin an epoch: equal numbers under it are other messages; `last` is one that was used before now, or 0."""
        known, self.epoch = self.epoch, epoch
        if not known:
            return []
        if self.state is TrackerState.LIVE:  # nothing was missing: all messages of that epoch were delivered
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

    def _must_search_further(self, chunk: Chunk) -> bool:
        """Check the first message of a search backwards: unless it is a known one, the epoch may begin before it."""
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
            self.held.clear()  # all of it is in the journal, and requested when this repair has ended
            self.held_items = 0
        if len(chunk.items) <= self.hold:
            self.held.append(chunk)
            self.held_items += len(chunk.items)

    @property
    def delivered_epoch(self) -> int:
        """Return the epoch of the last message delivered."""
        return self.given if self.state is TrackerState.REPAIRING else self.epoch

    def rest(self) -> None:
        """Drop what is held back and requested: the owner continues from the journal, behind the last message delivered."""
        if self.state is TrackerState.REPAIRING:
            self.state, self.epoch = TrackerState.LIVE, self.given
        self.held.clear()
        self.held_items = self.look_back = 0

    def heartbeat(self, epoch: int, last: int) -> list[TrackerOutput]:
        """Add the number in a heartbeat: that of the topic's last message, which was sent before the heartbeat."""
        if epoch < self.epoch or self.state is TrackerState.JOINING:
            return []
        if epoch > self.epoch:
            return self._new_epoch(epoch, last)
        self.highest = max(self.highest, last)
        if self.state is TrackerState.LIVE and last >= self.expected:
            return [self._ask(last)]
        return []

    def replayed(self, chunks: list[Chunk]) -> list[TrackerOutput]:
        """Add a part of a replay, in order."""
        out: list[TrackerOutput] = []
        for chunk in chunks:
            if self.state is not TrackerState.REPAIRING:
                break
            if chunk.epoch > self.epoch:  # the broker was restarted meanwhile
                return out + self._new_epoch(chunk.epoch, chunk.behind - 1)
            if self.look_back and self._must_search_further(chunk):
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
        """End a replay; `further` is where the broker continues if it is asked again, None if it has no more."""
        if self.state is not TrackerState.REPAIRING:
            return []
        self.look_back = 0
        if further is not None and further <= self.upto:
            return [Ask(further, self.upto)]  # maybe below the expected number, while the beginning of an epoch is searched
        out: list[TrackerOutput] = []
        if self.known < self.expected:  # replayed in the search, and not there
            out.append(
                Gap(self.known, self.expected - 1, f"the journal does not show whether epoch {self.epoch} uses them again")
            )
        if self.expected <= self.upto:
            out.append(self._lose(self.upto, "the journal does not have them"))
        return out + self._catch_up()

    def too_old(self, oldest: int, *, begins: bool = False) -> list[TrackerOutput]:
        """Skip the numbers before `oldest`, which the broker no longer has; `begins`: they belong to a removed topic."""
        if self.state is not TrackerState.REPAIRING:
            return []
        if begins and self.expected == 1:  # joined before its first message: nothing was missed
            self.expected = oldest
        self.floor = max(self.floor, oldest)
        if self.known < self.expected and oldest <= self.upto:  # during the search, old segments were deleted
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
        """Deliver held messages; request missing ones if there is a hole."""
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
