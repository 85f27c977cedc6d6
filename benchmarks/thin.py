"""Consumers on plain sockets that implement a minimum of a wire protocol and read fixed offsets.

They exclude the client library from the measurement, so that the brokers can be compared.
"""

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence

from benchmarks import machine
from benchmarks.board import STOP, Board
from benchmarks.recorder import Recorder
from benchmarks.system import SETTLES_S, WAKE_S, BenchmarkError

READ = 262_144  # bytes of one read
Parse = Callable[[Recorder, bytes], bytes]  # removes whole messages from the front, returns the rest


def consume(connect: Callable[[], socket.socket], parse: Parse, recorders: Sequence[Recorder], board: Board) -> None:
    """Run one connection for each recorder until the board's stop flag is set."""
    poll, connections = select.epoll(), {}
    for recorder in recorders:
        connection = connect()
        connection.setblocking(False)
        connections[connection.fileno()] = connection, recorder
        poll.register(connection.fileno(), select.EPOLLIN)
        recorder.ready()
    rest = dict.fromkeys(connections, b"")
    while not board.slots[STOP]:
        for fd, _ in poll.poll(WAKE_S):
            connection, recorder = connections[fd]
            data = connection.recv(READ)
            if not data:  # the publisher has closed; if too early, ticks are missing
                poll.unregister(fd)
                continue
            rest[fd] = parse(recorder, rest[fd] + data)
            recorder.progress()


def fixed(head: bytes, at: int, length: int, odd: Callable[[bytes], bytes] | None = None) -> Parse:
    """Return a parser for messages of one length.

    Args:
        head: the first bytes of each.
        at: offset of the tick in a message.
        length: of a message.
        odd: removes other messages (of the server itself) from the data; None: there are none.
    """

    def parse(recorder: Recorder, data: bytes) -> bytes:
        count = len(data) // length
        last = (count - 1) * length
        if not data.startswith(head) or (count and data[last : last + len(head)] != head):
            if odd is None:
                if len(data) < len(head):
                    return data
                raise BenchmarkError(f"unexpected bytes {data[:60]!r}")
            data = odd(data)
            count = len(data) // length
        if count:
            recorder.record_packed(data, at, count, length)
        return data[count * length :]

    return parse


def frames(take: Callable[[Recorder, memoryview], None]) -> Parse:
    """Return a parser for ZMTP messages of one frame and any length; `take` is called with each."""

    def parse(recorder: Recorder, data: bytes) -> bytes:
        view, at, end = memoryview(data), 0, len(data)
        while end - at >= 9:
            if data[at] & 2:
                length, header = int.from_bytes(view[at + 1 : at + 9], "big"), 9
            else:
                length, header = data[at + 1], 2
            if end - at < header + length:
                break
            take(recorder, view[at + header : at + header + length])
            at += header + length
        return data[at:]

    return parse


def connect_zmtp(endpoint: str, kind: bytes, topics: Sequence[bytes] = ()) -> socket.socket:
    """Connect with a ZMTP 3.0 handshake without security, as a peer of type `kind`, and subscribe."""
    connection = _connect(endpoint)
    connection.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
    _exactly(connection, 64)
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    connection.sendall(b"\x04" + bytes([len(ready)]) + ready)
    _exactly(connection, _exactly(connection, 2)[1])
    connection.sendall(b"".join(b"\x00" + bytes([len(topic) + 1]) + b"\x01" + topic for topic in topics))
    return connection


def frame(body: bytes) -> bytes:
    """Return a ZMTP message of one frame below 256 bytes, with its header."""
    return bytes((0, len(body))) + body


def _connect(endpoint: str) -> socket.socket:
    if not endpoint.startswith("ipc://"):
        return machine.connect_tcp(int(endpoint.rsplit(":", 1)[1]))
    deadline = time.monotonic() + SETTLES_S
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(endpoint.removeprefix("ipc://"))
        except OSError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return connection


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise BenchmarkError("closed in the handshake")
        data += more
    return data
