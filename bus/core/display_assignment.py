"""The displays, and the worker that computes each: PROTOCOL.md section 11. Pure.

A display is a symbol, an id and initial values. Its row is in the database; it is assigned to the display worker with the fewest
displays, and as few as possible are moved when a worker joins or leaves. Each assignment has a fencing token, larger than all
before it: states under another token are refused, so that a worker that was given up and resumes overwrites nothing.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.core.ticks.tick_bodies import read_map
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP
from hulak.bus.wire.names import ANY_SOURCE, LONGEST_SOURCE, OWNED_BY_DISPLAYS
from hulak.bus.wire.plain_values import check_plain, short

MAX_STATE_BYTES = 1 << 20  # of a state's frame
MAX_INIT_BYTES = 1 << 16  # of a display's init, packed
REMEMBERED = 1000  # removed displays, whose last states may still be in flight
SOURCES = ("only_source", "kept_source")  # keys of an init
ASKED = (*SOURCES, "late_ticks")  # keys that select the ticks: they stay when the others change
TOKENS_BEHIND = 1_000_000  # more than one run of a broker assigns without writing one


def check_init(init: Mapping[str, Any]) -> None:
    """Check a display's init; values of a day are parsed by the display worker, which treats one that is no number as unknown.

    Raises:
        ValueError: as `check_plain`; or a key that selects the ticks has a wrong value.
    """
    check_plain("argument init", init, MAX_INIT_BYTES, finite=False)
    for name in SOURCES:
        source = init.get(name)
        if source is not None and not (isinstance(source, str) and len(source) <= LONGEST_SOURCE):
            must = f"text of at most {LONGEST_SOURCE} characters, as ticks have it under `source`, or {ANY_SOURCE!r}, or nil"
            raise ValueError(f"argument init.{name} is {short(source)}, must be {must}")
    late = init.get("late_ticks")
    if late is not None and not isinstance(late, bool):
        raise ValueError(f"argument init.late_ticks is {short(late)}, must be true, false or nil")


def check_symbol(display: str, shown: str, symbol: str) -> None:
    """Check that a display shows the symbol that is requested for it.

    Raises:
        ProtocolError: `BAD_ARGUMENT`.
    """
    if shown != symbol:
        raise ProtocolError("BAD_ARGUMENT", f"display {display!r} shows {shown}, so it cannot show {symbol}")


@dataclass(slots=True)
class Display:
    """The row of a display."""

    id: str
    symbol: str  # upper case
    init: dict[str, Any]
    first: int  # number, in the global order, of the first tick that it uses
    worker: str | None = None  # name of the worker; None: there is no display worker
    token: int = 0  # of the present assignment; 0: it never had one

    def as_dict(self) -> dict[str, Any]:
        """Return the row of the topic `displays`."""
        return {
            "display": self.id,
            "symbol": self.symbol,
            "init": self.init,
            "from": self.first,
            "worker": self.worker,
            "token": self.token,
        }


@dataclass(slots=True)
class DisplayAssignment:
    """All displays of one broker.

    Args:
        limit: the largest number of displays.
        last_token: the first token is larger.
    """

    limit: int
    last_token: int = 0
    rows: dict[str, Display] = field(default_factory=dict)  # by id
    workers: list[str] = field(default_factory=list)  # names of the live workers
    counters: Counter[str] = field(default_factory=Counter)  # created, updated, removed, moved, lost_workers

    def restore(self, rows: Iterable[Display], now_us: int) -> None:
        """Continue from the rows in the store.

        Args:
            rows: as last written; a worker named there may still compute the display.
            now_us: microseconds since 1970 UTC: tokens continue from there even if the last ones were not written.
        """
        self.rows = {row.id: row for row in rows}
        self.last_token = max([now_us, *(row.token + TOKENS_BEHIND for row in self.rows.values())])

    def find(self, display: str, symbol: str | None = None) -> Display | None:
        """Find a display by its exact id.

        Raises:
            ProtocolError: `BAD_ARGUMENT`, the display shows another symbol.
        """
        row = self.rows.get(display)
        if row is not None and symbol is not None:
            check_symbol(display, row.symbol, symbol)
        return row

    def check_room(self, coming: int) -> None:
        """Raise an error if there is no room for one more; `coming` displays are being written to the store.

        Raises:
            ProtocolError: `BUSY`.
        """
        if len(self.rows) + coming >= self.limit:
            raise ProtocolError("BUSY", f"there are {self.limit} displays, no more are taken ([display] max_displays)")

    def create(self, row: Display) -> None:
        """Add a display that is in the store, and assign it."""
        self.rows[row.id] = row
        self.counters["created"] += 1
        self._assign(row, self._least_loaded())

    def update(self, display: str, init: dict[str, Any]) -> Display | None:
        """Restart a display with other initial values, under a new token; None if it was removed."""
        row = self.rows.get(display)
        if row is not None:
            row.init = init
            self.counters["updated"] += 1
            self._assign(row, row.worker)
        return row

    def remove(self, displays: Iterable[str]) -> list[str]:
        """Remove displays; return the ids that existed."""
        removed = [display for display in displays if self.rows.pop(display, None) is not None]
        self.counters["removed"] += len(removed)
        return removed

    def of_symbol(self, symbol: str) -> list[str]:
        """Return the ids of the displays of exactly this symbol."""
        return [row.id for row in self.rows.values() if row.symbol == symbol]

    # Assignment

    def rebalance(self, living: Collection[str], *, settled: bool = True, slots: Collection[str] = ()) -> list[Display]:
        """Record the live workers, and reassign displays accordingly.

        Args:
            living: names of all display workers that may get displays.
            settled: false while workers of the broker's previous run may still come back: they keep their displays.
            slots: slots of the supervisor that live workers have: a former worker of such a slot, `SLOT/PID`, does not come back.
        Returns:
            the rows that changed.
        """
        before, self.workers = self.workers, sorted(living)
        self.counters["lost_workers"] += len(set(before) - set(living))
        changed = []
        for row in self.rows.values():
            if row.worker in living:
                continue
            gone = settled or row.worker is None or row.worker.partition("/")[0] in slots
            if gone and (row.worker or self.workers):
                self._assign(row, self._least_loaded())
                changed.append(row)
        return changed + self._even_out() if settled else changed

    def loads(self) -> Counter[str]:
        """Return the number of displays of each live worker."""
        counts: Counter[str] = Counter(dict.fromkeys(self.workers, 0))
        for row in self.rows.values():
            if row.worker is not None and row.worker in counts:
                counts[row.worker] += 1
        return counts

    def _least_loaded(self) -> str | None:
        loads = self.loads()
        return min(self.workers, key=lambda name: (loads[name], name), default=None)

    def _even_out(self) -> list[Display]:
        """Move as few displays as needed for loads to differ by at most one; the last assigned ones move first."""
        loads, moved = self.loads(), []
        held: dict[str, list[Display]] = {name: [] for name in self.workers}
        for row in sorted(self.rows.values(), key=lambda row: row.token):
            if row.worker in held:
                held[row.worker].append(row)
        while loads:
            least = min(self.workers, key=lambda name: (loads[name], name))
            most = max(self.workers, key=lambda name: (loads[name], name))
            if loads[most] - loads[least] < 2:
                break
            row = held[most].pop()
            self._assign(row, least)
            loads.update({least: 1, most: -1})
            moved.append(row)
        return moved

    def _assign(self, row: Display, worker: str | None) -> None:
        self.counters["moved"] += bool(row.token) and row.worker != worker
        self.last_token += 1
        row.worker, row.token = worker, self.last_token

    # Publication

    def as_dict(self, version: int) -> dict[str, Any]:
        """Return the body of the topic `displays`."""
        return {"version": version, "rows": [row.as_dict() for row in self.rows.values()]}

    def stats(self) -> dict[str, int]:
        """Return counts: displays, assigned displays, workers; and changes since the start."""
        assigned = sum(row.worker is not None for row in self.rows.values())
        done = {name: self.counters[name] for name in ("created", "updated", "removed", "moved", "lost_workers")}
        return {"displays": len(self.rows), "assigned": assigned, "workers": len(self.workers), "most": self.limit, **done}


class DisplayStates:
    """The states that display workers publish: accepted only under the display's present token.

    Args:
        topics: where states are numbered and kept.
        assignment: of the displays.
    """

    def __init__(self, topics: TopicLogs, assignment: DisplayAssignment) -> None:
        self.topics = topics
        self.assignment = assignment
        self.taken = 0
        self.fenced = 0  # ignored, since the display was reassigned or removed while they were in flight
        self._removed: deque[str] = deque(maxlen=REMEMBERED)  # ids of removed displays
        self._last: dict[str, tuple[int, int]] = {}  # display -> token and running number of its last state

    def take(self, frame: bytes, time_ns: int) -> bytes | None:
        """Number a state; return the message to publish, or None if there is no subscriber or the token is a former one.

        Args:
            frame: as the collector received it, a topic `display.<id>`, stamp of token, running number and time, state.
            time_ns: ns since 1970 UTC.
        Raises:
            ProtocolError: `NOT_YOURS`, no such display, or a token that was never assigned; `BAD_FRAME`, `TOO_LARGE`, `BAD_BODY`.
        """
        cut = frame.find(NUL) + 1
        if not cut or len(frame) <= cut + STAMP.size:
            raise ProtocolError("BAD_FRAME", f"{len(frame)} bytes, wanted topic, NUL, {STAMP.size} bytes, body")
        if len(frame) > MAX_STATE_BYTES:
            raise ProtocolError("TOO_LARGE", f"a state of {len(frame)} bytes, must be at most {MAX_STATE_BYTES}")
        display = frame[len(OWNED_BY_DISPLAYS) : cut - 1].decode("ascii", "replace")
        token, number, _ = STAMP.unpack_from(frame, cut)
        row = self.assignment.rows.get(display)
        if token < row.token if row is not None else display in self._removed:
            self.fenced += 1  # no fault: its worker did not know yet
            return None
        if row is None or token != row.token:
            raise ProtocolError("NOT_YOURS", f"display {display!r} is not assigned under token {token}")
        if (token, number) <= self._last.get(display, (0, 0)):
            raise ProtocolError("NOT_YOURS", f"display {display!r}: state {number} of token {token} came after a later one")
        body = frame[cut + STAMP.size :]
        try:
            read_map(body)
        except ProtocolError as error:
            raise ProtocolError("BAD_BODY", f"the state of display {display!r} is refused: {error}") from error
        self._last[display] = (token, number)
        self.taken += 1
        return self.topics.publish(frame[:cut], body, time_ns)

    def forget(self, displays: Iterable[str]) -> None:
        """Free the topics of removed displays."""
        for display in displays:
            self._last.pop(display, None)
            self._removed.append(display)
            self.topics.drop(OWNED_BY_DISPLAYS + display.encode() + NUL)
