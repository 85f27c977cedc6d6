"""The sockets of a subscription that begins in the past: a `FrameReceiver` that reads the journal first. PROTOCOL.md 7.3."""

import time
from typing import Any

from hulak.bus.subscriber.events import TICKS, Event
from hulak.bus.subscriber.frame_receiver import FrameReceiver
from hulak.bus.subscriber.history_cursor import HISTORY, HistoryCursor, HistoryStage
from hulak.bus.subscriber.position_keeper import CLOSE_S, Position, PositionKeeper
from hulak.bus.subscriber.sequence_tracker import TrackerState
from hulak.bus.wire.ring_format import PickedTicks

SETTLED_S = 15.0  # after a reconnection; by then each topic was named in a heartbeat (section 3.8)


class HistoryReceiver(FrameReceiver):
    """As `FrameReceiver`, whose arguments it has; live messages go to the history until that has read the journal.

    Args:
        history: not begun.
        keeper: keeps the position; None: nothing does.
    """

    def __init__(self, history: HistoryCursor, keeper: PositionKeeper | None, *args: Any, **options: Any) -> None:
        self.history = history
        self.keeper = keeper
        self.processed: Position | None = None  # all ticks up to this number were processed
        self._known: Position = (0, 0)  # all ticks up to this number were delivered
        self._greetings, self._settled_at = 0, 0.0
        super().__init__(*args, **options)

    def receive(self) -> bool:
        """Take in what is there, bounded; ask for what is missing; true if more may be there.

        Raises:
            BusError: `TOO_OLD`, the journal begins later than this subscription; or another refusal of the journal.
                Of the position: `NOT_YOURS`, another subscriber has begun with this name; `UNKNOWN_POSITION`, it was removed.
            Forbidden, HandshakeFailed: as `FrameReceiver.receive`.
        """
        history = self.history
        if self.keeper is not None or (self.router.newest is not None and not history.as_one):
            self._known = self._delivered() or self._known
        if self.keeper is not None and not self._items:  # so everything that was delivered has been processed
            self.processed = self._known if self._known[0] else self.processed
            self.keeper.step(self.processed)
        if history.stage is HistoryStage.LIVE:
            return history.give_held() or super().receive()
        if self.rests and (history.at_end or history.stage is HistoryStage.NEWEST):
            self._join()
        if history.ready:
            self._known = history.position if history.position[0] else self._known
            history.hand_over()
            self._repairing = self._replay_requests.busy
            return True
        records = self._records()
        history.hold(records)
        self._read_journal(history)
        if self._monitor is not None:
            self._check_key(self._monitor, len(records))
        return bool(records) or history.ready

    def close(self) -> None:
        """Close all connections."""
        super().close()
        if self.keeper is not None:
            self.keeper.close()

    def rest(self) -> None:
        """See `FrameReceiver.rest`; the journal is read on, and the subscriptions are made again when its end is reached."""
        if self._ring is not None or self.rests:
            return
        if self.history.stage is not HistoryStage.LIVE:
            self._leave()  # the request under way stays
            self.history.rest()
            return
        self._known = self._delivered() or self._known
        if (again := self.history.again(self._known)) is not None:
            super().rest()
            self.history = again

    def _records(self) -> list[bytes | PickedTicks]:
        return [*self._frames()] if self._ring is None else self._ring.frames(self._frames)

    def _read_journal(self, history: HistoryCursor) -> None:
        """Process the answers of the journal; send the request that is next."""
        requests = self._replay_requests
        self._repairing = True  # the wait for the ring's next record must not be one for the journal
        for answer in requests.answers():
            history.take(answer)
            if history.args is not None:
                self._send(history)  # at once: answers on their way belong to the former request
            if self._items:  # further answers wait as they are, in a fifth of the memory
                break
        if history.error is not None:
            raise history.error
        if history.args is not None:
            self._send(history)
        requests.ask_again()

    def _send(self, history: HistoryCursor) -> None:
        args, history.args = history.args, None
        if args is not None:
            self._replay_requests.ask_with(HISTORY, args)

    # The position

    def save(self, *, popped: bool, timeout_s: float = CLOSE_S) -> bool:
        """Save the position, and wait until it is in the store; false if it is not in time.

        Args:
            popped: all ticks that were read count as processed; else only those before the last wait for more.
            timeout_s: seconds to wait.
        """
        if self.keeper is None:
            return True
        if popped and not self._items:
            self.processed = self._delivered() or self.processed
        elif popped:
            self.processed = self._before(self._items[0]) or self.processed
        return self.keeper.save(self.processed, timeout_s)

    @property
    def _items(self) -> Any:
        """Return what was delivered and not read yet."""
        sink: Any = self.router.sink
        return sink.items

    def _before(self, item: Any) -> Position | None:
        """Return the position before an item; None if it does not have its number in the global order."""
        numbered = self.history.as_one and isinstance(item, Event) and item.topic == TICKS and item.stamp.sequence > 1
        return (item.stamp.sequence - 1, item.stamp.epoch) if numbered else None

    def _delivered(self) -> Position | None:
        """Return the position of the last tick that was delivered; None if that is not known.

        Live ticks of single topics do not have their numbers in the global order. Heartbeats have: all that one counts was
        published before it, and was delivered unless a topic is missing something.
        """
        router, history = self.router, self.history
        if history.stage is not HistoryStage.LIVE:
            return history.position if history.position[0] else None
        if history.as_one:
            tracker = router.trackers.get(TICKS)
            return None if tracker is None or tracker.expected < 2 else (tracker.expected - 1, tracker.delivered_epoch)
        if router.greetings != self._greetings:
            self._greetings, self._settled_at = router.greetings, time.monotonic() + (SETTLED_S if self._greetings else 0)
        if time.monotonic() < self._settled_at or router.newest is None:
            return None
        if any(tracker.state is TrackerState.REPAIRING for tracker in router.trackers.values()):
            return None
        newest, router.newest = router.newest, None  # of this heartbeat once: later messages are not in it
        return newest
