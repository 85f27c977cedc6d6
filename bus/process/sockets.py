"""The only place that makes sockets and sets their options, all before bind or connect.

Every socket of the broker is bound twice: to `ipc://<home>/run/<name>.ipc` for local processes, which halves the tail latency,
and to TCP on the loopback for every other process. `endpoint` finds out which of the two to use.

`ZMQ_HEARTBEAT_IVL` is never set: libzmq 4.3.5 aborts the process when it meets a full queue (libzmq #4767).
"""

import contextlib
import errno
import os
import re
import socket as plain
import struct
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
from zmq.backend import Socket as Backend

from hulak.bus.errors import ConfigError
from hulak.bus.process.settings import BrokerSettings

NAMES = ("collector", "publisher", "frontend", "backend")
LONGEST_IPC = 107  # bytes of a path in sockaddr_un
MAX_SUBSCRIPTION = 1024  # bytes of one message from a subscriber
MOST_SOCKETS = 16_384  # of a process's context; libzmq's own limit is 1,023
MAX_PARTS = 64  # parts of a message kept; further parts are dropped: every dialect refuses a message of 64 parts
EVENT = struct.Struct("=Hi")  # a monitor's first frame: the event, and the descriptor
NOBLOCK = int(zmq.NOBLOCK)
MORE = NOBLOCK | int(zmq.SNDMORE)

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
    where: str,
    watch: Callable[["zmq.Socket[bytes]"], object] | None = None,
    **options: int | bytes,
) -> "zmq.Socket[bytes]":
    """Make a socket that is connected to one of the broker's sockets.

    Args:
        context: for the socket.
        kind: of the socket, e.g. `zmq.SUB`.
        where: the endpoint, as `endpoint` found it.
        watch: called with the socket before it is connected, to monitor it.
        options: see `make`.
    """
    socket = make(context, kind, ipv6=_ipv6(where), **options)
    if watch is not None:
        watch(socket)
    socket.connect(where)
    return socket


def connect_dealer(
    context: "zmq.Context[Any]",
    where: str,
    watch: Callable[["zmq.Socket[bytes]"], object] | None = None,
    *,
    sndhwm: int,
    rcvhwm: int,
    immediate: bool = True,
) -> "zmq.Socket[bytes]":
    """Make a DEALER that is connected to the broker's frontend or backend.

    Args:
        context: for the socket.
        where: the endpoint, as `endpoint` found it.
        watch: see `connect`.
        sndhwm: messages that wait to be sent, at most; 0: no limit.
        rcvhwm: messages that wait to be received, likewise.
        immediate: without a connection a send fails at once; else messages are queued until there is a broker.
    """
    return connect(context, zmq.DEALER, where, watch, immediate=int(immediate), sndhwm=sndhwm, rcvhwm=rcvhwm)


def _ipv6(address: str) -> int:
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


def close_with(owner: object, *owned: "zmq.Socket[bytes]") -> None:
    """Close these sockets when their owner is garbage-collected without having been closed.

    A context waits for its sockets when it is collected itself, and cannot find those that were collected with it.
    """
    weakref.finalize(owner, _close, owned).atexit = False


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


def ipc_path(home: Path, name: str) -> Path | None:
    """Return the path of one of the broker's ipc sockets; None where it is longer than a socket's path may be."""
    path = home.absolute() / "run" / f"{name}.ipc"
    return path if len(bytes(path)) <= LONGEST_IPC else None


def _broker_options(settings: BrokerSettings, name: str) -> dict[str, int | bytes]:
    common: dict[str, int | bytes] = {
        "maxmsgsize": settings.max_message_bytes,
        "handshake_ivl": int(settings.handshake_s * 1000),
        "ipv6": _ipv6(getattr(settings, name)),
    }
    match name:
        case "collector":
            return {**common, "rcvhwm": settings.collector_hwm, "subscribe": b""}
        case "publisher":
            last_value = {"xpub_manual_last_value": 1, "sndhwm": settings.subscriber_hwm, "rcvhwm": 0}
            return {**common, **last_value, "maxmsgsize": 2 << 20}
        case _:
            return {**common, "rcvhwm": 10_000, "sndhwm": 10_000, "router_mandatory": 1}


KINDS = {"collector": zmq.SUB, "publisher": zmq.XPUB, "frontend": zmq.ROUTER, "backend": zmq.ROUTER}


def bind(
    context: "zmq.Context[Any]",
    settings: BrokerSettings,
    home: Path,
    name: str,
    watch: Callable[["zmq.Socket[bytes]"], object],
    local: bool = True,
) -> "zmq.Socket[bytes]":
    """Make and bind one of the broker's four sockets.

    Args:
        context: for the socket.
        settings: with its TCP address.
        home: with its ipc file.
        name: one of `NAMES`.
        watch: called with the socket before it is bound, to monitor it.
        local: bind the ipc file too; without it, local processes use the TCP address.
    Raises:
        ConfigError: the address is in use or cannot be bound.
    """
    socket = make(context, KINDS[name], **_broker_options(settings, name))
    watch(socket)
    path, address = ipc_path(home, name), getattr(settings, name)
    try:
        if path is not None and local:
            _bind_file(socket, path)
        socket.bind(address)
    except (zmq.ZMQError, OSError) as error:
        socket.disable_monitor()
        socket.close()
        hint = "is another broker running? see `hulak status`" if error.errno == zmq.EADDRINUSE else "choose another"
        raise ConfigError(f"setting broker.{name} = {address!r} cannot be bound: {error}; {hint}") from error
    return socket


def _bind_file(socket: "zmq.Socket[bytes]", path: Path) -> None:
    """Bind to a file; on a full or read-only disk there is none, and local processes use the TCP address."""
    try:
        socket.bind(f"ipc://{path}")
        path.chmod(0o600)
    except (zmq.ZMQError, OSError) as error:
        if error.errno != errno.ENOSPC and os.access(path.parent, os.W_OK):
            raise


def endpoint(settings: BrokerSettings, home: Path, name: str) -> str | None:
    """Return where one of the broker's sockets can be reached now: by ipc if it listens there, else by TCP, else None."""
    path = ipc_path(home, name)
    if path is not None and _listens(plain.AF_UNIX, str(path)):
        return f"ipc://{path}"
    address: str = getattr(settings, name)
    match = re.fullmatch(r"tcp://\[?([^\]]+)\]?:(\d+)", address)
    family = plain.AF_INET6 if "[" in address else plain.AF_INET
    if match is not None and _listens(family, (match[1], int(match[2]))):
        return address
    return None


def _listens(family: int, address: Any) -> bool:
    with contextlib.closing(plain.socket(family, plain.SOCK_STREAM)) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(address)
        except OSError:
            return False
        return True


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
