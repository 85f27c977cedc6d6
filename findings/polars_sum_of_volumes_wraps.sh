#!/bin/bash
# polars 2.1.0: the sum of a UInt32 or Int32 column starts again at zero beyond 32 bits, though that of a UInt16 column does not.
#
# The size of a trade is an unsigned 32-bit integer in many binary feeds (DBN of Databento, for one), and columns keep that type
# through Parquet and Arrow. numpy, pandas, Arrow and DuckDB sum such a column in 64 bits or more. polars does that for 8 and 16
# bits only, so tests with a small type pass. A hundred days of 50 million shares, 5,000,000,000, are 705,032,704: a volume that
# looks possible. No warning is given, in `sum`, `cum_sum`, `group_by` and SQL alike; `mean` of the same column is right.
#
# Documented in a note of `polars.Expr.sum` ("Dtypes in {Int8, UInt8, Int16, UInt16} are cast to Int64 before summing to prevent
# overflow issues"), which reads as if that were all of the cases. Reported as polars #10740 (closed) and #17340 (open).
#
# What to do: cast to Int64 before the sum.
#
# Seen: "UInt16: 2000000; UInt32: sum 705032704, cum_sum 705032704, group_by 705032704, SQL 705032704, mean x 100 5000000000; as
# Int64: 5000000000". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install polars==2.1.0 2>/dev/null
"$folder/venv/bin/python" - <<'P'
import polars

small = polars.Series("size", [20_000] * 100, dtype=polars.UInt16)
size = polars.Series("size", [50_000_000] * 100, dtype=polars.UInt32)
days = polars.DataFrame({"size": size, "symbol": ["NABIL"] * 100})
grouped = days.group_by("symbol").agg(polars.col("size").sum())["size"][0]
asked = polars.SQLContext(days=days).execute("SELECT SUM(size) AS size FROM days").collect()["size"][0]
sums = [size.sum(), size.cum_sum()[-1], grouped, asked]
right = size.cast(polars.Int64).sum()
print(
    f"UInt16: {small.sum()}; UInt32: sum {sums[0]}, cum_sum {sums[1]}, group_by {sums[2]}, SQL {sums[3]},",
    f"mean x 100 {size.mean() * 100:.0f}; as Int64: {right}",
)
assert right == round(size.mean() * 100) == 5_000_000_000 and small.sum() == 2_000_000
assert sums == [705_032_704] * 4, "a sum of 32-bit integers does not wrap any more"
P
