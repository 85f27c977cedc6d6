"""The only place that makes sockets and sets their options; all of them before bind or connect.

Every socket of the broker is bound twice: to `ipc://<home>/run/<name>.ipc` for local processes, which have half the tail
latency that way, and to TCP on the loopback for everybody. `endpoint` finds out which of the two to take.

`ZMQ_HEARTBEAT_IVL` is never set: libzmq 4.3.5 aborts the process when it meets a full queue (libzmq #4767).
"""

import contextlib
import errno
import os
import re
import socket as plain
import struct
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
MAX_PARTS = 64  # parts of a message kept; what comes behind is dropped: one as long is refused in any dialect
EVENT = struct.Struct("=Hi")  # a monitor's first frame: what it was, and of which descriptor
NOBLOCK = int(zmq.NOBLOCK)
MORE = NOBLOCK | int(zmq.SNDMORE)

# The wrapper of pyzmq costs more than libzmq for messages of this size: 4 us against 0.4 us for a call (measured).
receive_frame = Backend.recv
send_frame = Backend.send


def make(context: "zmq.Context[Any]", kind: int, **options: int | bytes) -> "zmq.Socket[bytes]":
    """Make a socket with lingering off and the options given, by their pyzmq names in lower case."""
    socket: zmq.Socket[bytes] = context.socket(kind)
    socket.linger = 0
    if kind == zmq.SUB:
        socket.sndhwm = 0  # what it sends is its subscriptions: beyond the mark libzmq drops them, and tells nobody
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
    """Make a socket that is connected to one of the broker's.

    Args:
        context: of it.
        kind: of the socket, e.g. `zmq.SUB`.
        where: the endpoint, as `endpoint` found it.
        watch: given the socket before it is connected, to monitor it.
        options: as of `make`.
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
        context: of it.
        where: the endpoint, as `endpoint` found it.
        watch: as of `connect`.
        sndhwm: messages that wait to be sent, at most; 0 for any number.
        rcvhwm: messages that wait to be received, likewise.
        immediate: without a connection a send fails at once; else messages pile up for a broker to come.
    """
    return connect(context, zmq.DEALER, where, watch, immediate=int(immediate), sndhwm=sndhwm, rcvhwm=rcvhwm)


def _ipv6(address: str) -> int:
    """Give the value of IPV6 for an address: libzmq takes one in brackets only with it, and without it names mean IPv4."""
    return int("[" in address)


def monitor(context: "zmq.Context[Any]", socket: "zmq.Socket[bytes]", events: int) -> "zmq.Socket[bytes]":
    """Make the reader of what happens to a socket's connections (zmq_socket_monitor(3)); before the socket is bound or connected.

    The socket's monitor must be disabled before the reader is closed, since libzmq's threads wait for ever to tell nobody.
    """
    address = f"inproc://monitor-{id(socket)}-{time.monotonic_ns()}"
    socket.monitor(address, events)
    reader = make(context, zmq.PAIR, rcvhwm=0)  # no limit: libzmq's own threads would wait for room in it
    reader.connect(address)
    return reader


def close_with(owner: object, *owned: "zmq.Socket[bytes]") -> None:
    """Close these sockets when their owner is collected without having been closed.

    A context waits for its sockets when it is collected itself, and cannot find those that went together with it.
    """
    weakref.finalize(owner, _close, owned).atexit = False


def _close(owned: tuple["zmq.Socket[bytes]", ...]) -> None:
    for socket in owned:
        if not socket.closed:
            socket.disable_monitor()
            socket.close(linger=0)


def next_event(reader: "zmq.Socket[bytes]") -> tuple[int, int]:
    """Receive from a monitor what happened, and the descriptor that it happened to.

    Raises:
        zmq.Again: nothing more did.
    """
    event, descriptor = EVENT.unpack(receive_frame(reader, NOBLOCK))
    receive_frame(reader, NOBLOCK)  # the address: not the peer's but ours
    return event, descriptor


def ipc_path(home: Path, name: str) -> Path | None:
    """Name the file of one of the broker's sockets; None where the path is longer than a socket's may be."""
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
        context: of it.
        settings: with its address.
        home: with its file.
        name: of `NAMES`.
        watch: given the socket before it is bound, to monitor it.
        local: bind it to its file too; without one, local processes find the TCP address instead.
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
        hint = "is another broker running? `hulak status` tells" if error.errno == zmq.EADDRINUSE else "choose another"
        raise ConfigError(f"setting broker.{name} = {address!r} cannot be bound: {error}; {hint}") from error
    return socket


def _bind_file(socket: "zmq.Socket[bytes]", path: Path) -> None:
    """Bind to a file; on a disk that is full or read-only there is none, and local processes find the TCP address instead."""
    try:
        socket.bind(f"ipc://{path}")
        path.chmod(0o600)
    except (zmq.ZMQError, OSError) as error:
        if error.errno != errno.ENOSPC and os.access(path.parent, os.W_OK):
            raise


def endpoint(settings: BrokerSettings, home: Path, name: str) -> str | None:
    """Find where one of the broker's sockets can be reached now: by ipc if it listens there, else by TCP, else None."""
    path = ipc_path(home, name)
    if path is not None and _listens(plain.AF_UNIX, str(path)):
        return f"ipc://{path}"
    address: str = getattr(settings, name)
    found = re.fullmatch(r"tcp://\[?([^\]]+)\]?:(\d+)", address)
    family = plain.AF_INET6 if "[" in address else plain.AF_INET
    if found is not None and _listens(family, (found[1], int(found[2]))):
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
        the identity and what follows it; and the last frame, which knows the connection that it came by.
    Raises:
        zmq.Again: there is none.
    """
    identity = receive_frame(socket, NOBLOCK)
    frame = receive_frame(socket, NOBLOCK, False)  # False: as a Frame, which knows whether more follows
    if not frame.more:  # nearly always
        return [identity, frame.bytes], frame
    parts = [identity, frame.bytes]
    while frame.more:
        frame = receive_frame(socket, NOBLOCK, False)
        if len(parts) <= MAX_PARTS:
            parts.append(frame.bytes)
    return parts, frame


def send(socket: "zmq.Socket[bytes]", parts: list[bytes]) -> None:
    """Send a whole message, the identity first, to one peer of a ROUTER without waiting; no parts are no message.

    Raises:
        zmq.ZMQError: the peer is gone (`EHOSTUNREACH`) or takes nothing more (`EAGAIN`).
    """
    if len(parts) == 2:  # nearly always
        send_frame(socket, parts[0], MORE)
        send_frame(socket, parts[1], NOBLOCK)
        return
    for part in parts[:-1]:
        send_frame(socket, part, MORE)
    if parts:
        send_frame(socket, parts[-1], NOBLOCK)
