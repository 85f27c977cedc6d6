"""Which displays there are, and which worker computes each: PROTOCOL.md section 11. Pure.

A display is a symbol, an id and what it begins with. Its row is in the database; it is assigned to the display worker that has
fewest, and as few as can be are moved when a worker comes or goes. Each assignment has a token larger than all before it: states
that come under another one are refused, so that a worker that was given up, and wakes, overwrites nothing (fencing).
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.core.ticks.tick_bodies import read_map
from hulak.bus.core.ticks.topic_logs import TopicLog, TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP
from hulak.bus.wire.names import ANY_SOURCE, LONGEST_SOURCE, OWNED_BY_DISPLAYS
from hulak.bus.wire.plain_values import check_plain, short

MAX_STATE_BYTES = 1 << 20  # of a state's frame
MAX_INIT_BYTES = 1 << 16  # of a display's init, packed
REMEMBERED = 1000  # removed displays, whose last states may still be under way
SOURCES = ("only_source", "kept_source")  # keys of an init
ASKED = (*SOURCES, "late_ticks")  # that say which ticks count: they stay when the others change
TOKENS_BEHIND = 1_000_000  # more than one life of a broker gives without writing one down


def check_init(init: Mapping[str, Any]) -> None:
    """Check a display's init; what is known of a day is read by whoever computes it, and what is no number there is not known.

    Raises:
        ValueError: a sentence: as `check_plain`; or a key that says which ticks count has a value that it may not have.
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
    """Check that a display, which shows a symbol, is wanted for the same one.

    Raises:
        ProtocolError: `BAD_ARGUMENT`.
    """
    if shown != symbol:
        raise ProtocolError("BAD_ARGUMENT", f"display {display!r} shows {shown}, so it cannot show {symbol}")


