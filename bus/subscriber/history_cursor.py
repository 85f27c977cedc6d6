"""A subscription that begins in the past: first the journal, then live. PROTOCOL.md section 7.3. Pure.

The journal is read in legs of one request each. Live messages that arrive during a leg are held back, up to a bound; beyond it,
and at the beginning of each leg, they are dropped, since the journal has them. A leg that began after the subscriptions were in
place, read the journal to its end and dropped no live message is the last one: everything published before its request is in the
journal, everything later was held back. The trackers drop what is in both.

A subscriber that rests (`rest`) has no live messages; `at_end` then says that the journal was read to its end, so that it is time
to subscribe again.

    journal   start ... leg | leg | ... last leg |
    live                      dropped              held back ... then delivered, and the subscription is live
"""

import struct
from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.subscriber.events import Event, is_snapshot, refusal_of, snapshot_events
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.history_rows import HistoryRows, TickTopics
from hulak.bus.subscriber.history_start import LIVE, Start, StartKind
from hulak.bus.subscriber.replay_requests import OtherEpoch, ReplayAnswer, ReplayEnded, ReplayRows, TooOld
from hulak.bus.subscriber.sequence_tracker import LOOK_BACK
from hulak.bus.subscriber.sinks import JOURNALLED
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP
from hulak.bus.wire.messages import Stamp
from hulak.bus.wire.names import HEARTBEAT
from hulak.bus.wire.names import JOURNALLED as JOURNALLED_ROOTS
from hulak.bus.wire.names import TICKS as TICKS_KEY
from hulak.bus.wire.own_names import is_transient
from hulak.bus.wire.replay_range import FOREVER
from hulak.bus.wire.ring_format import PickedTicks
from hulak.bus.wire.time_texts import iso_time

HELD_BACK = (*JOURNALLED_ROOTS, TICKS_KEY)
HELD_BYTES = 16 << 20  # most memory for live messages, during a leg
PIECE_BYTES = 1 << 16  # of them delivered at a time: decoded ones take several times as much
RECORD_BYTES = 64  # counted for each message that is held back, in addition to its bytes
HISTORY = "history"  # names the requests of a cursor among those of its subscriber
FURTHER = 16  # times as far, at each step of a search backwards


class HistoryStage(Enum):
    """The stages of a history."""

    NEWEST = "newest"  # waits for the newest number, to count back from it
    OLDEST = "oldest"  # asks where the journal begins
    PLACE = "place"  # asks for the global number of a topic's sequence
    COUNT = "count"  # counts the newest ticks
    READ = "read"
    READY = "ready"  # all of it was delivered; `hand_over` is next
    LIVE = "live"


