"""The replays under way, taking turns: PROTOCOL.md section 7.3. Pure.

Each client's replays stand in a line of their own, and the clients take turns, so that one who asks for much holds up nobody
else. A few of a client's replays run at the same time, the others wait behind them. One that is asked for again, of the same
topic, takes the place of the one before: who asks anew has no use for the old one.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hulak.bus.core.ticks.replay import NumberedFrames, Replay, ReplaySource
from hulak.bus.errors import ProtocolError

RUNNING = 8  # replays of one client that take turns; the others wait
PROGRESS_S = 0.5  # without a row for so long, a replay says that it goes on
WAITS_S = 0.01  # between two looks whether a client reads again
PATIENCE_S = 60.0  # a client that reads nothing for so long loses its replays
Reads = Callable[[bytes], bool]  # whether a client takes what it is sent


@dataclass(slots=True)
class ReplayTurn:
    """What came of one turn of one replay: a PART with rows, an empty one that shows progress, the end; or nothing yet."""

    address: bytes
    request: bytes
    replay: Replay
    rows: NumberedFrames | None  # None: nothing to send but, if it has ended, its summary
    error: Exception | None = None  # it met a bug of ours, and has ended


@dataclass(slots=True)
class RunningReplay:
    """One replay under way."""

    request: bytes
    replay: Replay
    told_at: float  # monotonic seconds


@dataclass(slots=True)
class ClientReplays:
    """One client's replays, by topic, in the order of their asking."""

    replays: OrderedDict[tuple[bytes, bool], RunningReplay] = field(default_factory=OrderedDict)
    turn: int = 0
    stuck_since: float | None = None  # since when the client takes nothing, monotonic seconds

    def running(self) -> list[RunningReplay]:
        """List those that take turns."""
        return [under for under, _ in zip(self.replays.values(), range(RUNNING), strict=False)]


class ReplayQueue:
    """All replays under way.

    Args:
        source: the journal.
        per_client: replays of one client at most, running and waiting.
        most: of all clients together.
    """

    def __init__(self, source: ReplaySource, per_client: int = 4096, most: int = 65_536) -> None:
        self.source = source
        self.per_client = per_client
        self.most = most
        self.lines: OrderedDict[bytes, ClientReplays] = OrderedDict()
        self.served = 0
        self.replaced = 0
        self.abandoned = 0  # since their client was gone, or read nothing
        self._count = 0
        self._look_at = 0.0  # when something can be done, monotonic seconds

    def __len__(self) -> int:
        return self._count

    def next_due(self) -> float:
        """When `turn` has something to do, in monotonic seconds; only if there are replays."""
        return self._look_at

    def begin(self, address: bytes, request: bytes, replay: Replay, now: float) -> bytes | None:
        """Take one in.

        Args:
            address: of the client.
            request: its id.
            replay: not begun.
            now: monotonic seconds.
        Returns:
            the id of the request whose place it takes; None if there is none.
        Raises:
            ProtocolError: `BUSY`.
        """
        line = self.lines.get(address)
        key = replay.wanted.topic, replay.wanted.exact
        before = line.replays.get(key) if line is not None else None
        self._look_at = 0.0
        if before is not None:
            replaced, before.request, before.replay, before.told_at = before.request, request, replay, now
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
        """Let one replay of the client whose turn it is read one slice.

        Args:
            now: monotonic seconds.
            reads: tells whether a client takes what it is sent.
        Yields:
            what is to be sent, if anything.
        """
        for _ in range(len(self.lines)):
            address, line = self.lines.popitem(last=False)
            self.lines[address] = line
            if reads(address):
                line.stuck_since = None
                yield from self._step(address, line, now)
                return
            line.stuck_since = now if line.stuck_since is None else line.stuck_since
            if now - line.stuck_since > PATIENCE_S:
                self.drop(address)
        self._look_at = now + WAITS_S

    def _step(self, address: bytes, line: ClientReplays, now: float) -> Iterator[ReplayTurn]:
        running = line.running()
        line.turn = (line.turn + 1) % len(running)
        under = running[line.turn]
        replay, rows, error = under.replay, None, None
        try:
            rows = replay.step(self.source)
        except Exception as caught:  # noqa: BLE001 - a bug of ours, met by one replay: it must not meet it in every turn
            error, replay.ended = caught, True
        if replay.ended:
            del line.replays[replay.wanted.topic, replay.wanted.exact]
            self._count -= 1
            self.served += 1
            if not line.replays:
                del self.lines[address]
        if rows or replay.ended:
            under.told_at = now
            yield ReplayTurn(address, under.request, replay, rows, error)
        for one in running:
            if now - one.told_at >= PROGRESS_S and not one.replay.ended and one.replay.wanted.parts:
                one.told_at = now
                yield ReplayTurn(address, one.request, one.replay, [])

    def drop(self, address: bytes) -> None:
        """Forget those of a client that is gone."""
        line = self.lines.pop(address, None)
        if line is not None:
            self._count -= len(line.replays)
            self.abandoned += len(line.replays)


def _busy(what: str) -> ProtocolError:
    return ProtocolError("BUSY", f"{what} are under way, no more are taken; try again in a second")
