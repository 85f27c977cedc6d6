"""The output of `hulak key` for people and programs, and how it reads a role. No secret is among it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hulak.clients.cli import table

if TYPE_CHECKING:
    from hulak.bus.process.key_files import AuthorisedKey, ClientKey
    from hulak.bus.wire.roles import Role


class RoleText(click.ParamType["Role"]):
    """A role, such as `subscribe:tick.EUR*`."""

    name = "role"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Role":
        """Read it."""
        from hulak.bus.wire.roles import Role, parse_role

        if isinstance(value, Role):
            return value
        try:
            return parse_role(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def row_of(key: "AuthorisedKey", known: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is known of a key: of its file, and of the broker.

    Args:
        key: the key of the file.
        known: the broker's facts of the keys that it has seen, by name; None: it is not known, and neither is it of this one.
    """
    expired = key.expires is not None and key.expires <= datetime.now(UTC)
    row = {
        "name": key.name,
        "state": "expired" if expired else "valid",
        "public": key.public,
        "roles": sorted(map(str, key.roles)),
        "expires": text(key.expires),
        "note": key.note,
    }
    if known is None:
        return {**row, "connections": None, "last_seen": None, "refused": None}
    live = known.get(key.name, {"connections": 0, "last_seen_ns": None, "refusals": {}})
    seen = live["last_seen_ns"]
    row |= {"connections": live["connections"], "last_seen": None if seen is None else table.moment(seen)}
    return {**row, "refused": sum(live["refusals"].values())}


def facts_of(made: "ClientKey", path: Path) -> dict[str, Any]:
    """Return the report of a key that was made."""
    return {"name": made.name, "file": str(path), "public": made.public, "server": made.server}


def hint_copy(path: Path) -> None:
    """Print what to do with the file of a client."""
    click.echo(f"hulak: copy {path} to the client and let HULAK_KEY name it there; it has the secret", err=True)


def cell(value: Any) -> Any:
    """Return a value as one cell of a table."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def text(time: datetime | None) -> str | None:
    """Return a time as text, in UTC."""
    from hulak.clients.cli import key_check

    return None if time is None else key_check.shown(time)
