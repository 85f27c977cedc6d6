"""A NATS server under measurement, with JetStream: its folder, its process, its CPU time, and bare connections to it.

The connections speak NATS's text protocol themselves, so that no client library's cost or limit is in the figures.
"""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Self

from benchmarks import installed, machine
from benchmarks.machine import HOST
from benchmarks.system import BenchmarkError
from benchmarks.systems.nats import CONNECT

SERVER = "nats-server"
ANSWERS_S = 120.0
STREAM = "SCALE"
INBOX = b"_INBOX.scale"
TOGETHER = 500  # messages in one write, and acknowledgements that may be outstanding
Message = tuple[bytes, bytes]  # subject, body


def is_installed() -> bool:
    """Return whether there is a server to measure."""
    return installed.program(SERVER) is not None


class NatsServer:
    """A folder and, from `start` to `stop`, its server. JetStream's files are synced each second, like Hulak's journal.

    Args:
        folder: for the server's folder; on a real disk.
    """

    def __init__(self, folder: Path | None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hb-", dir=folder))
        (self.port,) = machine.free_ports(1)
        storage = f'jetstream {{\n  store_dir: "{self.home}"\n  sync_interval: "1s"\n  max_mem: 1GB\n  max_file: 64GB\n}}\n'
        (self.home / "nats.conf").write_text(f'listen: "{HOST}:{self.port}"\nmax_pending: 512MB\n{storage}')
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> float:
        """Start the server; returns its CPU seconds until it answers, with its stream if there is one."""
        words = [installed.program(SERVER) or SERVER, "-c", str(self.home / "nats.conf")]
        self.process = machine.start(words, self.home / "server.log")
        with self.connect() as connection:
            while "error" in connection.ask("$JS.API.INFO"):
                time.sleep(0.01)
        return self.cpu_s()

    def stop(self) -> None:
        """Stop the server if it runs."""
        if self.process is not None:
            machine.end(self.process, grace_s=30.0)
            self.process = None

    def cpu_s(self) -> float:
        """Return the server's CPU time of all threads, in seconds."""
        if self.process is None:
            raise BenchmarkError("no NATS server runs")
        return machine.cpu_clock_s(self.process.pid)

    def connect(self) -> "NatsConnection":
        """Connect."""
        return NatsConnection(self.port)


class NatsConnection:
    """A bare connection, with one inbox for replies.

    Args:
        port: of the server.
    """

    def __init__(self, port: int) -> None:
        self.socket = machine.connect_tcp(port)
        self.socket.settimeout(ANSWERS_S)
        self.data = b""
        self.socket.sendall(CONNECT + b"SUB %b 1\r\n" % INBOX)
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def subscribe(self, subject: bytes) -> None:
        """Subscribe, and wait until the server has taken the subscription."""
        self.socket.sendall(b"SUB %b 2\r\n" % subject)
        self.flush()

    def flush(self) -> None:
        """Wait until the server has handled everything that was sent."""
        self.socket.sendall(b"PING\r\n")
        self._until(b"PONG\r\n")

    def publish(self, messages: Iterable[Message]) -> None:
        """Publish without acknowledgements, which a stream may drop; returns when the server has received all."""
        for batch in _batches(messages):
            self.socket.sendall(b"".join([b"PUB %b %d\r\n%b\r\n" % (subject, len(body), body) for subject, body in batch]))
        self.flush()

    def publish_acknowledged(self, messages: Iterable[Message]) -> int:
        """Publish to a stream, `TOGETHER` at a time; returns the number of messages, each of which was acknowledged.

        Raises:
            BenchmarkError: the server refused one.
        """
        count = 0
        for batch in _batches(messages):
            lines = [b"PUB %b %b %d\r\n%b\r\n" % (subject, INBOX, len(body), body) for subject, body in batch]
            self.socket.sendall(b"".join(lines))
            acknowledged = 0
            while acknowledged < len(batch):
                *frames, self.data = (self.data + self._receive()).split(b"}\r\n")
                acknowledged += sum(b'"seq":' in frame for frame in frames)
                if any(b'"error":' in frame for frame in frames):
                    raise BenchmarkError(f"JetStream refused a message: {frames[0][:200]!r}")
            count += len(batch)
        return count

    def ask(self, subject: str, **request: Any) -> dict[str, Any]:
        """Send a request to JetStream, and return its answer."""
        body = json.dumps(request).encode() if request else b""
        self.socket.sendall(b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), INBOX, len(body), body))
        self._until(b"MSG %b 1 " % INBOX)
        size = int(self._until(b"\r\n"))
        while len(self.data) < size + 2:
            self.data += self._receive()
        answer, self.data = self.data[:size], self.data[size + 2 :]
        result: dict[str, Any] = json.loads(answer)
        return result

    def make_stream(self, subjects: str) -> None:
        """Make the stream of some subjects, in files, without bounds."""
        answer = self.ask(f"$JS.API.STREAM.CREATE.{STREAM}", name=STREAM, subjects=[subjects], storage="file", max_msgs=-1)
        if "error" in answer:
            raise BenchmarkError(f"JetStream made no stream: {answer['error']}")

    def received(self) -> bytes:
        """Return the bytes that have arrived, without waiting."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while data := self.socket.recv(1 << 20):
                self.data += data
        self.socket.settimeout(ANSWERS_S)
        return self.data

    def _receive(self) -> bytes:
        data = self.socket.recv(1 << 16)
        if not data:
            raise BenchmarkError("the NATS server closed a connection")
        return data

    def _until(self, mark: bytes) -> bytes:
        """Read up to a mark; return what was before it."""
        while mark not in self.data:
            self.data += self._receive()
        before, _, self.data = self.data.partition(mark)
        return before


def _batches(messages: Iterable[Message]) -> Iterator[list[Message]]:
    rest = iter(messages)
    while batch := list(islice(rest, TOGETHER)):
        yield batch
