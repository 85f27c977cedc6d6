"""The broker's four sockets: made, and bound to a file for their owner, and to TCP for all other peers.

One socket is bound to both: libzmq keeps the options of each address as they are when it is bound. The file is for processes of
the broker's user: other users cannot enter its folder. With keys, TCP accepts only peers that prove to have an authorised one.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import zmq

from hulak.bus.errors import ConfigError
from hulak.bus.process.settings import BrokerSettings, loopback_endpoint
from hulak.bus.process.sockets import KEEPALIVE, LONGEST_IPC, ipc_path, ipv6, make

MOST_EVENT = 4096  # bytes from a subscriber: libzmq keeps 48 bytes for each before the broker sees a subscription
REBIND_TRIES, REBIND_S = 200, 0.005


def _broker_options(settings: BrokerSettings, name: str) -> dict[str, int | bytes]:
    common: dict[str, int | bytes] = {
        "maxmsgsize": settings.max_message_bytes,
        "handshake_ivl": int(settings.handshake_s * 1000),
        "ipv6": ipv6(getattr(settings, name)),
    }
    match name:
        case "collector":
            return {**common, "rcvhwm": settings.collector_hwm, "subscribe": b""}
        case "publisher":
            last_value = {"xpub_manual_last_value": 1, "sndhwm": settings.subscriber_hwm, "rcvhwm": 0}
            return {**common, **last_value, "maxmsgsize": MOST_EVENT}
        case _:
            return {**common, "rcvhwm": 10_000, "sndhwm": 10_000, "router_mandatory": 1}


class TcpEntry(msgspec.Struct, frozen=True):
    """The peers that may connect to the broker by TCP. Connections to the ipc files are the owner's, without a key.

    Without a secret key and not `open`, the TCP addresses are not bound.
    """

    secret: str = ""  # the broker's secret key in Z85: only peers with an authorised key
    open: bool = False  # every process that reaches the addresses, without a key

    def __repr__(self) -> str:
        """Show what it means."""
        return f"TcpEntry({'keys' if self.secret else 'open' if self.open else 'owner'})"


OPEN = TcpEntry(open=True)
ZAP_DOMAIN = b"hulak"
KINDS = {"collector": zmq.SUB, "publisher": zmq.XPUB, "frontend": zmq.ROUTER, "backend": zmq.ROUTER}


def bind(
    context: "zmq.Context[Any]",
    settings: BrokerSettings,
    home: Path,
    name: str,
    watch: Callable[["zmq.Socket[bytes]"], object],
    local: bool = True,
    entry: TcpEntry = OPEN,
) -> "zmq.Socket[bytes]":
    """Make and bind one of the broker's four sockets.

    Args:
        context: for the socket.
        settings: with its TCP address.
        home: with its ipc file.
        name: one of `NAMES`.
        watch: called with the socket before it is bound, to monitor it.
        local: bind the ipc file too; without it, local processes use the TCP address.
        entry: the peers that may connect by TCP.
    Raises:
        ConfigError: the address is in use or cannot be bound; or there is neither an ipc file nor a TCP address.
    """
    socket = make(context, KINDS[name], **_broker_options(settings, name))
    watch(socket)
    path, address = ipc_path(home, name), getattr(settings, name)
    why = f"its path has more than {LONGEST_IPC} bytes" if local else "too few files may be open (ulimit -n)"
    try:
        if path is not None and local:
            why = _bind_file(socket, path)
        if entry.open and not entry.secret:
            _refuse_beyond(name, address)
        if entry.secret or entry.open:
            bind_tcp(socket, address, entry)
        elif path is None or why:
            remedy = "choose a shorter --home" if path is None else "remedy that"
            raise ConfigError(
                f"the file {home / 'run' / name}.ipc cannot be bound: {why}; {remedy}, or make keys with `hulak key new` so that "
                "programs connect by TCP, or set security.loopback = 'open' if every user of this machine may use the broker"
            )
    except (zmq.ZMQError, OSError, ConfigError) as error:
        socket.disable_monitor()
        socket.close()
        if isinstance(error, ConfigError):
            raise
        hint = "is another broker running? see `hulak status`" if error.errno == zmq.EADDRINUSE else "choose another"
        raise ConfigError(f"setting broker.{name} = {address!r} cannot be bound: {error}; {hint}") from error
    return socket


def _refuse_beyond(name: str, address: str) -> None:
    """Refuse an address beyond the loopback without keys: a client's key in the settings permits such addresses to clients."""
    try:
        loopback_endpoint(address)
    except ValueError as error:
        raise ConfigError(f"setting broker.{name} = {address!r}: {error}") from None


def bind_tcp(socket: "zmq.Socket[bytes]", address: str, entry: TcpEntry) -> None:
    """Bind a socket of the broker to a TCP address too. libzmq keeps the options of each address as they are at this call."""
    if entry.secret:
        for name, value in KEEPALIVE.items():
            socket.setsockopt(getattr(zmq, name.upper()), value)
        socket.zap_domain = ZAP_DOMAIN
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without a handler no peer is let in
        socket.curve_server = 1
        socket.curve_secretkey = entry.secret.encode()
    socket.bind(address)


def rebind_tcp(socket: "zmq.Socket[bytes]", address: str, entry: TcpEntry) -> None:
    """Bind a socket's TCP address again, with another key; its connections by TCP end.

    Raises:
        ConfigError: the address cannot be bound again.
    """
    with contextlib.suppress(zmq.ZMQError):
        socket.unbind(address)
    error: zmq.ZMQError | None = None
    for _ in range(REBIND_TRIES):  # libzmq releases an address in its own thread
        try:
            bind_tcp(socket, address, entry)
        except zmq.ZMQError as failed:
            error = failed
            time.sleep(REBIND_S)
        else:
            return
    raise ConfigError(f"the address {address} could not be bound again: {error}")


def _bind_file(socket: "zmq.Socket[bytes]", path: Path) -> str:
    """Bind to a file; return why there is none: the disk is full or read-only, and local processes use the TCP address."""
    mask = os.umask(0o077)  # it is the owner's from the start
    try:
        socket.bind(f"ipc://{path}")
        path.chmod(0o600)
    except (zmq.ZMQError, OSError) as error:
        if error.errno != errno.ENOSPC and os.access(path.parent, os.W_OK):
            raise
        return str(error)
    finally:
        os.umask(mask)
    return ""
