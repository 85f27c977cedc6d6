#!/bin/bash
# CPython's sqlite3: an INSERT that begins with WITH is not part of a transaction; a rollback does not take it back.
#
# By default the module opens a transaction before a statement that changes data, and `with connection:` commits or rolls back.
# Whether a statement changes data is decided by its first word: insert, update, delete, replace. `WITH ... INSERT`, `WITH ...
# UPDATE` and `WITH ... DELETE` begin with another one. If they are the first of a block, SQLite commits them alone and at once;
# an error in the next statement rolls back only what came after. In the middle of a block they are rolled back, so that tests
# which begin with a plain INSERT pass. `rowcount` of such a statement is -1 as well.
#
# Source of the rule: Modules/_sqlite/statement.c, `is_dml`. The manual says that a transaction is opened before "INSERT, UPDATE,
# DELETE, or REPLACE statements", and WITH is a clause of these in SQL.
#
# What to do: execute BEGIN yourself (with `isolation_level=None`), or from Python 3.12 on connect with `autocommit=False`.
#
# Seen on CPython 3.11.7 and SQLite 3.42: "after the rollback: INSERT 0 rows; WITH ... INSERT 1 row, rowcount -1; WITH ... DELETE:
# 0 of 1 rows left". Needs no package but Python itself. Fails if that changes.
set -euo pipefail
python3 - <<'P'
import sqlite3

PLAIN = "INSERT INTO fills SELECT 1, 100"
NAMED = "WITH fill(id, price) AS (VALUES (1, 100)) INSERT INTO fills SELECT id, price FROM fill"
DELETE = "WITH old(id) AS (VALUES (1)) DELETE FROM fills WHERE id IN (SELECT id FROM old)"


def roll_back(statement, *before):
    """Executes the statement in a block that fails afterwards, and gives the rows that are left and the rowcount."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE fills (id INTEGER PRIMARY KEY, price INTEGER)")
    for one in before:
        connection.execute(one)
    connection.commit()
    try:
        with connection:
            count = connection.execute(statement).rowcount
            raise ValueError("the price is out of range")
    except ValueError:
        return connection.execute("SELECT COUNT(*) FROM fills").fetchone()[0], count


plain, named, deleted = roll_back(PLAIN), roll_back(NAMED), roll_back(DELETE, PLAIN)
print(
    f"after the rollback: INSERT {plain[0]} rows; WITH ... INSERT {named[0]} row, rowcount {named[1]};",
    f"WITH ... DELETE: {deleted[0]} of 1 rows left",
)
assert (plain, named, deleted) == ((0, 1), (1, -1), (0, -1)), "WITH is part of the transaction now"
P
