"""The interface of a system under test, and the publishers and consumers that several of them share."""

import abc
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, Self

from benchmarks import machine, tick
from benchmarks.board import Board
from benchmarks.recorder import Recorder

HWM = 200_000  # messages queued per ZeroMQ socket: far above the window, so that the queue drops nothing
SETTLES_S = 20.0  # limit for each connection
WAKE_S = 0.05  # a consumer's longest wait; after each, it checks whether to stop


class BenchmarkError(Exception):
    """A cell could not be measured; the text has the reason."""


@dataclass(frozen=True)
class Place:
    """The folder and ports of one cell; made once, passed to each of its processes."""

    folder: str  # on a real disk; short, since it holds ipc sockets
    ports: tuple[int, ...]  # four free ones

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Return a place with free ports for a folder."""
        return cls(str(folder), tuple(machine.free_ports(4)))

    def as_dict(self) -> dict[str, object]:
        """Return the place as a dictionary, for another process."""
        return asdict(self)


class Publisher(Protocol):
    """Posts ticks. Created in the publisher process."""

    def send(self, number: int) -> None:
        """Make and post tick `number`; it may be buffered until `flush`."""

    def flush(self) -> None:
        """Send the buffered ticks."""

    def close(self) -> None:
        """Send the buffered ticks and close."""


class Started:
    """The processes of a system, which are stopped with it.

    Args:
        place: of the cell.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.processes: list[subprocess.Popen[bytes]] = []

    def missing(self) -> str | None:
        """Return why this system cannot run on this machine; None if it can."""
        return None

    def start(self) -> None:
        """Start the broker's processes, and wait until they are ready."""

    def stop(self) -> None:
        """Stop the processes, the last one first."""
        for process in reversed(self.processes):
            machine.end(process)

    def spawn(self, words: Sequence[str], variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process of the broker; it is measured as part of it."""
        log = Path(self.place.folder) / f"broker{len(self.processes)}.log"
        process = machine.start(words, log, variables)
        self.processes.append(process)
        return process

    def spawn_python(self, module: str, *words: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a Python module as a process of the broker."""
        return self.spawn([sys.executable, "-m", module, *words], variables)


class System(Started, abc.ABC):
    """A system that carries ticks from a publisher to consumers."""

    @abc.abstractmethod
    def publisher(self) -> Publisher:
        """Connect a publisher."""

    @abc.abstractmethod
    def consume(self, recorders: Sequence[Recorder], board: Board) -> None:
        """Run these consumers in one process until the board's stop flag is set."""


class ThinPublisher:
    """A publisher without a client library: ticks until `flush`, at most 32, are sent in one write.

    Args:
        connection: after its handshake.
        frame: returns the wire's bytes of tick `number`, from its topic and packed body.
        answered: the peer sends answers, which must be read.
    """

    BURST = 32

    def __init__(self, connection: socket.socket, frame: Callable[[int, bytes, bytes], bytes], *, answered: bool = False) -> None:
        self.connection = connection
        self.frame = frame
        self.answered = answered
        self.buffered: list[bytes] = []

    def send(self, number: int) -> None:
        """Buffer a tick for the next write."""
        self.buffered.append(self.frame(number, tick.TOPICS[number % tick.KINDS], tick.encode(number)))
        if len(self.buffered) >= self.BURST:
            self.flush()

    def flush(self) -> None:
        """Send the buffered ticks."""
        if self.buffered:
            self.connection.sendall(b"".join(self.buffered))
            self.buffered.clear()
        if self.answered:
            try:
                self.connection.recv(65_536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def close(self) -> None:
        """Send the buffered ticks and close."""
        self.flush()
        self.connection.close()
