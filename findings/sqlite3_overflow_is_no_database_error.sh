#!/bin/bash
# CPython's sqlite3: an integer beyond 64 bits raises OverflowError, which is not one of the module's own errors.
#
# PEP 249 has DataError for a value out of range, and every other refusal of a parameter by this module is a sqlite3.Error. A
# program that guards its writes by `except sqlite3.Error` and rolls back there misses this one: the transaction stays
# open, and a thread that owns the connection ends. It is raised when the value is bound, before SQLite sees the statement, so
# a CHECK constraint or a typed (STRICT) table does not help; the bound has to be checked before.
#
# Seen on CPython 3.11.7 and SQLite 3.42: "OverflowError, sqlite3.Error: False, in a transaction afterwards: True".
# Needs no package but Python itself. Fails if that changes.
set -euo pipefail
python3 - <<'P'
import sqlite3
import sys

connection = sqlite3.connect(":memory:", isolation_level=None)
connection.execute("CREATE TABLE t (at INTEGER) STRICT")
connection.execute("BEGIN")
try:
    connection.execute("INSERT INTO t VALUES (?)", (1 << 63,))
except Exception as error:
    name, own = type(error).__name__, isinstance(error, sqlite3.Error)
print(f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}: {name}, sqlite3.Error: {own}, "
      f"in a transaction afterwards: {connection.in_transaction}")
assert (name, own, connection.in_transaction) == ("OverflowError", False, True), "it is another error now"
connection.execute("INSERT INTO t VALUES (?)", ((1 << 63) - 1,))
P
