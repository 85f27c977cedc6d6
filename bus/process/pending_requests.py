"""Requests that wait for their answers: match answers, expire requests, and find those to send again. Pure.

Times are monotonic seconds, passed by the shell, and so are ids. PROTOCOL.md sections 4 and 7. `PendingTable` is the table of
all clients; `PendingRequests` adds when a request is sent again, for clients that wait for few answers at a time.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from msgspec.structs import replace

from hulak.bus.wire.messages import MessageToClient, Part, Request

LOOK_AHEAD_S = 1.0  # entries due within this time are sorted together, when the first of them is due


class Pending(Protocol):
    """An entry that waits for its answer."""

    @property
    def id(self) -> bytes:
        """Return the id of the request."""

    @property
    def due(self) -> float:
        """Return when it expires, monotonic seconds."""


Entry = TypeVar("Entry", bound=Pending)


class PendingTable(Generic[Entry]):
    """All requests that wait on one connection.

    Nearly all are answered long before they expire, so the table is not sorted: about once a second, those that expire within
    the next second are selected.
    """

    def __init__(self) -> None:
        self.under_way: dict[bytes, Entry] = {}  # by id, oldest first
        self.strays = 0  # answers that match no entry: late, duplicate, or for another client
        self._soon: deque[tuple[float, bytes]] = deque()  # the next entries to expire, the soonest first
        self._later = math.inf  # no other entry expires before this

    def __len__(self) -> int:
        return len(self.under_way)

    def add(self, entry: Entry) -> None:
        """Add an entry that waits for its answer."""
        self.under_way[entry.id] = entry
        due = entry.due
        if due < self._later:  # noqa: PLR1730 - min() costs three times as much
            self._later = due

    def forget(self, entry: Entry) -> None:
        """Remove an entry; its answer is a stray when it comes."""
        self.under_way.pop(entry.id, None)

    def match(self, message: MessageToClient) -> Entry | None:
        """Return the entry that a message answers; any message but a PART removes it.

        Returns:
            None if no entry has its id, which is counted, or if it is an ERROR without an id.
        """
        if message.id is None:
            return None
        entry = self.under_way.get(message.id)
        if entry is None:
            self.strays += 1
        elif not isinstance(message, Part):
            self.forget(entry)
        return entry

    def next_due(self) -> float:
        """Return when `expire` may have something to do: monotonic seconds, infinite if nothing is under way."""
        if not self.under_way:
            return math.inf
        return min(self._later, self._soon[0][0]) if self._soon else self._later

    def expire(self, now: float) -> Iterator[Entry]:
        """Remove and yield the entries that have expired, in the order of their deadlines."""
        if now >= self._later:
            self._look_ahead(now + LOOK_AHEAD_S)
        while self._soon and self._soon[0][0] <= now:
            entry = self.under_way.get(self._soon.popleft()[1])
            if entry is not None:
                self.forget(entry)
                yield entry

    def _look_ahead(self, until: float) -> None:
        """Sort the entries that expire until then."""
        dues = [(entry.due, entry.id) for entry in self.under_way.values()]
        self._soon = deque(sorted((due for due in dues if due[0] <= until), key=lambda due: due[0]))
        self._later = min((due for due, _ in dues if due > until), default=math.inf)


@dataclass(slots=True, eq=False)
class PendingRequest:
    """One request to a control service.

    Args:
        request: as it is sent.
        about: any value; returned to the sender with the answer.
        due: when it expires, monotonic seconds.
        once: it is never sent again, since the next request replaces it.
    """

    request: Request
    about: Any = None
    due: float = math.inf
    once: bool = False

    @property
    def id(self) -> bytes:
        """Return the id of the request."""
        return self.request.id


class PendingRequests(PendingTable[PendingRequest]):
    """Requests of one connection, and when each is sent again.

    A timeout of the connection, not of each request: nothing is sent again while anything arrives.

    Args:
        silence_s: seconds without a message on the connection after which all are sent again; infinite: never.
    """

    def __init__(self, silence_s: float = math.inf) -> None:
        super().__init__()
        self._silence_s = silence_s
        self._received = 0.0  # when the last message arrived, or the first request began
        self._send_due: dict[bytes, float] = {}  # when each unsent request is to be sent, by id

    def begin(self, request: PendingRequest, now: float, send_due: float = math.inf) -> None:
        """Add a request that waits for its answer.

        Args:
            request: sent already, or to be sent.
            now: monotonic seconds.
            send_due: when it is to be sent; infinite: it was sent.
        """
        if not self.under_way:
            self._received = now
        self.add(request)
        self.send_at(request, send_due)

    def send_at(self, request: PendingRequest, send_due: float) -> None:
        """Schedule a request to be sent; infinite: it was sent."""
        if send_due == math.inf:
            self._send_due.pop(request.id, None)
        else:
            self._send_due[request.id] = send_due

    def send_all(self, now: float) -> None:
        """Schedule all to be sent now but those that are sent once: a restarted broker does not know them."""
        self._received = now
        self._send_due = {id_: now for id_, request in self.under_way.items() if not request.once}

    def received(self, now: float) -> None:
        """Record that a message arrived."""
        self._received = now

    def to_send(self, now: float) -> list[PendingRequest]:
        """List the requests to send now; call `send_at` with the outcome of each."""
        if self.under_way and now - self._received >= self._silence_s:
            self.send_all(now)
        return [self.under_way[id_] for id_, due in self._send_due.items() if due <= now]

    def renew(self, request: PendingRequest, new_id: bytes) -> None:
        """Replace the id of a request: an answer to the former id is a stray from now on."""
        self.forget(request)
        request.request = replace(request.request, id=new_id)
        self.add(request)

    def forget(self, entry: PendingRequest) -> None:
        """Remove a request; its answer is a stray when it comes."""
        super().forget(entry)
        self._send_due.pop(entry.id, None)

    def next_due(self) -> float:
        """Return when there may be something to send or to expire: monotonic seconds, infinite if nothing is under way."""
        if not self.under_way:
            return math.inf
        return min(super().next_due(), self._received + self._silence_s, min(self._send_due.values(), default=math.inf))