@dataclass(slots=True)
class Display:
    """One row."""

    id: str
    symbol: str  # upper case
    init: dict[str, Any]
    first: int  # number, in the one global order, of the first tick that is looked at
    worker: str | None = None  # its name; None: no display worker lives
    token: int = 0  # of the present assignment; 0: it never had one

    def told(self) -> dict[str, Any]:
        """Make the row of the topic `displays`."""
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
        limit: how many there may be.
        last_token: what the first token is larger than.
    """

    limit: int
    last_token: int = 0
    rows: dict[str, Display] = field(default_factory=dict)  # by id
    workers: list[str] = field(default_factory=list)  # those that live, by name
    counters: Counter[str] = field(default_factory=Counter)  # created, updated, removed, moved, lost_workers

    def restore(self, rows: Iterable[Display], now_us: int) -> None:
        """Go on from what the store held.

        Args:
            rows: as they were written last; a worker named there may still be at it.
            now_us: microseconds since 1970 UTC: with them tokens go on even if the last ones were not written.
        """
        self.rows = {row.id: row for row in rows}
        self.last_token = max([now_us, *(row.token + TOKENS_BEHIND for row in self.rows.values())])

    def find(self, display: str, symbol: str | None = None) -> Display | None:
        """Find a display by its exact id.

        Raises:
            ProtocolError: `BAD_ARGUMENT`, it is there and shows another symbol.
        """
        row = self.rows.get(display)
        if row is not None and symbol is not None:
            check_symbol(display, row.symbol, symbol)
        return row

    def check_room(self, coming: int) -> None:
        """Refuse one more than there may be; `coming` are on their way to the store.

        Raises:
            ProtocolError: `BUSY`.
        """
        if len(self.rows) + coming >= self.limit:
            raise ProtocolError("BUSY", f"there are {self.limit} displays, no more are taken ([display] max_displays)")

    def create(self, row: Display) -> None:
        """Take in a display that is in the store, and assign it."""
        self.rows[row.id] = row
        self.counters["created"] += 1
        self._give(row, self._least_loaded())

    def update(self, display: str, init: dict[str, Any]) -> Display | None:
        """Have a display begin anew with other values, under a new token; None if it is gone."""
        row = self.rows.get(display)
        if row is not None:
            row.init = init
            self.counters["updated"] += 1
            self._give(row, row.worker)
        return row

    def remove(self, displays: Iterable[str]) -> list[str]:
        """Take displays out; returns those that were there."""
        found = [display for display in displays if self.rows.pop(display, None) is not None]
        self.counters["removed"] += len(found)
        return found

    def of_symbol(self, symbol: str) -> list[str]:
        """List the ids of a symbol's displays; of exactly this symbol."""
        return [row.id for row in self.rows.values() if row.symbol == symbol]

    # Assignment

    def look(self, living: Collection[str], *, settled: bool = True, slots: Collection[str] = ()) -> list[Display]:
        """Note which workers live, and assign anew what that changes.

        Args:
            living: names of all display workers that may be given displays.
            settled: false while workers of the broker's former life may still come back: what is theirs is left to them.
            slots: of the supervisor, that living workers have: a former worker of one of these, `SLOT/PID`, does not come back.
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
                self._give(row, self._least_loaded())
                changed.append(row)
        return changed + self._even_out() if settled else changed

    def loads(self) -> Counter[str]:
        """Count the displays of each living worker."""
        found: Counter[str] = Counter(dict.fromkeys(self.workers, 0))
        for row in self.rows.values():
            if row.worker is not None and row.worker in found:
                found[row.worker] += 1
        return found

    def _least_loaded(self) -> str | None:
        loads = self.loads()
        return min(self.workers, key=lambda name: (loads[name], name), default=None)

    def _even_out(self) -> list[Display]:
        """Move as few as it takes for no worker to have two more than another; those that were given last go first."""
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
            self._give(row, least)
            loads.update({least: 1, most: -1})
            moved.append(row)
        return moved

    def _give(self, row: Display, worker: str | None) -> None:
        self.counters["moved"] += bool(row.token) and row.worker != worker
        self.last_token += 1
        row.worker, row.token = worker, self.last_token

    # What is told

    def told(self, version: int) -> dict[str, Any]:
        """Make the body of the topic `displays`."""
        return {"version": version, "rows": [row.told() for row in self.rows.values()]}

    def stats(self) -> dict[str, int]:
        """Count: displays, those with a worker, the workers; and what was done since the start."""
        assigned = sum(row.worker is not None for row in self.rows.values())
        done = {name: self.counters[name] for name in ("created", "updated", "removed", "moved", "lost_workers")}
        return {"displays": len(self.rows), "assigned": assigned, "workers": len(self.workers), "most": self.limit, **done}


class DisplayStates:
    """What display workers publish: taken from whoever has the display's present token, and from nobody else.

    Args:
        topics: where states are numbered and kept.
        assignment: of the displays.
    """

    def __init__(self, topics: TopicLogs, assignment: DisplayAssignment) -> None:
        self.topics = topics
        self.assignment = assignment
        self.taken = 0
        self.fenced = 0  # passed over, since the display went to another worker, or away, while they were under way
        self._removed: deque[str] = deque(maxlen=REMEMBERED)  # displays that there were
        self._last: dict[str, tuple[int, int]] = {}  # display -> token and running number of its last state

    def take(self, frame: bytes, time_ns: int) -> bytes | None:
        """Number a state; returns the message to publish if somebody wants it, None also for one under a former token.

        Args:
            frame: as the collector received it: topic `display.<id>`, stamp of token, running number and time, state.
            time_ns: ns since 1970 UTC.
        Raises:
            ProtocolError: `NOT_YOURS`, no such display, or a token that was never given; `BAD_FRAME`, `TOO_LARGE`, `BAD_BODY`.
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
            self.fenced += 1  # nobody's fault: its worker had not heard of it yet
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

    def log_of(self, display: str) -> TopicLog | None:
        """Find a display's topic."""
        return self.topics.logs.get(OWNED_BY_DISPLAYS + display.encode() + NUL)
