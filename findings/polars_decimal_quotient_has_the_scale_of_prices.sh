#!/bin/bash
# polars 2.1.0: a product or quotient of Decimal columns has only as many digits as its operands, so a daily return is 0.00.
#
# Decimals are used so that no money is lost by rounding. In SQL a product has the digits of both factors (DuckDB, Arrow and
# PostgreSQL follow that), and Python's `decimal`, to which polars' user guide refers for the type, keeps 28 digits. polars takes
# the larger scale of the two operands, for * and / as for + and -, and rounds each row to it, to the nearest even digit. With
# prices of two digits a lot of 0.01 at 85.25 is worth 0.85; a close of 100.25 after one of 100.00 is a return of 0.00, and no
# error says that. Each row is rounded before the sum: a thousand fees of 0.004 are 0.00.
#
# What to do: cast to more digits before a product or a quotient. (`pct_change` and `mean` compute with floats.)
# Source of the rule: crates/polars-core/src/chunked_array/arithmetic/decimal.rs, `left_s.max(right_s)`. Not in the documentation
# of `polars.Decimal`.
#
# Seen: "85.25 x 0.01 = 0.85; 100.25 / 100.00 - 1 = 0.00; 1000 x (0.40 x 0.01) = 0.00; with 8 digits: 0.85250000, 0.00250000,
# 4.00000000". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install polars==2.1.0 2>/dev/null
"$folder/venv/bin/python" - <<'P'
from decimal import Decimal

import polars


def compute(left, right, scale):
    """The product of the first pair, the return of the second, the sum of the products of a thousand pairs like the third."""
    table = polars.DataFrame({"left": left, "right": right}).cast(polars.Decimal(38, scale))
    product, quotient = polars.col("left") * polars.col("right"), polars.col("left") / polars.col("right")
    fees = polars.concat([table[2:]] * 1000).select(product.sum()).item()
    return [table.select(product)[0, 0], table.select(quotient - 1)[1, 0], fees]


left = [Decimal("85.25"), Decimal("100.25"), Decimal("0.40")]
right = [Decimal("0.01"), Decimal("100.00"), Decimal("0.01")]
two, eight = [[str(value) for value in compute(left, right, scale)] for scale in (2, 8)]
print(f"85.25 x 0.01 = {two[0]}; 100.25 / 100.00 - 1 = {two[1]}; 1000 x (0.40 x 0.01) = {two[2]};", end=" ")
print("with 8 digits:", ", ".join(eight))
assert two == ["0.85", "0.00", "0.00"], "the products have more digits now"
assert eight == ["0.85250000", "0.00250000", "4.00000000"], "eight digits are not enough any more"
P
