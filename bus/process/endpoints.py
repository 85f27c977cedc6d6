"""Finding the broker, and why a connection with keys is not made.

Without a key it is found by the ipc files of its home, which its owner alone can use; by TCP only with `[security] loopback =
"open"`, since any user of this machine could listen there. With a key it is always TCP, also on the broker's own machine, so that
the roles of the key hold.
"""

import contextlib
import re
import socket as plain
import time
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.errors import HandshakeFailed
from hulak.bus.process import key_files, sockets
from hulak.bus.process.connection_events import CONNECTED, FAILED, UNANSWERED
from hulak.bus.process.key_files import ClientKey
from hulak.bus.process.settings import Settings
from hulak.bus.process.sockets import BrokerAddress

ADDRESS = re.compile(r"tcp://\[?([^\]]+)\]?:(\d+)")
PEERS = {"collector": zmq.PUB, "publisher": zmq.SUB, "frontend": zmq.DEALER, "backend": zmq.DEALER}
REACH_S = 0.5  # for a connection without a key, on this machine
HANDSHAKE_S = 2.5  # with a key: five ways over a network
QUICK_S = 1.0  # a broker that has another key breaks off at once; a broker that cannot decide now, after its [broker] handshake_s
UNREACHED = int(zmq.EVENT_CLOSED) | int(zmq.EVENT_CONNECT_RETRIED)
WITHOUT_KEYS = 0x11000002  # ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
FORGED = 0x11000001  # ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC
DENIED = 400  # of ZAP: no; 300 and 500: it could not be decided
# ZMTP 3.1 (RFC 37): the first bytes of a greeting, which libzmq answers with its whole one: signature, version 3.1. After the
# whole greeting of another mechanism it closes the connection, perhaps before its own has left.
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01"
MECHANISM = slice(12, 32)


def find(settings: Settings, home: Path, name: str) -> BrokerAddress | None:
    """Return where one of the broker's sockets can be reached now; None: nowhere.

    Args:
        settings: the broker's addresses, and the file of the key if one is used.
        home: the broker's folder.
        name: one of `sockets.NAMES`.
    Raises:
        HandshakeFailed: a broker is there, and it and this client do not accept each other's keys.
        ConfigError: the file of the key cannot be read.
    """
    address: str = getattr(settings.broker, name)
    if settings.security.key is not None:
        return _find_with(key_files.read_client_key(settings.security.key), settings.security.key, address, PEERS[name])
    local = _local(home, name)
    if local is not None:
        return local
    mechanism = mechanism_at(address)
    if mechanism == "CURVE":
        if key_files.broker_path(home).exists():  # this user's own broker, which is starting or stopping
            return _local(home, name)
        raise HandshakeFailed(
            "KEY_NEEDED",
            f"the broker at {address} accepts only clients with a key: name its file by HULAK_KEY or the setting security.key; "
            "`hulak key new NAME` on the broker's machine makes one",
        )
    return None if mechanism is None or settings.security.loopback == "owner" else BrokerAddress(address)


def expected(settings: Settings, home: Path, name: str) -> str:
    """Return where one of the broker's sockets is to be found, for people: an address, or the path of its ipc file."""
    path, address = sockets.ipc_path(home, name), str(getattr(settings.broker, name))
    if settings.security.key is not None:
        return f"{address} (with the key of {settings.security.key})"
    return address if settings.security.loopback == "open" or path is None else str(path)


def _local(home: Path, name: str) -> BrokerAddress | None:
    path = sockets.ipc_path(home, name)
    return BrokerAddress(f"ipc://{path}") if path is not None and _listens(str(path)) else None


def _listens(path: str) -> bool:
    with contextlib.closing(plain.socket(plain.AF_UNIX, plain.SOCK_STREAM)) as probe:
        probe.settimeout(REACH_S)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def mechanism_at(address: str) -> str | None:
    """Return the security mechanism of the ZeroMQ socket at a TCP address: "NULL", "CURVE".

    Returns:
        "" for a peer that accepts the connection, and sends nothing that ZeroMQ would; None if no program listens there.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        return None
    family = plain.AF_INET6 if "[" in address else plain.AF_INET
    received = b""
    with contextlib.closing(plain.socket(family, plain.SOCK_STREAM)) as probe:
        probe.settimeout(REACH_S)
        try:
            probe.connect((match[1], int(match[2])))
            # To a free port of those that the system gives to clients, a socket may connect to itself.
            if probe.getsockname() == probe.getpeername():
                return None
        except OSError:
            return None
        with contextlib.suppress(OSError):
            probe.sendall(GREETING)
            while len(received) < MECHANISM.stop and (more := probe.recv(64)):
                received += more
    return received[MECHANISM].rstrip(b"\0").decode("ascii", "replace") if received[:1] == b"\xff" else ""


# With a key


def _find_with(key: ClientKey, file: Path, address: str, kind: int) -> BrokerAddress | None:
    refused = None
    for server in (key.server, *([key.server_next] if key.server_next else [])):
        began = time.monotonic()
        event, value = _shake_hands(address, key, server, kind)
        if event == CONNECTED:
            return BrokerAddress(address, key)
        if event == UNANSWERED and time.monotonic() - began > QUICK_S:
            continue
        refused = _reason(address, key, file, event, value) or refused
        if refused is not None and refused.code != "WRONG_SERVER_KEY":
            break
    if refused is not None:
        raise refused
    return None


def _shake_hands(address: str, key: ClientKey, server: str, kind: int) -> tuple[int, int]:
    """Connect once; return the event that decided it and its value, 0 if the time was over."""
    context = sockets.process_context()
    readers: list[Any] = []
    only = BrokerAddress(address, ClientKey(name=key.name, public=key.public, secret=key.secret, server=server))

    def watch(socket: "zmq.Socket[bytes]") -> None:
        readers.append(sockets.monitor(context, socket, CONNECTED | FAILED | UNREACHED))

    socket = sockets.connect(context, kind, only, watch)
    reader = readers[0]
    deadline = time.monotonic() + HANDSHAKE_S
    try:
        while (left_s := deadline - time.monotonic()) > 0:
            if reader.poll(int(left_s * 1000) + 1):
                event, value, _ = sockets.next_connection_event(reader)
                return event, value
        return 0, 0
    finally:
        socket.disable_monitor()
        socket.close(linger=0)
        reader.close(linger=0)


def _reason(address: str, key: ClientKey, file: Path, event: int, value: int) -> HandshakeFailed | None:
    """Return why a handshake failed; None if there is no broker, or it cannot decide now."""
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        if value != DENIED:
            return None
        text = f"the broker at {address} does not accept the key {key.name!r} of {file}"
        return HandshakeFailed(
            "UNKNOWN_KEY", f"{text}: it was not authorised, was revoked or has expired; see `hulak key list` there"
        )
    broken_off = event == UNANSWERED  # by the peer, which said nothing
    if not (broken_off or event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL):
        return None
    mechanism = mechanism_at(address) if broken_off else ""
    if mechanism == "NULL" or (not broken_off and value == WITHOUT_KEYS):
        text = f"the peer at {address} takes no keys, so its identity cannot be checked; nothing was sent to it"
        return HandshakeFailed("NO_KEYS", f"{text}: the broker has no keys (`hulak key new NAME` there), or it is no broker")
    if mechanism == "CURVE" or (not broken_off and value == FORGED):
        text = f"the broker at {address} has another key than the one in {file}, server = {key.server!r}"
        return HandshakeFailed(
            "WRONG_SERVER_KEY", f"{text}: it was changed, or another broker is there; `hulak key show` on its machine"
        )
    return None
