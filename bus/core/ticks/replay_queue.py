"""The replays in progress, scheduled round-robin: PROTOCOL.md section 7.3. Pure.

Each client has a separate queue of replays, and the clients take turns, so that a client with many replays does not delay the
others. A few of a client's replays run at the same time, the others wait behind them. A new request for the same topic replaces
the one before: the client does not need the old one any more.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hulak.bus.core.ticks.replay import NumberedFrames, Replay, ReplaySource
from hulak.bus.errors import ProtocolError

RUNNING = 8  # replays of one client that take turns; the others wait
PROGRESS_S = 0.5  # after this time without a row, an empty PART shows progress
WAITS_S = 0.01  # between two checks whether a client reads again
CLIENT_TIMEOUT_S = 60.0  # a client that reads nothing for this time loses its replays
Reads = Callable[[bytes], bool]  # whether a client reads its messages


@dataclass(slots=True)
class ReplayTurn:
    """The result of one turn of one replay: a PART with rows, an empty one that shows progress, the end; or nothing yet."""

    address: bytes
    request: bytes
    replay: Replay
    rows: NumberedFrames | None  # None: nothing to send, except the summary if it has ended
    error: Exception | None = None  # an internal error, which ended it


@dataclass(slots=True)
class RunningReplay:
    """A replay in progress."""

    request: bytes
    replay: Replay
    sent_at: float  # when a message of it was last sent, monotonic seconds


@dataclass(slots=True)
class ClientReplays:
    """One client's replays, by topic, in the order of their requests."""

    replays: OrderedDict[tuple[bytes, bool], RunningReplay] = field(default_factory=OrderedDict)
    turn: int = 0
    stuck_since: float | None = None  # since when the client reads nothing, monotonic seconds

    def running(self) -> list[RunningReplay]:
        """Return the replays that take turns."""
        return [under for under, _ in zip(self.replays.values(), range(RUNNING), strict=False)]


class ReplayQueue:
    """All replays in progress.

    Args:
        source: the journal.
        per_client: most replays of one client, running and waiting.
        most: most replays of all clients.
    """

    def __init__(self, source: ReplaySource, per_client: int = 4096, most: int = 65_536) -> None:
        self.source = source
        self.per_client = per_client
        self.most = most
        self.lines: OrderedDict[bytes, ClientReplays] = OrderedDict()
        self.served = 0
        self.replaced = 0
        self.abandoned = 0  # since their client was gone or read nothing
        self._count = 0
        self._due = 0.0  # when the next turn is due, monotonic seconds

    def __len__(self) -> int:
        return self._count

    def next_due(self) -> float:
        """When `turn` is due next, in monotonic seconds; only if there are replays."""
        return self._due

    def begin(self, address: bytes, request: bytes, replay: Replay, now: float) -> bytes | None:
        """Add a replay.

        Args:
            address: of the client.
            request: id of the request.
            replay: not started.
            now: monotonic seconds.
        Returns:
            the id of the request that it replaces; None if there is none.
        Raises:
            ProtocolError: `BUSY`.
        """
        line = self.lines.get(address)
        key = replay.wanted.topic, replay.wanted.exact
        before = line.replays.get(key) if line is not None else None
        self._due = 0.0
        if before is not None:
            replaced, before.request, before.replay, before.sent_at = before.request, request, replay, now
            self.replaced += 1
            return replaced
        if line is not None and len(line.replays) >= self.per_client:
            raise _busy(f"{self.per_client} replays of this client")
        if self._count >= self.most:
            raise _busy(f"{self.most} replays")
        if line is None:
            line = self.lines[address] = ClientReplays()
        line.replays[key] = RunningReplay(request, replay, now)
        self._count += 1
        return None

    def turn(self, now: float, reads: Reads) -> Iterator[ReplayTurn]:
        """Read one slice of one replay of the client whose turn it is.

        Args:
            now: monotonic seconds.
            reads: returns whether a client reads its messages.
        Yields:
            the messages to send, if any.
        """
        for _ in range(len(self.lines)):
            address, line = self.lines.popitem(last=False)
            self.lines[address] = line
            if reads(address):
                line.stuck_since = None
                yield from self._step(address, line, now)
                return
            line.stuck_since = now if line.stuck_since is None else line.stuck_since
            if now - line.stuck_since > CLIENT_TIMEOUT_S:
                self.drop(address)
        self._due = now + WAITS_S

    def _step(self, address: bytes, line: ClientReplays, now: float) -> Iterator[ReplayTurn]:
        running = line.running()
        line.turn = (line.turn + 1) % len(running)
        under = running[line.turn]
        replay, rows, error = under.replay, None, None
        try:
            rows = replay.step(self.source)
        except Exception as caught:  # noqa: BLE001 - an internal error in one replay: it must not recur in every turn
            error, replay.ended = caught, True
        if replay.ended:
            del line.replays[replay.wanted.topic, replay.wanted.exact]
            self._count -= 1
            self.served += 1
            if not line.replays:
                del self.lines[address]
        if rows or replay.ended:
            under.sent_at = now
            yield ReplayTurn(address, under.request, replay, rows, error)
        for under in running:
            if now - under.sent_at >= PROGRESS_S and not under.replay.ended and under.replay.wanted.parts:
                under.sent_at = now
                yield ReplayTurn(address, under.request, under.replay, [])

    def drop(self, address: bytes) -> None:
        """Remove the replays of a client that is gone."""
        line = self.lines.pop(address, None)
        if line is not None:
            self._count -= len(line.replays)
            self.abandoned += len(line.replays)


def _busy(what: str) -> ProtocolError:
    return ProtocolError("BUSY", f"{what} are in progress, no more are taken; try again in a second")
