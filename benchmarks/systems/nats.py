"""NATS: nats-server, with nats-py on uvloop, or plain sockets."""

import asyncio
import importlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import installed, machine, thin, tick
from benchmarks.board import STOP, Board
from benchmarks.machine import HOST
from benchmarks.recorder import Recorder
from benchmarks.system import BenchmarkError, Place, Publisher, System, ThinPublisher
from hulak.bus.wire.codec import unpack

SERVER = "nats-server"
CLIENT = ("nats", "uvloop")
NO_LIMIT: dict[str, int] = {"pending_msgs_limit": 10**7, "pending_bytes_limit": 1 << 30}  # in place of the client's own
HEAD = b"MSG tick."
FIRST_ID = 10  # of a subscription; all have two digits, so that all messages have the same length
AT = len(b"MSG %b %d %d\r\n" % (tick.TOPICS[0], FIRST_ID, tick.SIZE))
Take = Callable[[Any], Awaitable[None]]  # called with each message
CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"lang":"python","version":"1"}\r\n'


class NatsPublisher:
    """nats-py; buffered ticks are published in one turn of its loop."""

    def __init__(self, port: int, trusted: Path | None = None) -> None:
        self.loop: Any = importlib.import_module("uvloop").new_event_loop()
        self.client: Any = self.loop.run_until_complete(connect(port, trusted))
        self.topics = [topic.decode() for topic in tick.TOPICS]
        self.buffered: list[tuple[str, bytes]] = []

    def send(self, number: int) -> None:
        """Buffer a tick for the next turn."""
        self.buffered.append((self.topics[number % tick.KINDS], tick.encode(number)))

    def flush(self) -> None:
        """Publish the buffered ticks, and let the client write."""
        if self.buffered:
            self.loop.run_until_complete(self._publish())
            self.buffered.clear()

    async def _publish(self) -> None:
        for topic, body in self.buffered:
            await self.client.publish(topic, body)
        await self._write()

    async def _write(self) -> None:
        await self.client._flush_pending()  # noqa: SLF001 - flush() would wait for a round trip
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def close(self) -> None:
        """Close the connection."""
        self.flush()
        self.loop.run_until_complete(self.client.close())


class Nats(System):
    """A separate server, without limits on slow subscribers.

    Args:
        place: of the cell.
        is_thin: publisher and consumers on plain sockets.
        tls: with a certificate that clients verify; not for plain sockets.
    """

    def __init__(self, place: Place, *, is_thin: bool = False, tls: bool = False) -> None:
        super().__init__(place)
        self.is_thin = is_thin
        self.certificate = Path(place.folder) / "nats.crt" if tls else None

    def missing(self) -> str | None:
        """Return what is not installed; None if nothing is missing."""
        if self.certificate is not None and shutil.which("openssl") is None:
            return "openssl is not installed, which makes the certificate"
        return installed.missing(SERVER, () if self.is_thin else CLIENT)

    def start(self) -> None:
        """Start the server."""
        file = Path(self.place.folder) / "nats.conf"
        file.write_text(self.configuration() + self._tls())
        self.spawn([installed.program(SERVER) or SERVER, "-c", str(file)])
        machine.connect_tcp(self.place.ports[0]).close()

    def configuration(self) -> str:
        """Return the text of the server's file."""
        return f'listen: "{HOST}:{self.place.ports[0]}"\nmax_pending: 512MB\nwrite_deadline: "60s"\n'

    def _tls(self) -> str:
        """Make a certificate of this machine; returns its part of the server's file."""
        if self.certificate is None:
            return ""
        key = self.certificate.with_suffix(".pem")
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        words += ["-subj", "/CN=benchmark", "-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(key)]
        words = [shutil.which("openssl") or "openssl", *words, "-out", str(self.certificate)]
        made = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 - nothing in it comes from outside
        if made.returncode:
            raise BenchmarkError(f"openssl made no certificate: {made.stderr.decode()[-300:]}")
        return f'tls {{ cert_file: "{self.certificate}", key_file: "{key}" }}\n'

    def publisher(self) -> Publisher:
        """Connect a client."""
        if not self.is_thin:
            return NatsPublisher(self.place.ports[0], self.certificate)
        connection = self._greeted(b"PING\r\n")

        def frame(_: int, topic: bytes, body: bytes) -> bytes:
            return b"PUB %b %d\r\n%b\r\n" % (topic, len(body), body)

        return ThinPublisher(connection, frame, answered=True)

    def consume(self, recorders: Sequence[Recorder], board: Board) -> None:
        """Subscribe to all symbols: with nats-py by one subscription, since several would not keep the order; else one each."""
        if not self.is_thin:
            importlib.import_module("uvloop").run(self._consume_client(recorders, board))
            return
        parse = thin.fixed(HEAD, AT, AT + tick.SIZE + 2, _without_server_messages)
        thin.consume(self._subscribed, parse, recorders, board)

    def _greeted(self, more: bytes) -> socket.socket:
        connection = machine.connect_tcp(self.place.ports[0])
        data = b""
        while b"\r\n" not in data:
            data += connection.recv(65_536)
        connection.sendall(CONNECT + more)
        return connection

    def _subscribed(self) -> socket.socket:
        topics = [b"SUB %b %d\r\n" % (topic, FIRST_ID + at) for at, topic in enumerate(tick.TOPICS)]
        connection, data = self._greeted(b"".join(topics) + b"PING\r\n"), b""
        while not data.endswith(b"PONG\r\n"):
            data += connection.recv(65_536)
        return connection

    async def _consume_client(self, recorders: Sequence[Recorder], board: Board) -> None:
        for recorder in recorders:
            client = await connect(self.place.ports[0], self.certificate)
            await self.subscribe(client, _record(recorder))
            await client.flush()
            recorder.ready()
        while not board.slots[STOP]:  # noqa: ASYNC110 - as the comment says
            await asyncio.sleep(0.02)  # the board is shared memory without notifications

    async def subscribe(self, client: Any, take: Take) -> None:
        """Subscribe to all symbols."""
        await client.subscribe("tick.*", cb=take, **NO_LIMIT)


async def connect(port: int, trusted: Path | None = None) -> Any:
    """Connect nats-py to a server on this machine; with TLS if a certificate is to be trusted."""
    context = None if trusted is None else ssl.create_default_context(cafile=str(trusted))
    scheme = "nats" if context is None else "tls"
    return await importlib.import_module("nats").connect(f"{scheme}://{HOST}:{port}", tls=context)


def _record(recorder: Recorder) -> Take:
    async def record(message: Any) -> None:
        recorder.record(unpack(message.data))
        recorder.progress()

    return record


def _without_server_messages(data: bytes) -> bytes:
    """Remove the server's occasional PING and INFO; a PONG is not due within a cell's time."""
    data = data.replace(b"PING\r\n", b"").replace(b"PONG\r\n", b"")
    at = data.find(b"INFO {")
    return data if at < 0 else data[:at] + data[data.index(b"\r\n", at) + 2 :]
