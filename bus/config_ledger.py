"""The statements of the store about the live configuration: present values, and what each version changed."""

import sqlite3

from bus.core.configs import Change, ConfigBook, Scopes, Version
from bus.frames import pack, unpack

SCHEMA = """
CREATE TABLE IF NOT EXISTS config_values (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,        -- msgpack
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS config_versions (
    version INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,     -- ns since 1970 UTC
    by TEXT NOT NULL,
    note TEXT NOT NULL,
    changes BLOB NOT NULL       -- msgpack: array of [scope, key, before, after]
);
"""


def load(connection: sqlite3.Connection) -> ConfigBook:
    """Make the tables if there are none, and read all of it."""
    connection.executescript(SCHEMA)
    scopes: Scopes = {}
    for scope, key, value in connection.execute("SELECT scope, key, value FROM config_values ORDER BY scope, key"):
        scopes.setdefault(scope, {})[key] = unpack(value)
    rows = connection.execute("SELECT version, at_ns, by, note, changes FROM config_versions ORDER BY version")
    versions = [
        Version(version, at_ns, by, note, tuple(Change(*one) for one in unpack(changes)))
        for version, at_ns, by, note, changes in rows
    ]
    return ConfigBook(scopes, versions)


def write(connection: sqlite3.Connection, version: Version, keep: int) -> None:
    """Write a version and the values it makes; of the versions the newest `keep` stay."""
    for one in version.changes:
        if one.after is None:
            connection.execute("DELETE FROM config_values WHERE scope = ? AND key = ?", (one.scope, one.key))
        else:
            connection.execute(
                "INSERT OR REPLACE INTO config_values (scope, key, value) VALUES (?, ?, ?)", (one.scope, one.key, pack(one.after))
            )
    changes = pack([[one.scope, one.key, one.before, one.after] for one in version.changes])
    connection.execute(
        "INSERT INTO config_versions (version, at_ns, by, note, changes) VALUES (?, ?, ?, ?, ?)",
        (version.version, version.at_ns, version.by, version.note, changes),
    )
    connection.execute("DELETE FROM config_versions WHERE version <= ?", (version.version - keep,))
