#!/bin/bash
# duckdb 2.0.1: a column NUMERIC (or DECIMAL) without numbers keeps three digits after the point, and rounds the rest away.
#
# In PostgreSQL, whose dialect DuckDB follows, NUMERIC without a scale stores what it is given; in standard SQL its scale is 0,
# which one would notice at once. DuckDB takes it for DECIMAL(18, 3). Prices of shares look right, as do those of USDJPY, which
# have three digits. EURUSD has five: 1.08345 is stored as 1.083, 4.5 pips away, without an error or a warning, from a text, from
# a parameter of type Decimal, and by INSERT ... SELECT from a wider column. The cast `price::NUMERIC` in a query does the same.
# Documented in one sentence ("Numeric Types", duckdb.org): the default width and scale is DECIMAL(18, 3).
#
# What to do: always write both numbers, as DECIMAL(18, 8).
#
# Seen: "NUMERIC is DECIMAL(18,3): text 1.083, Decimal 1.083, from DECIMAL(18,8) 1.083, cast 1.083". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install duckdb==2.0.1 2>/dev/null
"$folder/venv/bin/python" - <<'P'
from decimal import Decimal

import duckdb

db = duckdb.connect()
db.execute("CREATE TABLE ticks (id INT, price NUMERIC)")
db.execute("CREATE TABLE exact AS SELECT CAST('1.08345' AS DECIMAL(18, 8)) AS price")
db.execute("INSERT INTO ticks VALUES (1, ?)", ["1.08345"])
db.execute("INSERT INTO ticks VALUES (2, ?)", [Decimal("1.08345")])
db.execute("INSERT INTO ticks SELECT 3, price FROM exact")
(text,), (number,), (column,) = db.execute("SELECT price FROM ticks ORDER BY id").fetchall()
kind, cast = db.execute("SELECT typeof(price::NUMERIC), price::NUMERIC FROM exact").fetchone()
seen = f"NUMERIC is {kind}: text {text}, Decimal {number}, from DECIMAL(18,8) {column}, cast {cast}"
print(seen)
assert seen == "NUMERIC is DECIMAL(18,3): text 1.083, Decimal 1.083, from DECIMAL(18,8) 1.083, cast 1.083", "it has changed"
P
