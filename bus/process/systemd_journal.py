"""The native protocol of systemd's journal: a datagram of fields for each event, https://systemd.io/JOURNAL_NATIVE_PROTOCOL/.

Standard error of a process reaches supervisord, not the journal, so the processes send their events themselves. systemd's Python
library needs a compiler and libsystemd where it is installed; the protocol is two formats of a field.
"""

import contextlib
import errno
import fcntl
import os
import re
import socket
from collections.abc import Mapping
from typing import Any

SOCKET = "/run/systemd/journal/socket"
PRIORITIES = ((50, 2), (40, 3), (30, 4), (20, 6), (0, 7))  # least level of our log -> priority of syslog(3)
LONGEST_NAME = 64
FOREIGN = re.compile(r"[^A-Z0-9_]")


def fields_of(event: Mapping[str, Any], level: int) -> dict[str, str]:
    """Return the journal's fields of an event: MESSAGE for people, and HULAK_NAME of each of its values.

    Args:
        event: with `event`, its text; the other values as the process gave them.
        level: 10 debug, 20 info, 30 warning, 40 error, 50 critical.
    """
    text, process = str(event.get("event", "")), str(event.get("process", ""))
    values = {name: value for name, value in event.items() if name not in ("event", "level", "timestamp", "process")}
    shown = " ".join(f"{name}={_text(value)}" for name, value in values.items() if name != "exception")
    fields = {
        "MESSAGE": f"{text}  {shown}" if shown else text,
        "PRIORITY": str(next(priority for least, priority in PRIORITIES if level >= least)),
        "SYSLOG_IDENTIFIER": f"hulak-{process}" if process else "hulak",
        "HULAK_EVENT": text,
    }
    if process:
        fields["HULAK_PROCESS"] = process
    if "exception" in values:
        fields["MESSAGE"] += f"\n{values['exception']}"
    for name, value in values.items():
        fields.setdefault(("HULAK_" + FOREIGN.sub("_", str(name).upper()))[:LONGEST_NAME], _text(value))
    return fields


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def datagram(fields: Mapping[str, str]) -> bytes:
    """Encode fields as NAME=value lines; a value with newlines comes after NAME, a newline and its length in 8 bytes."""
    parts = []
    for name, value in fields.items():
        data = value.encode("utf-8", errors="surrogateescape")
        head = name.encode() + (b"\n" + len(data).to_bytes(8, "little") if b"\n" in data else b"=")
        parts.append(head + data + b"\n")
    return b"".join(parts)


class Sender:
    """A socket to the journal; never blocks its process. One per process; a process that forks makes another one."""

    def __init__(self, address: str = SOCKET) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, fields: Mapping[str, str]) -> bool:
        """Send one event; returns False if the journal does not take it: it does not run, or its queue is full."""
        data = datagram(fields)
        try:
            self._socket.sendto(data, self._address)
        except OSError as error:
            return error.errno in (errno.EMSGSIZE, errno.ENOBUFS) and self._send_file(data)
        return True

    def _send_file(self, data: bytes) -> bool:
        """Send the event as a sealed file in memory, which the journal takes for what is too large for a datagram."""
        with contextlib.suppress(OSError), os.fdopen(os.memfd_create("hulak-log", os.MFD_ALLOW_SEALING), "wb", 0) as file:
            file.write(data)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
            fcntl.fcntl(file.fileno(), fcntl.F_ADD_SEALS, seals)
            self._socket.connect(self._address)
            socket.send_fds(self._socket, [b""], [file.fileno()])
            return True
        return False
