"""The only place that makes sockets and sets their options, all before bind or connect.

Every socket of the broker is bound twice: to `ipc://<home>/run/<name>.ipc` for local processes, which halves the tail latency,
and to TCP for every other process; `endpoints.find` finds out which of the two to use. With a key, TCP is CURVE
(zmq_curve(7)): authenticated and encrypted.

`ZMQ_HEARTBEAT_IVL` is never set: libzmq 4.3.5 aborts the process when it meets a full queue (libzmq #4767).
"""

import contextlib
import ctypes
import os
import struct
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import zmq
from zmq.backend import Socket as Backend

from hulak.bus.process.key_files import ClientKey

NAMES = ("collector", "publisher", "frontend", "backend")
LONGEST_IPC = 107  # bytes of a path in sockaddr_un
MAX_SUBSCRIPTION = 1024  # bytes of one message from a subscriber
MOST_SOCKETS = 16_384  # of a process's context; libzmq's own limit is 1,023
MAX_PARTS = 64  # parts of a message kept; further parts are dropped: every dialect refuses a message of 64 parts
EVENT = struct.Struct("=Hi")  # a monitor's first frame: the event, and the descriptor
NOBLOCK = int(zmq.NOBLOCK)
MORE = NOBLOCK | int(zmq.SNDMORE)
NEXT_KEY_MS = 500  # between two tries with the key that the broker has after its rotation
# A connection to another machine whose peer is gone without a word ends after 25 s: without it, a subscriber waits without limit.
# `ZMQ_HEARTBEAT_IVL` would do it too, see above.
KEEPALIVE = {"tcp_keepalive": 1, "tcp_keepalive_idle": 10, "tcp_keepalive_intvl": 5, "tcp_keepalive_cnt": 3}

# pyzmq's wrapper costs more than libzmq for messages of this size: 4 us against 0.4 us for a call (measured).
receive_frame = Backend.recv
send_frame = Backend.send


_contexts: "dict[int, zmq.Context[zmq.Socket[bytes]]]" = {}  # by process id: a forked process makes a new one
_making = threading.Lock()


def process_context() -> "zmq.Context[zmq.Socket[bytes]]":
    """Return the context that all subscribers of this process share: one I/O thread wakes up for all of them.

    It is never terminated: a termination waits for every socket that is not closed.
    """
    pid = os.getpid()
    context = _contexts.get(pid)
    if context is None:
        with _making:
            context = _contexts.get(pid)
            if context is None:
                context = zmq.Context()
                context.set(zmq.MAX_SOCKETS, MOST_SOCKETS)
                _contexts[pid] = context
    return context


def _forget() -> None:
    """In the child of a fork: a thread of the parent may hold the lock."""
    global _making  # noqa: PLW0603 - see above
    _making = threading.Lock()


os.register_at_fork(after_in_child=_forget)


def randomize_identities(seed: int) -> None:
    """Let the identities that libzmq makes for the peers of a ROUTER begin at a random number; before the ROUTER is made.

    libzmq 4.3.5 takes it from rand(3), which it never seeds, so that they would be the same in each process. No peer should be
    able to foresee them.

    Args:
        seed: 32 random bits.
    """
    ctypes.CDLL(None).srand(ctypes.c_uint(seed))


class BrokerAddress(msgspec.Struct, frozen=True):
    """Where one of the broker's sockets can be reached, and the key to use there; None: none."""

    address: str
    key: ClientKey | None = None

    @property
    def is_local(self) -> bool:
        """Return whether it is a file of the broker's home."""
        return self.address.startswith("ipc:")

    def __str__(self) -> str:
        """Show the address."""
        return self.address


def make(context: "zmq.Context[Any]", kind: int, **options: int | bytes) -> "zmq.Socket[bytes]":
    """Make a socket with lingering off and the options given, by their pyzmq names in lower case."""
    socket: zmq.Socket[bytes] = context.socket(kind)
    socket.linger = 0
    if kind == zmq.SUB:
        socket.sndhwm = 0  # it sends subscriptions only: above the mark libzmq drops them without a sign
    for name, value in options.items():
        socket.setsockopt(getattr(zmq, name.upper()), value)
    return socket


def connect(
    context: "zmq.Context[Any]",
    kind: int,
    where: BrokerAddress,
    watch: Callable[["zmq.Socket[bytes]"], object] | None = None,
    **options: int | bytes,
) -> "zmq.Socket[bytes]":
    """Make a socket that is connected to one of the broker's sockets.

    Args:
        context: for the socket.
        kind: of the socket, e.g. `zmq.SUB`.
        where: the endpoint, as `endpoints.find` found it.
        watch: called with the socket before it is connected, to monitor it.
        options: see `make`.
    """
    key = where.key
    socket = make(context, kind, ipv6=ipv6(where.address), **options, **({} if key is None else KEEPALIVE))
    if watch is not None:
        watch(socket)
    if key is None:
        socket.connect(where.address)
        return socket
    _connect_with(socket, where.address, key)
    return socket


def _connect_with(socket: "zmq.Socket[bytes]", address: str, key: ClientKey) -> None:
    socket.curve_publickey, socket.curve_secretkey = key.public.encode(), key.secret.encode()
    socket.curve_serverkey = key.server.encode()
    socket.connect(address)
    if key.server_next:  # one of the two connections is made: libzmq uses the options as they are at the time of the call
        interval, socket.reconnect_ivl = socket.reconnect_ivl, NEXT_KEY_MS
        socket.curve_serverkey = key.server_next.encode()
        socket.connect(_once_more(address))
        socket.reconnect_ivl = interval


