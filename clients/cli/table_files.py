"""Tables as files, CSV or Parquet: written beside their place and moved there when they are whole."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hulak.bus.errors import ConfigError
from hulak.clients.whole_file import whole_file

Rows = Sequence[Sequence[Any]]


def write_csv(path: Path, heads: Sequence[str], rows: Rows) -> None:
    """Write a CSV file (RFC 4180, UTF-8, a header line); numbers are exact, an empty cell is none.

    Raises:
        OSError: it cannot be written; a file that is there is kept.
    """

    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        writer.writerows(rows)


def write_parquet(path: Path, heads: Sequence[str], rows: Rows) -> None:
    """Write a Parquet file; a column of several types is text.

    Raises:
        ConfigError: pyarrow is not installed.
        OSError: as `write_csv`.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError("--parquet needs pyarrow: pip install 'hulak[parquet]'") from error
    columns = {head: [row[at] for row in rows] for at, head in enumerate(heads)}
    whole = pa.table({head: _of_one_type(values) for head, values in columns.items()})
    with whole_file(path) as part:
        parquet.write_table(whole, part)


def _of_one_type(values: list[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1:
        return values
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]
