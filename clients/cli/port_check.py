"""The addresses that `hulak up` binds, and whether somebody else has one."""

import contextlib
import re
import socket
import time
from typing import TYPE_CHECKING

from bus.errors import ConfigError

if TYPE_CHECKING:
    from bus.process.settings import Settings

PORTS_S = 2.0  # seconds for the ports of a Hulak that has just ended to become free
SOCKETS = ("collector", "publisher", "frontend", "backend")


def addresses(settings: "Settings", *, demo: bool) -> dict[str, tuple[str, int]]:
    """List the addresses that will be bound, by the setting that names them."""
    found = {"gateway.port": (settings.gateway.host, settings.gateway.port)}
    for name in SOCKETS:
        parts = re.fullmatch(r"tcp://\[?([^\]]+?)\]?:(\d+)", getattr(settings.broker, name))
        if parts is not None:
            found[f"broker.{name}"] = (parts[1], int(parts[2]))
    if demo:
        found["sim.venue_port"] = (settings.sim.host, settings.sim.venue_port)
        found["sim.nepse_port"] = (settings.sim.host, settings.sim.nepse_port)
    return found


def taken(wanted: dict[str, tuple[str, int]]) -> list[str]:
    """Say which of these addresses somebody else has: "127.0.0.1:5560 (sim.venue_port)"."""
    return [f"{host}:{port} ({setting})" for setting, (host, port) in wanted.items() if not _is_free(host, port)]


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has just been closed is free
        try:
            trial.bind((host, port))
        except OSError:
            return False
        return True


def refuse_taken(settings: "Settings", *, demo: bool) -> None:
    """Make sure that all addresses are free, waiting a little for those of a Hulak that is just ending.

    Raises:
        ConfigError: some are not; names them and what to do.
    """
    wanted, deadline = addresses(settings, demo=demo), time.monotonic() + PORTS_S
    while used := taken(wanted):
        if time.monotonic() > deadline:
            raise ConfigError(
                f"in use already: {', '.join(used)}; stop what listens there (`ss -ltnp` shows it), or name other ports, "
                "for example with HULAK_SIM__VENUE_PORT=5580 or HULAK_BROKER__FRONTEND=tcp://127.0.0.1:6552"
            )
        time.sleep(0.05)
