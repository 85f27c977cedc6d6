"""Requests that wait for their answers: which answer belongs to what, what is over, and what is sent again. Pure.

Times are monotonic seconds, given by the shell, and so are ids. PROTOCOL.md sections 4 and 7. `PendingTable` is the table of all
clients; `PendingRequests` adds when a request is sent again, for clients that wait for few answers at a time.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from msgspec.structs import replace

from hulak.bus.wire.messages import MessageToClient, Part, Request

LOOK_AHEAD_S = 1.0  # what is over within it is sorted when one deadline of it has come


class Pending(Protocol):
    """Something that waits for its answer."""

    @property
    def id(self) -> bytes:
        """Name the request."""

    @property
    def due(self) -> float:
        """When it is over, monotonic seconds."""


Entry = TypeVar("Entry", bound=Pending)


class PendingTable(Generic[Entry]):
    """All that wait on one connection.

    Nearly all are answered long before they are over, so nothing is sorted for their sake: about once a second, those that will
    be over within the next are looked up.
    """

    def __init__(self) -> None:
        self.under_way: dict[bytes, Entry] = {}  # by id, in the order of their beginning
        self.strays = 0  # answers to nothing that waits: late, given twice, or meant for others
        self._soon: deque[tuple[float, bytes]] = deque()  # what is over next, the soonest first
        self._later = math.inf  # nothing else is over before this

    def __len__(self) -> int:
        return len(self.under_way)

    def add(self, entry: Entry) -> None:
        """Begin to wait for an answer."""
        self.under_way[entry.id] = entry
        due = entry.due
        if due < self._later:  # noqa: PLR1730 - min() costs three times as much
            self._later = due

    def forget(self, entry: Entry) -> None:
        """Wait for it no longer; its answer is a stray when it comes."""
        self.under_way.pop(entry.id, None)

    def match(self, message: MessageToClient) -> Entry | None:
        """Find what a message answers; all but a PART end it.

        Returns:
            None if nothing that waits has its id, which is counted, or if it is an ERROR without an id.
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
        """When `expire` may have something to do: monotonic seconds, infinite if nothing is under way."""
        if not self.under_way:
            return math.inf
        return min(self._later, self._soon[0][0]) if self._soon else self._later

    def expire(self, now: float) -> Iterator[Entry]:
        """Forget those whose time is over, one by one, in the order of their times."""
        if now >= self._later:
            self._look_ahead(now + LOOK_AHEAD_S)
        while self._soon and self._soon[0][0] <= now:
            entry = self.under_way.get(self._soon.popleft()[1])
            if entry is not None:
                self.forget(entry)
                yield entry

    def _look_ahead(self, until: float) -> None:
        """Sort what is over until then."""
        dues = [(entry.due, entry.id) for entry in self.under_way.values()]
        self._soon = deque(sorted((one for one in dues if one[0] <= until), key=lambda one: one[0]))
        self._later = min((due for due, _ in dues if due > until), default=math.inf)


@dataclass(slots=True, eq=False)
class PendingRequest:
    """One request to a control service.

    Args:
        request: as it is sent.
        about: whatever its sender wants to know when its answer comes.
        due: when it is over, monotonic seconds.
        once: it is never sent again, since the next one says more.
    """

    request: Request
    about: Any = None
    due: float = math.inf
    once: bool = False

    @property
    def id(self) -> bytes:
        """Name the request."""
        return self.request.id


class PendingRequests(PendingTable[PendingRequest]):
    """Requests of one connection, and when each is sent again.

    It is the silence of the connection that counts, not that of one request: nothing is sent again while anything arrives.

    Args:
        silence_s: of the connection, after which all are sent again; infinite: never.
    """

    def __init__(self, silence_s: float = math.inf) -> None:
        super().__init__()
        self._silence_s = silence_s
        self._heard = 0.0  # when anything came, or was asked for first
        self._send_due: dict[bytes, float] = {}  # what is to be sent at a time of its own

    def begin(self, request: PendingRequest, now: float, send_due: float = math.inf) -> None:
        """Begin to wait for an answer.

        Args:
            request: that was sent, or is to be.
            now: monotonic seconds.
            send_due: when it is to be sent; infinite: it was.
        """
        if not self.under_way:
            self._heard = now
        self.add(request)
        self.send_at(request, send_due)

    def send_at(self, request: PendingRequest, send_due: float) -> None:
        """Have a request sent then; infinite: it was sent."""
        if send_due == math.inf:
            self._send_due.pop(request.id, None)
        else:
            self._send_due[request.id] = send_due

    def send_all(self, now: float) -> None:
        """Have all sent now but those that are sent once: a broker that was restarted knows nothing of them."""
        self._heard = now
        self._send_due = {id_: now for id_, request in self.under_way.items() if not request.once}

    def heard(self, now: float) -> None:
        """Note that something came."""
        self._heard = now

    def to_send(self, now: float) -> list[PendingRequest]:
        """List what is to be sent now; `send_at` says what became of each."""
        if self.under_way and now - self._heard >= self._silence_s:
            self.send_all(now)
        return [self.under_way[id_] for id_, due in self._send_due.items() if due <= now]

    def renew(self, request: PendingRequest, new_id: bytes) -> None:
        """Give a request another id: what comes to the one before is a stray from now on."""
        self.forget(request)
        request.request = replace(request.request, id=new_id)
        self.add(request)

    def forget(self, entry: PendingRequest) -> None:
        """Wait for it no longer."""
        super().forget(entry)
        self._send_due.pop(entry.id, None)

    def next_due(self) -> float:
        """When there may be something to send or to expire: monotonic seconds, infinite if nothing is under way."""
        if not self.under_way:
            return math.inf
        return min(super().next_due(), self._heard + self._silence_s, min(self._send_due.values(), default=math.inf))
