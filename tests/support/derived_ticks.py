"""Ticks as a busy day has them, out of order and one-sided too; their bars by DuckDB, and by the rules."""

import csv
import random

import duckdb

from hulak.clients.derive.rules.intervals import INTERVALS

QUERY = """
select symbol, (timestamp - timestamp % {size}) as start,
  {sides}, count(*) as ticks
from (select *, (bid + ask) / 2 as mid from ticks)
where bid is not null or ask is not null
group by all order by all
"""
SIDE = """[first({0} order by timestamp, number) filter ({0} is not null), max({0}), min({0}),
  last({0} order by timestamp, number) filter ({0} is not null)] as {0}"""


def stream(count, seed=1, symbols=("EURUSD", "USDJPY", "kraken.BTCUSD"), begins=1_700_000_000_000, steps=(0, 400)):
    """Yield stamp in ns and body of ticks, in the broker's order; some are late by up to 50 s, some have one side.

    Args:
        count: of ticks.
        seed: of all chance.
        symbols: their names.
        begins: time of the first, ms.
        steps: least and most ms between two.
    """
    chance, at = random.Random(seed), begins
    for _ in range(count):
        at += chance.randint(*steps)
        time = at - (chance.randint(0, 50_000) if chance.random() < 0.02 else chance.randint(0, 30))
        bid = round(chance.gauss(1.1, 0.01), 5)
        ask = round(bid + chance.random() / 1000, 5)
        kind = chance.random()
        yield (
            at * 1_000_000 + chance.randint(0, 999_999),
            {
                "symbol": chance.choice(symbols),
                "bid": None if kind < 0.03 else bid,
                "ask": None if 0.02 < kind < 0.05 else ask,
                "timestamp": time,
                "source": "x",
            },
        )


def bars_by_duckdb(path, bodies, interval):
    """Compute the bars of ticks, which are written to a CSV file; return a map from symbol and start to prices and ticks."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["number", "symbol", "timestamp", "bid", "ask"])
        for number, body in enumerate(bodies):
            table.writerow(
                [number, body["symbol"], body["timestamp"], *("" if body[s] is None else repr(body[s]) for s in ("bid", "ask"))]
            )
    types = "{'number': 'BIGINT', 'symbol': 'VARCHAR', 'timestamp': 'BIGINT', 'bid': 'DOUBLE', 'ask': 'DOUBLE'}"
    with duckdb.connect() as database:
        database.execute(f"create table ticks as select * from read_csv('{path}', header = true, columns = {types})")
        query = QUERY.format(size=INTERVALS[interval], sides=", ".join(map(SIDE.format, ("bid", "ask", "mid"))))
        rows = database.execute(query).fetchall()
    return {
        (symbol, start): (*(None if None in side else side for side in sides), ticks) for symbol, start, *sides, ticks in rows
    }


def newest_bars(made, interval):
    """Return the bars of an interval as `bars_by_duckdb` does: of each the last message."""
    bodies = [row.body for row in made if row.topic.startswith(f"bar.{interval}.")]
    return {(row["symbol"], row["start"]): (row["bid"], row["ask"], row["mid"], row["ticks"]) for row in bodies}
