"""What a system under test must be able to do, and the publishers and consumers that several of them share."""

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

HWM = 200_000  # messages queued for a ZeroMQ socket: far above the credit window, so that nothing is dropped by it
SETTLES_S = 20.0  # limit of each wait for a connection
WAKE_S = 0.05  # a consumer's longest wait; after each, it looks whether it is to stop


class BenchmarkError(Exception):
    """A cell could not be measured; the text tells why."""


@dataclass(frozen=True)
class Place:
    """Where one cell happens; made once, handed to every process of it."""

    folder: str  # on a real disk; short, since ipc sockets lie in it
    ports: tuple[int, ...]  # four that were free

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Choose ports for a folder."""
        return cls(str(folder), tuple(machine.free_ports(4)))

    def told(self) -> dict[str, object]:
        """Return what another process needs to have the same place."""
        return asdict(self)


class Publisher(Protocol):
    """Posts ticks. Made in the publisher's process."""

    def send(self, number: int) -> None:
        """Make and post the tick of that number; it may wait for `flush`."""

    def flush(self) -> None:
        """Send what waits."""

    def close(self) -> None:
        """Send what waits and end."""


class Started:
    """A system's processes: what is started for it, and ended with it.

    Args:
        place: of the cell.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.processes: list[subprocess.Popen[bytes]] = []

    def missing(self) -> str | None:
        """Say why this system cannot run on this machine; None if it can."""
        return None

    def start(self) -> None:
        """Start the broker's processes, and wait until they serve."""

    def stop(self) -> None:
        """End them, the last one first."""
        for process in reversed(self.processes):
            machine.end(process)

    def spawn(self, words: Sequence[str], variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process of the broker's; it is measured as part of it."""
        log = Path(self.place.folder) / f"broker{len(self.processes)}.log"
        process = machine.start(words, log, variables)
        self.processes.append(process)
        return process

    def spawn_python(self, module: str, *words: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a module as a process of the broker's."""
        return self.spawn([sys.executable, "-m", module, *words], variables)


class System(Started, abc.ABC):
    """One way from a publisher to consumers."""

    @abc.abstractmethod
    def publisher(self) -> Publisher:
        """Connect a publisher."""

    @abc.abstractmethod
    def consume(self, recorders: Sequence[Recorder], board: Board) -> None:
        """Be these consumers, in one process, until the board says stop."""


class ThinPublisher:
    """A publisher without a client library: what is posted until `flush`, or 32 ticks, leaves in one write.

    Args:
        connection: past its handshake.
        frame: makes the wire's bytes of tick `number`, whose topic and packed body are given.
        answered: the peer answers, and the answers must be read.
    """

    BURST = 32

    def __init__(self, connection: socket.socket, frame: Callable[[int, bytes, bytes], bytes], *, answered: bool = False) -> None:
        self.connection = connection
        self.frame = frame
        self.answered = answered
        self.waiting: list[bytes] = []

    def send(self, number: int) -> None:
        """Keep a tick for the next write."""
        self.waiting.append(self.frame(number, tick.TOPICS[number % tick.KINDS], tick.encode(number)))
        if len(self.waiting) >= self.BURST:
            self.flush()

    def flush(self) -> None:
        """Write."""
        if self.waiting:
            self.connection.sendall(b"".join(self.waiting))
            self.waiting.clear()
        if self.answered:
            try:
                self.connection.recv(65_536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def close(self) -> None:
        """Write the rest and end."""
        self.flush()
        self.connection.close()
