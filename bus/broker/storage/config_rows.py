"""The SQL statements of the live configuration: present values, and the changes of each version."""

import sqlite3
from typing import Any

from hulak.bus.broker.storage import database_schema
from hulak.bus.core.config_versions import ConfigVersion, ConfigVersions
from hulak.bus.errors import ProtocolError
from hulak.bus.live_config.keys import check_scope, check_values
from hulak.bus.live_config.scopes import Change, Scopes
from hulak.bus.wire.codec import pack, unpack


def load(connection: sqlite3.Connection) -> ConfigVersions:
    """Read values and versions; values that are malformed, or no longer allowed, are set aside."""
    scopes: Scopes = {}
    for scope, key, value in connection.execute("SELECT scope, key, value FROM config_values ORDER BY scope, key").fetchall():
        try:
            scopes.setdefault(check_scope(scope), {}).update(check_values(scope, {key: unpack(value)}))
        except (ProtocolError, TypeError) as error:
            database_schema.set_aside(connection, "config_values", f"{scope} {key}", value, error)
            connection.execute("DELETE FROM config_values WHERE scope = ? AND key = ?", (scope, key))
    rows = connection.execute("SELECT version, at_ns, by, note, changes FROM config_versions ORDER BY version").fetchall()
    versions: list[ConfigVersion] = []
    for row in rows:
        try:
            versions.append(_version(*row))
        except (ProtocolError, TypeError, ValueError):  # its number stays in use; the versions before it cannot be rebuilt
            versions = [ConfigVersion(row[0], 0, "", "its changes cannot be read", ())]
    return ConfigVersions({scope: values for scope, values in scopes.items() if values}, versions)


def _version(version: int, at_ns: Any, by: Any, note: Any, changes: Any) -> ConfigVersion:
    if type(at_ns) is not int or type(by) is not str or type(note) is not str:
        raise TypeError("at_ns, by or note has a wrong type")
    return ConfigVersion(version, at_ns, by, note, tuple(Change(*fields) for fields in unpack(changes)))


def write(connection: sqlite3.Connection, version: ConfigVersion, keep: int) -> None:
    """Write a version and its values; keep the newest `keep` versions."""
    for change in version.changes:
        if change.after is None:
            connection.execute("DELETE FROM config_values WHERE scope = ? AND key = ?", (change.scope, change.key))
        else:
            connection.execute(
                "INSERT OR REPLACE INTO config_values (scope, key, value) VALUES (?, ?, ?)",
                (change.scope, change.key, pack(change.after)),
            )
    changes = pack([[change.scope, change.key, change.before, change.after] for change in version.changes])
    connection.execute(
        "INSERT INTO config_versions (version, at_ns, by, note, changes) VALUES (?, ?, ?, ?, ?)",
        (version.version, version.at_ns, version.by, version.note, changes),
    )
    connection.execute("DELETE FROM config_versions WHERE version <= ?", (version.version - keep,))