def _once_more(address: str) -> str:
    """Return another text for an address: a socket connects only once to the same text. It adds any source address."""
    source = "[::]:0" if "[" in address else "0.0.0.0:0"
    return address.replace("tcp://", f"tcp://{source};")


def connect_again(socket: "zmq.Socket[bytes]", where: BrokerAddress) -> None:
    """Connect a socket that has a key again, perhaps with another key: libzmq does not once the key was refused."""
    assert where.key is not None
    for address in (where.address, _once_more(where.address)):
        with contextlib.suppress(zmq.ZMQError):  # it was not connected to it
            socket.disconnect(address)
    _connect_with(socket, where.address, where.key)


def connect_dealer(
    context: "zmq.Context[Any]",
    where: BrokerAddress,
    watch: Callable[["zmq.Socket[bytes]"], object] | None = None,
    *,
    sndhwm: int,
    rcvhwm: int,
    immediate: bool = True,
) -> "zmq.Socket[bytes]":
    """Make a DEALER that is connected to the broker's frontend or backend.

    Args:
        context: for the socket.
        where: the endpoint, as `endpoints.find` found it.
        watch: see `connect`.
        sndhwm: messages that wait to be sent, at most; 0: no limit.
        rcvhwm: messages that wait to be received, likewise.
        immediate: without a connection a send fails at once; else messages are queued until there is a broker.
    """
    return connect(context, zmq.DEALER, where, watch, immediate=int(immediate), sndhwm=sndhwm, rcvhwm=rcvhwm)


def ipv6(address: str) -> int:
    """Return the value of IPV6 for an address: libzmq needs it for one in brackets, and without it names mean IPv4."""
    return int("[" in address)


def monitor(context: "zmq.Context[Any]", socket: "zmq.Socket[bytes]", events: int) -> "zmq.Socket[bytes]":
    """Make the reader of a socket's connection events (zmq_socket_monitor(3)); before the socket is bound or connected.

    Disable the socket's monitor before closing the reader, since libzmq's threads block without limit if there is no reader.
    """
    address = f"inproc://monitor-{id(socket)}-{time.monotonic_ns()}"
    socket.monitor(address, events)
    reader = make(context, zmq.PAIR, rcvhwm=0)  # no limit: libzmq's own threads would wait for room in it
    reader.connect(address)
    return reader


def close_with(owner: object, *owned: "zmq.Socket[bytes]") -> Callable[[], object]:
    """Close these sockets when their owner is garbage-collected without having been closed; returns what closes them now.

    A context waits for its sockets when it is collected itself, and cannot find those that were collected with it.
    """
    closing = weakref.finalize(owner, _close, owned)
    closing.atexit = False
    return closing


def _close(owned: tuple["zmq.Socket[bytes]", ...]) -> None:
    for socket in owned:
        if not socket.closed:
            socket.disable_monitor()
            socket.close(linger=0)


def next_event(reader: "zmq.Socket[bytes]") -> tuple[int, int]:
    """Receive an event from a monitor, and the descriptor of its connection.

    Raises:
        zmq.Again: there are no more.
    """
    event, descriptor = EVENT.unpack(receive_frame(reader, NOBLOCK))
    receive_frame(reader, NOBLOCK)  # the address: of the local socket, not of the peer
    return event, descriptor


def next_connection_event(reader: "zmq.Socket[bytes]") -> tuple[int, int, bytes]:
    """Receive an event from the monitor of a socket that connects; its value, and the address as it was given to `connect`.

    Raises:
        zmq.Again: there are no more.
    """
    event, value = EVENT.unpack(receive_frame(reader, NOBLOCK))
    return event, value, receive_frame(reader, NOBLOCK)


def ipc_path(home: Path, name: str) -> Path | None:
    """Return the path of one of the broker's ipc sockets; None where it is longer than a socket's path may be."""
    path = home.absolute() / "run" / f"{name}.ipc"
    return path if len(bytes(path)) <= LONGEST_IPC else None


def receive(socket: "zmq.Socket[bytes]") -> tuple[list[bytes], zmq.Frame]:
    """Receive one whole message of a ROUTER without waiting.

    Returns:
        the identity and the frames after it; and the last frame, which knows its connection.
    Raises:
        zmq.Again: there is no message.
    """
    identity = receive_frame(socket, NOBLOCK)
    frame = receive_frame(socket, NOBLOCK, False)  # False: as a Frame, which knows whether more frames follow
    if not frame.more:  # nearly always
        return [identity, frame.bytes], frame
    parts = [identity, frame.bytes]
    while frame.more:
        frame = receive_frame(socket, NOBLOCK, False)
        if len(parts) <= MAX_PARTS:
            parts.append(frame.bytes)
    return parts, frame


def send(socket: "zmq.Socket[bytes]", parts: list[bytes]) -> None:
    """Send a whole message, the identity first, to one peer of a ROUTER without waiting; an empty list sends nothing.

    Raises:
        zmq.ZMQError: the peer is gone (`EHOSTUNREACH`) or its queue is full (`EAGAIN`).
    """
    if len(parts) == 2:  # nearly always
        send_frame(socket, parts[0], MORE)
        send_frame(socket, parts[1], NOBLOCK)
        return
    for part in parts[:-1]:
        send_frame(socket, part, MORE)
    if parts:
        send_frame(socket, parts[-1], NOBLOCK)
