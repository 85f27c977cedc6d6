"""Calls to the supervisord of a home folder: XML-RPC over its unix socket, with a time limit, a new connection for each call.

Supervisor's own transport is not used, for three reasons found by experiment with supervisor 4.3.0: it has no time limit, so a
frozen supervisord would block its caller; once a restart has closed the connection, every later call fails; and threads cannot
share it. One connection per call costs 3 ms and has none of these problems.
"""

import contextlib
import http.client
import os
import socket
import xmlrpc.client
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hulak.bus.errors import ConfigError
from hulak.bus.process.sockets import LONGEST_IPC

ASK_S = 1.0  # seconds for one answer of supervisord
BAD_NAME, ALREADY_STARTED, NOT_RUNNING, STILL_RUNNING = 10, 60, 70, 91  # numbers of its faults
Unreached = (OSError, xmlrpc.client.Error)  # raised by `ask`


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ASK_S)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> _Connection:
        del host
        return _Connection(self.path)


def socket_path(home: Path) -> Path:
    """Return the path of supervisord's socket.

    Raises:
        ConfigError: the path is longer than a unix socket's may be.
    """
    path = home / "run" / "supervisor.sock"
    # While it binds, supervisord uses the path with its pid appended.
    if (length := len(os.fsencode(path)) + len(".4194304")) > LONGEST_IPC:
        raise ConfigError(
            f"home folder {home} makes a socket path of {length} bytes, more than {LONGEST_IPC}: choose a shorter one with --home"
        )
    return path


def link_socket(home: Path, target: Path | None) -> None:
    """Link `socket_path` to the socket of a supervisord of the machine: there every process looks for it.

    Args:
        home: the folder of the broker.
        target: setting scaling.supervisor_socket; None: `hulak up` runs the programs, and a former link is removed.
    Raises:
        ConfigError: the link cannot be made.
    """
    path = socket_path(home)
    try:
        if path.is_symlink() and (target is None or path.readlink() != target):
            path.unlink()
        if target is not None and not path.is_symlink():
            if path.is_socket() and not _is_answered(path):
                path.unlink()  # of a supervisord that was killed
            path.symlink_to(target)
    except OSError as error:
        raise ConfigError(f"setting scaling.supervisor_socket is {target}, and {path} cannot be made: {error}") from error


def _is_answered(path: Path) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(socket.socket(socket.AF_UNIX)) as trial:
        trial.settimeout(ASK_S)
        trial.connect(str(path))
        return True
    return False


def foreign_socket(home: Path) -> Path | None:
    """Return the socket of the supervisord of the machine that runs Hulak's programs; None if `hulak up` runs them."""
    with contextlib.suppress(OSError):
        return socket_path(home).readlink()
    return None


def ask(home: Path, method: str, *arguments: Any) -> Any:
    """Call a method of supervisord's XML-RPC interface, e.g. `getAllProcessInfo`.

    Raises:
        OSError: it is not running, or did not answer in `ASK_S`.
        xmlrpc.client.Error: it refused.
    """
    transport = _Transport(socket_path(home))
    try:
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        return getattr(proxy.supervisor, method)(*arguments)
    except http.client.HTTPException as error:
        raise ConnectionError(f"supervisord closed the connection: {error!r}") from error
    finally:
        transport.close()


def list_processes(home: Path) -> list[dict[str, Any]]:
    """List the processes of supervisord: `name`, `group`, `state` (lower case), `pid` (0 if none), `uptime_s`, `started` (ever).

    Of a supervisord that also runs programs of others, those that log into the home; the socket in the home is a link then.

    Raises:
        OSError, xmlrpc.client.Error: see `ask`.
    """
    rows = ask(home, "getAllProcessInfo")
    if foreign_socket(home) is not None:
        ours = {(row["group"], row["name"]) for row in list_programs(home) if logs_into(home, row)}
        rows = [row for row in rows if (row["group"], row["name"]) in ours]
    return [
        {
            "name": row["name"],
            "group": row["group"],
            "state": row["statename"].lower(),
            "pid": row["pid"],
            "started": row["start"] > 0,
            "uptime_s": max(0, row["now"] - row["start"]) if row["pid"] else 0,
        }
        for row in rows
    ]


def logs_into(home: Path, program: Mapping[str, Any]) -> bool:
    """Return whether a row of `list_programs` has a log in the home."""
    return any(Path(log).is_relative_to(home) for log in program["logs"] if log.startswith("/"))


def list_programs(home: Path) -> list[dict[str, Any]]:
    """List how the processes of supervisord are configured: `name`, `group`, `command`, `autostart`, `logs`.

    Raises:
        OSError, xmlrpc.client.Error: see `ask`.
    """
    return [
        {
            "name": row["name"],
            "group": row["group"],
            "command": row["command"],
            "autostart": row["autostart"],
            "logs": [row["stdout_logfile"], row["stderr_logfile"]],
        }
        for row in ask(home, "getAllConfigInfo")
        if row["inuse"]
    ]
