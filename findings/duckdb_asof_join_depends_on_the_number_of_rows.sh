#!/bin/bash
# duckdb 2.0.1: an ASOF JOIN attaches the oldest quote of a burst to 63 trades, and the newest to 64, from the same tables.
#
# An ASOF JOIN finds for each trade the last quote before it. Several quotes with one time are nothing rare: a burst within one
# microsecond, or a feed that has whole milliseconds or seconds. With fewer than 64 rows on the left side DuckDB carries the join
# out as a nested loop with the aggregate `arg_max`, which keeps the first of equal times; from 64 rows on as a merge of sorted
# data, which takes the last in the order of its sort (with several threads, any of them). So a program that looks up one trade,
# or a test with ten, is answered otherwise than the report of the day: with a price that was already replaced. `join_asof` of
# polars and `merge_asof` of pandas give the last one.
#
# The documentation ("AsOf Join", duckdb.org) promises at most one match, and names neither ties nor the threshold, which is the
# setting `asof_loop_join_threshold`. Reported as duckdb #25536, and closed with the label "expected behavior".
#
# What to do: number the quotes, and keep only the last one of each time before the join.
#
# Seen: "1 trade: bid 10.0; 63 trades: bid 10.0; 64 trades: bid 12.0; 63 trades with the threshold 0: bid 12.0". Fails if that
# changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install duckdb==2.0.1 2>/dev/null
"$folder/venv/bin/python" - <<'P'
import duckdb

JOIN = "SELECT DISTINCT quotes.bid FROM trades ASOF JOIN quotes ON trades.ts >= quotes.ts"

db = duckdb.connect()
db.execute("SET threads = 1")  # with more of them even the merge gives any of the three: this shows the steady part
db.execute("CREATE TABLE quotes (ts INT, bid DOUBLE)")
db.execute("INSERT INTO quotes VALUES (1, 10), (1, 11), (1, 12)")


def look_up(count):
    """The bid that each of `count` trades at time 2 gets: the same for all of them."""
    db.execute(f"CREATE OR REPLACE TABLE trades AS SELECT 2 AS ts FROM range({count})")
    ((bid,),) = db.execute(JOIN).fetchall()
    return bid


bids = [look_up(1), look_up(63), look_up(64)]
db.execute("SET asof_loop_join_threshold = 0")
bids.append(look_up(63))
print("1 trade: bid {}; 63 trades: bid {}; 64 trades: bid {}; 63 trades with the threshold 0: bid {}".format(*bids))
assert bids == [10, 10, 12, 12], "the number of trades makes another difference now"
P
