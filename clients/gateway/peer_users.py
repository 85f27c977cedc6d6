"""The user of a connection on the loopback: the kernel has the user id of the socket at the other end.

It is requested by NETLINK_SOCK_DIAG (sock_diag(7)), or where that is refused, read from /proc/net/tcp and tcp6. A socket that its
program has closed has no user: the kernel reports it with user id 0, that of root, and inode 0. So an inode of 0 is no answer.
"""

import contextlib
import ipaddress
import os
import socket
import struct
from pathlib import Path

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
LISTEN = 10  # a state of TCP; include/net/tcp_states.h
ALL_STATES = 0xFFFFFFFF
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port id
REQUEST = struct.Struct("=BBBxI")  # struct inet_diag_req_v2 before its id: family, protocol, extensions, states
SOCKET_ID = struct.Struct("!HH16s16s12s")  # struct inet_diag_sockid: ports, addresses; interface and cookie
ANY_SOCKET = bytes(4) + b"\xff" * 8  # no interface, INET_DIAG_NOCOOKIE
ANSWER = struct.Struct("=BBBB48sIIIII")  # struct inet_diag_msg: family, state, .., id, expires, queues, uid, inode
PLACES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))

Address = tuple[str, int]  # numeric address, port
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class PeerUsers:
    """Asks the kernel about connections of this machine. Not thread-safe."""

    def __init__(self) -> None:
        self._netlink: socket.socket | None = None
        self._sequence = 0
        with contextlib.suppress(OSError, AttributeError):  # refused in some containers
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
            self._netlink.settimeout(1.0)

    def user_of(self, peer: Address, local: Address) -> int | None:
        """Return the user id of the program that has one end of a connection; None if no program has it, or it is unknown.

        Args:
            peer: address and port of that end.
            local: address and port of the other end.
        """
        if self._netlink is not None:
            with contextlib.suppress(OSError):
                return self._ask(self._netlink, peer, local)
            self.close()  # the kernel has no sock_diag for TCP
        return _listed(peer, local)

    def close(self) -> None:
        """Close the socket; `user_of` then reads /proc."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _ask(self, netlink: socket.socket, peer: Address, local: Address) -> int | None:
        """Ask by netlink. Raises OSError if the kernel cannot tell."""
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        source, target = (ipaddress.ip_address(end[0].partition("%")[0]) for end in (peer, local))
        family = socket.AF_INET if source.version == 4 else socket.AF_INET6
        wanted = SOCKET_ID.pack(peer[1], local[1], source.packed, target.packed, ANY_SOCKET)
        body = REQUEST.pack(family, socket.IPPROTO_TCP, 0, ALL_STATES) + wanted
        netlink.send(HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, self._sequence, 0) + body)
        while True:
            reply = netlink.recv(4096)
            _, kind, _, sequence, _ = HEADER.unpack_from(reply)
            if sequence == self._sequence:
                break  # an earlier one is the answer to a request that timed out
        if kind != SOCK_DIAG_BY_FAMILY:  # an error: ENOENT means that there is no such socket
            (error,) = struct.unpack_from("=i", reply, HEADER.size)
            if -error == 2:
                return None
            raise OSError(-error, os.strerror(-error))
        socket_family, state, _, _, socket_id, _, _, _, user, inode = ANSWER.unpack_from(reply, HEADER.size)
        # Where there is no connection, the kernel finds a listener at the port of the peer.
        is_it = state != LISTEN and _ends(socket_family, socket_id) == ((source, peer[1]), (target, local[1]))
        return user if is_it and inode else None


def _ends(family: int, socket_id: bytes) -> tuple[tuple[IpAddress, int], tuple[IpAddress, int]]:
    """Return both ends of a socket; an IPv6 socket may have a connection of IPv4."""
    source_port, target_port, source, target, _ = SOCKET_ID.unpack(socket_id)
    return (_address(family, source), source_port), (_address(family, target), target_port)


def _address(family: int, packed: bytes) -> IpAddress:
    if family == socket.AF_INET:
        return ipaddress.IPv4Address(packed[:4])
    address = ipaddress.IPv6Address(packed)
    return address.ipv4_mapped or address


def _listed(peer: Address, local: Address) -> int | None:
    """Read the kernel's tables of connections; they are as long as this machine has connections."""
    wanted = {(_hex(peer, mapped=mapped), _hex(local, mapped=mapped)) for mapped in (False, True)}
    for place in PLACES:
        with contextlib.suppress(OSError), place.open(encoding="ascii") as lines:
            for line in lines:
                fields = line.split()
                if (fields[1], fields[2]) in wanted:
                    return int(fields[7]) if int(fields[9]) else None
    return None


def _hex(end: Address, *, mapped: bool) -> str:
    """Return an address as /proc/net writes it: words in the machine's order; `mapped` as that of an IPv6 socket."""
    packed = ipaddress.ip_address(end[0].partition("%")[0]).packed
    if mapped and len(packed) == 4:
        packed = bytes(10) + b"\xff\xff" + packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return f"{''.join(f'{word:08X}' for word in words)}:{end[1]:04X}"
