"""Check that the addresses which `hulak up` binds are free."""

import contextlib
import re
import socket
import time
from typing import TYPE_CHECKING

from hulak.bus.errors import ConfigError

if TYPE_CHECKING:
    from hulak.bus.process.settings import Settings

PORTS_S = 2.0  # for the ports of a Hulak that has just ended to become free
SOCKETS = ("collector", "publisher", "frontend", "backend")


def addresses(settings: "Settings", *, demo: bool, has_keys: bool) -> dict[str, tuple[str, int]]:
    """Return the addresses to bind, by the name of their setting."""
    result = {"gateway.port": (settings.gateway.host, settings.gateway.port)}
    for name in SOCKETS if settings.security.loopback == "open" or has_keys else ():
        parts = re.fullmatch(r"tcp://\[?([^\]]+?)\]?:(\d+)", getattr(settings.broker, name))
        if parts is not None:
            result[f"broker.{name}"] = (parts[1], int(parts[2]))
    if demo:
        result["sim.venue_port"] = (settings.sim.host, settings.sim.venue_port)
        result["sim.nepse_port"] = (settings.sim.host, settings.sim.nepse_port)
    return result


def taken(wanted: dict[str, tuple[str, int]]) -> list[str]:
    """List the addresses that another process has: "127.0.0.1:5560 (sim.venue_port)"."""
    return [f"{host}:{port} ({setting})" for setting, (host, port) in wanted.items() if not _is_free(host, port)]


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # an address in TIME_WAIT is free
        try:
            trial.bind((host, port))
        except OSError:
            return False
        return True


def refuse_taken(settings: "Settings", *, demo: bool, has_keys: bool) -> None:
    """Check that all addresses are free; wait up to `PORTS_S` for those of a Hulak that is ending.

    Args:
        settings: with the addresses.
        demo: the simulators are started too.
        has_keys: the broker has keys, so that it binds its TCP addresses.
    Raises:
        ConfigError: an address is in use.
    """
    needed, deadline = addresses(settings, demo=demo, has_keys=has_keys), time.monotonic() + PORTS_S
    while used := taken(needed):
        if time.monotonic() > deadline:
            raise ConfigError(
                f"already in use: {', '.join(used)}; stop the process that listens there (see `ss -ltnp`), or set other ports, "
                "for example with HULAK_SIM__VENUE_PORT=5580 or HULAK_BROKER__FRONTEND=tcp://127.0.0.1:6552"
            )
        time.sleep(0.05)
