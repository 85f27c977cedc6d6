"""The way to the journal of displays that are brought up: one connection for all rounds, and no more is read than is folded."""

import time
from collections import deque
from pathlib import Path

import zmq

from hulak.bus.errors import BusTimeout
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.replay_requests import OtherEpoch, ReplayAnswer, ReplayEnded, ReplayRequests, ReplayRows, TooOld
from hulak.bus.subscriber.sequence_tracker import Ask
from hulak.workers.display.backfill import Backfill
from hulak.workers.display.display_set import INITIALISATION, DisplaySet

FOLDS = 256  # between two looks at everything else
MOST_ROWS = 4096  # that wait to be folded; the others wait in the connection
SILENT_S = 30.0  # without anything for any round; then it is told


class BackfillRequest:
    """One round under way.

    Args:
        made: begun.
    """

    def __init__(self, made: Backfill) -> None:
        self.made = made
        self.answers: deque[ReplayAnswer] = deque()  # not yet taken in


class BackfillRequests:
    """All rounds under way, as the display set has them.

    Args:
        display_set: that begins and ends them.
        settings: say where the broker is.
        home: its folder.
    """

    def __init__(self, display_set: DisplaySet, settings: Settings, home: Path) -> None:
        self.display_set = display_set
        self.settings = settings
        self.home = home
        self.running: dict[str, BackfillRequest] = {}  # by what is replayed
        self.rows = 0  # that wait to be folded
        self.turns: deque[BackfillRequest] = deque()  # those with answers to take in, in turn
        self.heard = 0.0  # when there was something for a round, in monotonic seconds
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.repairs = ReplayRequests(self.context, self.settings, self.home)

    def sockets(self) -> "list[zmq.Socket[bytes]]":
        """List the sockets to poll; none while enough waits to be folded."""
        socket = self.repairs.socket
        return [] if socket is None or self.rows >= MOST_ROWS else [socket]

    def begin(self, now: float, until: float) -> None:
        """Give displays that wait their states, and begin rounds for them, for a while.

        Args:
            now: monotonic seconds.
            until: when to stop, in monotonic seconds.
        """
        self._let_go()
        while self.display_set.building.prepare(now) and time.monotonic() < until:
            pass
        while (made := self.display_set.start(now)) is not None:
            if not self.running:
                self.heard = now
            self.running[made.topic] = BackfillRequest(made)
            self._ask(made, made.ask())

    def _let_go(self) -> None:
        """Forget rounds that the display set has ended, or whose displays have all left."""
        rounds = self.display_set.building.rounds
        gone = [one for one in self.running.values() if rounds.get(one.made.symbol) is not one.made]
        for one in gone:
            self._forget(one)
            self.repairs.forget(one.made.topic)
            del self.running[one.made.topic]

    def _forget(self, one: BackfillRequest) -> None:
        self.rows -= sum(len(answer.rows) for answer in one.answers if isinstance(answer, ReplayRows))
        one.answers.clear()

    def _ask(self, made: Backfill, ask: Ask | None) -> None:
        assert ask is not None, "a round that needs nothing has ended already"
        self.repairs.ask(made.topic, ask, epoch=made.epoch)

    def step(self, now: float, until: float) -> None:
        """Take in what has come, for a while, one round after the other.

        Args:
            now: monotonic seconds.
            until: when to stop, in monotonic seconds.
        """
        if not self.running:
            return
        self._receive(now)
        if not self.turns:
            self.repairs.ask_again()
            self._note_silence(now)
        while self.turns and time.monotonic() < until:
            one = self.turns.popleft()
            if one.answers:
                self._take(one, now)
            if one.answers:
                self.turns.append(one)
            self._receive(now)

    @property
    def busy(self) -> bool:
        """True while there is more to take in."""
        return bool(self.turns)

    def _receive(self, now: float) -> None:
        if self.rows >= MOST_ROWS:
            return
        for answer in self.repairs.answers():
            self.heard = now
            one = self.running.get(answer.topic)
            if one is None:
                continue
            if not one.answers:
                self.turns.append(one)
            one.answers.append(answer)
            self.rows += len(answer.rows) if isinstance(answer, ReplayRows) else 0
            if self.rows >= MOST_ROWS:
                return

    def _take(self, one: BackfillRequest, now: float) -> None:
        """Take in one answer, or as much of it as a slice has."""
        answer, made, display_set = one.answers.popleft(), one.made, self.display_set
        match answer:
            case ReplayRows(topic, rows):
                count = max(1, FOLDS // max(1, len(made.displays)))
                display_set.rows(made, rows[:count], now)
                self.rows -= min(count, len(rows))
                if len(rows) > count:
                    one.answers.appendleft(ReplayRows(topic, rows[count:]))
                ask = None
            case OtherEpoch():
                display_set.other_epoch(made, now)
                ask = None
            case TooOld():
                ask = made.too_old(answer.oldest) or made.ended(None, display_set.position or 1)
            case ReplayEnded():
                ask = made.ended(answer.further, display_set.position or 1)
        if ask is not None:
            self._ask(made, ask)
        elif isinstance(answer, TooOld | ReplayEnded):
            display_set.finish(made, now)
        if self.display_set.building.rounds.get(made.symbol) is not made:
            self._forget(one)

    def _note_silence(self, now: float) -> None:
        """Tell which displays have waited for the journal for long; what is missing is asked for again, over and over."""
        if now - self.heard <= SILENT_S:
            return
        self.heard, silent = now, BusTimeout(f"the journal gave nothing for {SILENT_S:g} s")
        for one in self.running.values():
            for held in one.made.displays:
                self.display_set.trouble(INITIALISATION, held.id, silent)

    def next_due(self) -> float | None:
        """When something is to be asked again, in monotonic seconds."""
        return self.repairs.next_due()

    def close(self) -> None:
        """Close the connection."""
        self.repairs.close()
        self.context.term()
