"""The replay requests of backfills: one connection for all of them; no more is read than can be folded."""

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

FOLDS = 256  # per slice; between two slices the worker does its other work
MOST_ROWS = 4096  # maximum waiting to be folded; the rest waits in the connection
SILENT_S = 30.0  # without an answer for any backfill; then a failure is reported


class BackfillRequest:
    """A running backfill with its unread answers.

    Args:
        backfill: already begun.
    """

    def __init__(self, backfill: Backfill) -> None:
        self.backfill = backfill
        self.answers: deque[ReplayAnswer] = deque()  # not handled yet


class BackfillRequests:
    """All running backfills of a display set.

    Args:
        display_set: begins and ends them.
        settings: name the broker's endpoints.
        home: the broker's folder.
    """

    def __init__(self, display_set: DisplaySet, settings: Settings, home: Path) -> None:
        self.display_set = display_set
        self.settings = settings
        self.home = home
        self.running: dict[str, BackfillRequest] = {}  # by topic
        self.rows = 0  # waiting to be folded
        self.turns: deque[BackfillRequest] = deque()  # requests with answers to handle, in turn
        self.answered_at = 0.0  # when the last answer for a backfill came, in monotonic seconds
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.repairs = ReplayRequests(self.context, self.settings, self.home)

    def sockets(self) -> "list[zmq.Socket[bytes]]":
        """Return the sockets to poll; none while `MOST_ROWS` rows wait to be folded."""
        socket = self.repairs.socket
        return [] if socket is None or self.rows >= MOST_ROWS else [socket]

    def begin(self, now: float, until: float) -> None:
        """Make the states of waiting displays, and begin their backfills, until a time.

        Args:
            now: monotonic seconds.
            until: when to stop, in monotonic seconds.
        """
        self._drop_ended()
        while self.display_set.building.prepare(now) and time.monotonic() < until:
            pass
        while (backfill := self.display_set.start(now)) is not None:
            if not self.running:
                self.answered_at = now
            self.running[backfill.topic] = BackfillRequest(backfill)
            self._ask(backfill, backfill.ask())

    def _drop_ended(self) -> None:
        """Remove requests whose backfill has ended, or has no displays any more."""
        backfills = self.display_set.building.backfills
        gone = [request for request in self.running.values() if backfills.get(request.backfill.symbol) is not request.backfill]
        for request in gone:
            self._forget(request)
            self.repairs.forget(request.backfill.topic)
            del self.running[request.backfill.topic]

    def _forget(self, request: BackfillRequest) -> None:
        self.rows -= sum(len(answer.rows) for answer in request.answers if isinstance(answer, ReplayRows))
        request.answers.clear()

    def _ask(self, backfill: Backfill, ask: Ask | None) -> None:
        assert ask is not None, "a backfill that needs nothing has ended already"
        self.repairs.ask(backfill.topic, ask, epoch=backfill.epoch)

    def step(self, now: float, until: float) -> None:
        """Handle answers until a time, one backfill after the other.

        Args:
            now: monotonic seconds.
            until: when to stop, in monotonic seconds.
        """
        if not self.running:
            return
        self._receive(now)
        if not self.turns:
            self.repairs.ask_again()
            self._report_silence(now)
        while self.turns and time.monotonic() < until:
            request = self.turns.popleft()
            if request.answers:
                self._take(request, now)
            if request.answers:
                self.turns.append(request)
            self._receive(now)

    @property
    def busy(self) -> bool:
        """True while there are answers to handle."""
        return bool(self.turns)

    def _receive(self, now: float) -> None:
        if self.rows >= MOST_ROWS:
            return
        for answer in self.repairs.answers():
            self.answered_at = now
            request = self.running.get(answer.topic)
            if request is None:
                continue
            if not request.answers:
                self.turns.append(request)
            request.answers.append(answer)
            self.rows += len(answer.rows) if isinstance(answer, ReplayRows) else 0
            if self.rows >= MOST_ROWS:
                return

    def _take(self, request: BackfillRequest, now: float) -> None:
        """Handle one answer, or one slice of it."""
        answer, backfill, display_set = request.answers.popleft(), request.backfill, self.display_set
        match answer:
            case ReplayRows(topic, rows):
                count = max(1, FOLDS // max(1, len(backfill.displays)))
                display_set.rows(backfill, rows[:count], now)
                self.rows -= min(count, len(rows))
                if len(rows) > count:
                    request.answers.appendleft(ReplayRows(topic, rows[count:]))
                ask = None
            case OtherEpoch():
                display_set.other_epoch(backfill, now)
                ask = None
            case TooOld():
                ask = backfill.too_old(answer.oldest) or backfill.ended(None, display_set.position or 1)
            case ReplayEnded():
                ask = backfill.ended(answer.further, display_set.position or 1)
        if ask is not None:
            self._ask(backfill, ask)
        elif isinstance(answer, TooOld | ReplayEnded):
            display_set.finish(backfill, now)
        if self.display_set.building.backfills.get(backfill.symbol) is not backfill:
            self._forget(request)

    def _report_silence(self, now: float) -> None:
        """Report displays that have long waited for the journal; their requests are repeated without limit."""
        if now - self.answered_at <= SILENT_S:
            return
        self.answered_at, silent = now, BusTimeout(f"no answer from the journal for {SILENT_S:g} s")
        for request in self.running.values():
            for held in request.backfill.displays:
                self.display_set.trouble(INITIALISATION, held.id, silent)

    def next_due(self) -> float | None:
        """Return when a request is to be repeated, in monotonic seconds."""
        return self.repairs.next_due()

    def close(self) -> None:
        """Close the connection."""
        self.repairs.close()
        self.context.term()
