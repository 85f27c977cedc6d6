"""The Arrow types of the tables' columns, and arrays of them."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hulak.clients.tables.columns import BODIES, BOOL, DOUBLE, DOUBLES, MS, NS, TEXT, TEXTS, WHOLE

Vector = NDArray[Any]
NUMBER, JSON, BYTES = "number", "json", "bytes"  # kinds of columns that are no value of a body

TYPES: dict[str, Any] = {
    TEXT: pa.dictionary(pa.int32(), pa.string()),
    DOUBLE: pa.float64(),
    WHOLE: pa.int64(),
    MS: pa.timestamp("ms", "UTC"),
    NS: pa.timestamp("ns", "UTC"),
    BOOL: pa.bool_(),
    TEXTS: pa.list_(pa.string()),
    DOUBLES: pa.list_(pa.float64()),
    NUMBER: pa.uint64(),
    JSON: pa.string(),
    BYTES: pa.binary(),
}
NUMPY: dict[str, Any] = {
    DOUBLE: np.float64,
    WHOLE: np.int64,
    MS: np.int64,
    NS: np.int64,
    BOOL: np.bool_,
    NUMBER: np.uint64,
}
CODED = frozenset(TYPES) - frozenset(NUMPY)
BEFORE = {"number": NUMBER, "time": NS, "topic": TEXT, "symbol": TEXT, "sequence": NUMBER, "epoch": NUMBER}
BEHIND = {"rest": JSON, "packed": BYTES, "feed": NUMBER, "feed_number": NUMBER}


def kinds_of(table: str) -> dict[str, str]:
    """Return the columns of a table in order, with their kinds."""
    return {**BEFORE, **{column.name: column.kind for column in BODIES.get(table, ())}, **BEHIND}


def schema_of(table: str) -> Any:
    """Return the `pyarrow.Schema` of a table."""
    return pa.schema([(name, TYPES[kind]) for name, kind in kinds_of(table).items()])


def array_of(kind: str, values: Vector | None, valid: Vector | None, coded: list[Any], rows: int) -> Any:
    """Return one column.

    Args:
        kind: of the column.
        values: codes of a coded kind, else values; None: all null.
        valid: which of them are there; None: all.
        coded: the values that the codes mean.
        rows: number of rows.
    """
    wanted = TYPES[kind]
    if values is None:
        return pa.nulls(rows, wanted)
    mask = None if valid is None else ~valid
    if kind not in CODED:
        return pa.array(values.astype(NUMPY[kind], copy=False), mask=mask).cast(wanted)
    codes = pa.array(values.astype(np.int32, copy=False), mask=mask)
    if kind == TEXT:
        return pa.DictionaryArray.from_arrays(codes, pa.array(coded, pa.string()))
    return pa.array(coded, wanted).take(codes)