class HistoryCursor:
    """The history of one subscriber.

    Args:
        router: of the subscriber; has the subscriptions, and gets the live messages in the end.
        start: where to begin.
        hold_bytes: memory for the live messages that are held back, at most.
    """

    def __init__(self, router: FrameRouter, start: Start, hold_bytes: int = HELD_BYTES) -> None:
        self.args: dict[str, Any] | None = None  # of the request to send next
        self.stage = HistoryStage.READ
        self.error: BusError | None = None  # why it cannot begin; the owner raises it
        self.at_end = False  # a leg has read the journal to its end
        self._router = router
        self._start = start
        self._hold_bytes = hold_bytes
        self._topics = TickTopics(router.subscriptions)
        self._rows = HistoryRows(router, self._topics)
        self._held: deque[bytes | PickedTicks] = deque()
        self._held_bytes = 0
        self._complete = False  # this leg began after the subscriptions were in place, and no live message was dropped
        self._joined: dict[bytes, tuple[int, int]] = {}  # topic and NUL -> epoch, and the number to expect if history has none
        self._newest: deque[int] = deque(maxlen=start.value if start.kind is StartKind.COUNT else 0)  # numbers
        self._window = start.value
        self._newest_number: int | None = None
        self._oldest = 1  # the journal has nothing before it, as far as is known
        self._without = False  # there is nothing to read
        self._search = 0  # how far back the beginning of an epoch is searched
        self._searched_from = self._window_first = self._from = 1
        self._begin()

    def _begin(self) -> None:
        start, rows = self._start, self._rows
        match start.kind:
            case StartKind.TIME:
                self.stage = HistoryStage.OLDEST
                self._request({"from": 1, "to": 1})
            case StartKind.OLDEST:
                self._request({"since_ns": 1})
            case StartKind.NUMBER if (topic := self._topics.only) is not None:
                self.stage = HistoryStage.PLACE
                self.args, self._from = {"topic": topic, "from": start.value}, start.value
            case StartKind.NUMBER | StartKind.POSITION:
                rows.next, rows.epoch = start.value, start.epoch
                self._leg()
            case StartKind.COUNT:
                self.stage = HistoryStage.NEWEST

    def _request(self, limits: dict[str, int]) -> None:
        self._from = limits.get("from", 1)
        self.args = {"topics": self._topics.names(), **limits}

    @property
    def as_one(self) -> bool:
        """Return whether all ticks come by the topic `ticks` alone, whose numbers are those of the global order."""
        return self._topics.as_one and not self._topics.singly

    @property
    def ready(self) -> bool:
        """Return whether the journal has been read, and `hand_over` is next."""
        return self.stage is HistoryStage.READY

    @property
    def position(self) -> tuple[int, int]:
        """Return the number of the last tick delivered, in the global order, and its epoch; 0 if unknown."""
        rows = self._rows
        return (rows.next - 1, rows.epoch) if rows.epoch else (0, 0)

    # Answers of the journal

    def take(self, answer: ReplayAnswer) -> None:
        """Process an answer; `args` are then those of the next request, if there is one."""
        match answer:
            case ReplayRows(rows=rows):
                self._take_rows(rows)
            case ReplayEnded(refused=error) if error is not None:
                self.error = error
            case ReplayEnded(further=further):
                self._ended(further)
            case TooOld():
                self._too_old(answer.oldest, answer.oldest_ns)
            case OtherEpoch():
                self._search = LOOK_BACK
                self._look_back()

    def _take_rows(self, rows: Sequence[Sequence[Any]]) -> None:
        if self.stage is HistoryStage.COUNT:
            self._newest.extend(number for number, _ in rows)
        elif self.stage is HistoryStage.PLACE:
            self._rows.next = rows[0][0]
            self._leg()
        elif self.stage is HistoryStage.READ:
            if self._search and not self._found(*rows[0]):
                return
            self._rows.take(rows)

    def _ended(self, further: int | None) -> None:
        if self.stage is HistoryStage.OLDEST:
            self._read_since()
        elif self.stage is HistoryStage.PLACE:  # there is no such number yet
            self._without = True
            self._leg()
        elif self.stage is HistoryStage.COUNT:
            self._counted(further)
        elif self.stage is HistoryStage.READ and self._search:
            self._found_nothing()
        elif self.stage is HistoryStage.READ:
            self.at_end |= further is None
            if further is None and self._complete:
                self.stage = HistoryStage.READY
            elif further is not None and further < self._rows.next:  # a search, whose rows are more than one request returns
                self._read_from(further)
            else:
                self._leg()

    def _too_old(self, oldest: int, oldest_ns: int) -> None:
        start, self._oldest = self._start, oldest
        if oldest <= self._from:  # it has nothing at all
            self._ended(None)
        elif self.stage is HistoryStage.OLDEST:
            if start.value < oldest_ns:
                self.error = self._begins_later(oldest, oldest_ns)
            else:
                self._read_since()
        elif self.stage is HistoryStage.COUNT:
            self._count_from(oldest)
        elif self.stage is HistoryStage.PLACE or (start.kind is StartKind.NUMBER and not self._rows.epoch):
            self.error = self._begins_later(oldest, oldest_ns)
        elif self._search:
            self._look_back()
        else:
            self._rows.skip(oldest, f"the journal begins at {oldest}")
            self._leg()

    def _begins_later(self, oldest: int, oldest_ns: int) -> BusError:
        at = f" ({iso_time(oldest_ns)})" if oldest_ns else ""
        text = f"{self._start.text}: the journal no longer has that, and begins at number {oldest}{at}"
        own = self._topics.only is None or self.stage is HistoryStage.PLACE  # the number is one that from_sequence takes
        further = "begin there with since='oldest'" + (f" or from_sequence={oldest}" if own else "")
        return BusError("TOO_OLD", f"{text}; {further}", {"oldest": oldest, "oldest_ns": oldest_ns})

    # The start

    def _read_since(self) -> None:
        self.stage = HistoryStage.READ
        self._leg()

    def _count_from(self, first: int) -> None:
        self.stage = HistoryStage.COUNT
        self._newest.clear()
        self._request({"from": first})
        self._window_first = first

    def _counted(self, further: int | None) -> None:
        if further is not None:
            self._request({"from": further})
        elif len(self._newest) < self._start.value and self._window_first > self._oldest:
            self._window *= FURTHER
            self._count_from(max(self._oldest, self._window_first - self._window))
        else:
            self._rows.next = self._newest[0] if self._newest else self._window_first
            self._leg()

    # Legs

    def _leg(self) -> None:
        """Request what follows; at once if the subscriptions are in place, or if this leg cannot be the last one."""
        rows, self.stage = self._rows, HistoryStage.READ
        self._drop_held()
        self._complete = self._router.greeted
        if self._without:
            self._request({"from": FOREVER})
        elif not rows.next:
            self._request({"since_ns": max(1, self._start.value)} if self._start.kind is StartKind.TIME else {"since_ns": 1})
        elif rows.epoch and rows.next > 1:
            self._request({"from": rows.next, "epoch": rows.epoch})
        else:
            self._request({"from": rows.next})

    # The search for the beginning of an epoch

    def _look_back(self) -> None:
        """Request numbers from before the next one on: under a larger epoch they may be used again."""
        self._searched_from = max(self._oldest, self._rows.next - self._search, 1)
        self._read_from(self._searched_from)

    def _read_from(self, number: int) -> None:
        """Begin a leg at a number that was read before; rows that were delivered are skipped."""
        self._drop_held()
        self._complete = self._router.greeted
        self._request({"from": number})

    def _found(self, number: int, frame: bytes) -> bool:
        """Check the first row of a search; unless it was delivered before, the epoch may begin earlier."""
        epoch = STAMP.unpack_from(frame, frame.find(NUL) + 1)[0]
        if epoch > self._rows.epoch and number < self._rows.next and self._searched_from > max(1, self._oldest):
            self._search *= FURTHER
            self._look_back()
            return False
        self._search = 0
        return True

    def _found_nothing(self) -> None:
        """Search further back: the journal has no number from there on; if it has none at all, begin again."""
        if self._searched_from > max(1, self._oldest):
            self._search *= FURTHER
            self._look_back()
            return
        self._search, self._rows.next, self._rows.epoch = 0, self._searched_from, 0
        self._leg()

    # Live messages

    def rest(self) -> None:
        """Go on without live messages, whose connection has ended; all that are held back are dropped."""
        self._drop_held()
        self._complete = self.at_end = False
        if self.ready:
            self._leg()

    def again(self, known: tuple[int, int]) -> "HistoryCursor | None":
        """Return the history that follows this one, which is live, while the subscriber rests; None: where to begin is not known.

        Args:
            known: number of the last tick up to which all were delivered, in the global order, and its epoch; 0: unknown.
        """
        start = self._start
        if known[0]:
            start = Start(StartKind.POSITION, known[0] + 1, known[1], start.text)
        elif start.kind not in (StartKind.TIME, StartKind.OLDEST):
            return None
        return HistoryCursor(self._router, start, self._hold_bytes)

    def hold(self, records: Iterable[bytes | PickedTicks]) -> None:
        """Hold back ticks that were published; all other messages are passed on."""
        for record in records:
            if type(record) is bytes and (not record.startswith(HELD_BACK) or is_transient(record)):
                self._pass(record)
                continue
            self._held.append(record)
            self._held_bytes += RECORD_BYTES + len(record if type(record) is bytes else record.frame)  # type: ignore[union-attr]
            if self._held_bytes > self._hold_bytes:
                self._drop_held()
                self._complete = False
        if self.stage is HistoryStage.NEWEST and self._newest_number is not None and self._router.greeted:
            self._count_from(max(1, self._newest_number - self._window + 1))

    def _pass(self, frame: bytes) -> None:
        """Process a message that is no tick; heartbeats would show ticks to be missing that are still read."""
        if frame.startswith(HEARTBEAT):
            if self.stage is HistoryStage.NEWEST:
                body: Any = codec.unpack(frame[len(HEARTBEAT) + STAMP.size :])
                self._newest_number = body["ticks"] if isinstance(body.get("ticks"), int) else None
        elif frame.startswith(NUL):
            self._join(frame)
        else:
            self._router.take((frame,))

    def _drop_held(self) -> None:
        """Drop the live messages that were held back; keep where their topics were."""
        for record in self._held:
            if type(record) is bytes:
                self._join(record)
            else:
                self._join_picked(record)  # type: ignore[arg-type]
        self._held.clear()
        self._held_bytes = 0

    def _join(self, frame: bytes) -> None:
        cut = frame.find(NUL) + 1
        key = frame[:cut]
        try:
            epoch, sequence, _ = STAMP.unpack_from(frame, cut)
            if sequence:
                self._joined.setdefault(key, (epoch, sequence + (key != TICKS_KEY)))
            elif (message := codec.decode_publication(frame)) and refusal_of(message) is None and is_snapshot(message):
                self._join_snapshot(snapshot_events(message))
            else:
                self._router.take((frame,))  # a subscription was refused
        except (ProtocolError, struct.error):
            self._router.malformed += 1

    def _join_snapshot(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.topic.startswith(JOURNALLED) and event.stamp.epoch:
                self._joined.setdefault(event.topic.encode() + NUL, (event.stamp.epoch, event.stamp.sequence + 1))
            else:
                self._router.take_event(event)

    def _join_picked(self, picked: PickedTicks) -> None:
        for at in picked.picks:
            self._joined.setdefault(picked.names[at] + NUL, (picked.epoch, picked.sequences[at] + 1))

    def hand_over(self) -> None:
        """Deliver the mark; `give_held` is next, and then the router receives what is published."""
        self.stage, router, rows = HistoryStage.LIVE, self._router, self._rows
        if self._topics.as_one and rows.next:
            if rows.epoch:
                rows.numbers()
            elif TICKS_KEY in self._joined:  # nothing was delivered: it may be a number that does not exist yet
                rows.next = min(rows.next, self._joined[TICKS_KEY][1])
                rows.numbers()
        for key, (epoch, expected) in self._joined.items():
            if key not in router.keyed and (key == TICKS_KEY or key in self._topics):
                router.begin(key[:-1].decode(), expected, epoch)
        number, epoch = self.position
        if router.sink.extend is None:
            router.sink.append(Event(LIVE, Stamp(epoch, number, rows.time_ns), None, {"number": number}))

    def give_held(self) -> bool:
        """Deliver some of the live messages that were held back, behind the last one that was read; false if there are none."""
        if not self._held:
            return False
        records, room = [], PIECE_BYTES
        while self._held and room > 0:
            records.append(record := self._held.popleft())
            room -= len(record if type(record) is bytes else record.frame)  # type: ignore[union-attr]
        self._router.take_records(records)
        if not self._held:
            for tracker in self._router.trackers.values():
                tracker.duplicates = 0  # held back and in the journal: no fault
        return True
