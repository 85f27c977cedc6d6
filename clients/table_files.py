"""Tables as files, CSV or Parquet: written beside their place and moved there when they are whole and on disk.

Rows may come from a file and are read more than once, so that a table need not fit into memory.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from hulak.bus.errors import ConfigError
from hulak.clients.whole_file import whole_file

GROUP = 10_000  # rows of a row group of Parquet: they are in memory together
INT64, EXACT = range(-(2**63), 2**63), range(-(2**53), 2**53 + 1)  # whole numbers that int64 holds, and that float64 holds


def flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the values of nested maps with their paths: `[("a.b", 1)]` for `{"a": {"b": 1}}`."""
    rows: list[tuple[str, Any]] = []
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            rows += flat(item, f"{name}.")
        else:
            rows.append((name, item))
    return rows


def flat_row(row: Any) -> dict[str, Any]:
    """Return a row as columns: nested maps as `a.b`, nested lists as JSON; the items of a list are `value`, `value1`, ...."""
    if isinstance(row, Mapping):
        return {name: _plain(item) for name, item in flat(row)}
    items: Iterable[Any] = row if isinstance(row, list) else [row]
    return {f"value{number}" if number else "value": _plain(item) for number, item in enumerate(items)}


def _plain(item: Any) -> Any:
    return json.dumps(item, ensure_ascii=False) if isinstance(item, list | dict) else item


class Table:
    """Rows with the columns that they have together.

    Args:
        rows: as `flat_row` takes them; iterated once here and once by each file, so no iterator.
    """

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = rows
        self.count = 0  # rows
        self.kinds: dict[str, set[str]] = {}  # column -> the types of its values: of Python, or "big" and "huge" for integers
        for row in rows:
            self.count += 1
            for name, value in flat_row(row).items():
                self.kinds.setdefault(name, set()).add(_kind(value))
        maps = {name[:at] for name in self.kinds for at, sign in enumerate(name) if sign == "."}
        for name in [name for name, kinds in self.kinds.items() if name in maps and kinds == {"NoneType"}]:
            del self.kinds[name]  # other rows have a map there

    @property
    def heads(self) -> list[str]:
        """The names of the columns."""
        return list(self.kinds)

    def __iter__(self) -> Iterator[list[Any]]:
        """Yield the cells of each row, None where it has none."""
        for row in self._rows:
            cells = flat_row(row)
            yield [cells.get(head) for head in self.kinds]


def _kind(value: Any) -> str:
    if type(value) is int and value not in EXACT:
        return "big" if value in INT64 else "huge"
    return type(value).__name__


def write_csv(path: Path, table: Table) -> None:
    """Write a CSV file (RFC 4180, UTF-8, a header line); numbers are exact, an empty cell is none.

    Raises:
        OSError: it cannot be written; a file that is there is kept.
    """
    with whole_file(path) as part:
        fill_csv(part, table.heads, table)


def fill_csv(part: Path, heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write the content of a CSV file."""
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        writer.writerows(rows)


def write_parquet(path: Path, table: Table) -> None:
    """Write a Parquet file; a column of several types is text.

    Raises:
        ConfigError: pyarrow is not installed.
        OSError: as `write_csv`.
    """
    with whole_file(path) as part:
        fill_parquet(part, table)


def has_parquet() -> bool:
    """Return whether Parquet files can be written: pyarrow is installed."""
    return find_spec("pyarrow") is not None


def _pyarrow() -> Any:
    """Return the module. Raises ConfigError: it is not installed."""
    try:
        import pyarrow.parquet  # noqa: PLC0415 - large, and an extra
    except ImportError as error:
        raise ConfigError("Parquet files need pyarrow: pip install 'hulak[parquet]'") from error
    return pyarrow


def fill_parquet(part: Path, table: Table) -> None:
    """Write the content of a Parquet file, a row group at a time.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    pa = _pyarrow()
    types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "str": pa.string()}
    columns = {head: _column_type(kinds) for head, kinds in table.kinds.items()}
    schema = pa.schema([(head, types[kind]) for head, kind in columns.items()])
    with pa.parquet.ParquetWriter(part, schema) as writer:
        rest = iter(table)
        while rows := list(islice(rest, GROUP)):
            cells = {head: [_as_type(row[at], kind) for row in rows] for at, (head, kind) in enumerate(columns.items())}
            writer.write_table(pa.table(cells, schema=schema))


def _column_type(kinds: set[str]) -> str:
    """Return the type that holds all values of a column exactly; text if there is none."""
    kinds = kinds - {"NoneType"}
    if kinds and kinds <= {"int", "big"}:
        return "int"
    if kinds and kinds <= {"int", "float"}:
        return "float"
    return "bool" if kinds == {"bool"} else "str"


def _as_type(value: Any, kind: str) -> Any:
    if value is None:
        return None
    return str(value) if kind == "str" else float(value) if kind == "float" else value


def csv_of_parquet(source: Path, path: Path) -> int:
    """Write the rows of a Parquet file to a CSV file; returns their number.

    Raises:
        ConfigError: pyarrow is not installed, or the source is no Parquet file.
        OSError: as `write_csv`.
    """
    pa = _pyarrow()
    try:
        with pa.parquet.ParquetFile(source) as file, whole_file(path) as part:
            batches = file.iter_batches(batch_size=GROUP)
            rows = (row.values() for batch in batches for row in batch.to_pylist())
            fill_csv(part, file.schema_arrow.names, rows)
            return int(file.metadata.num_rows)
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{source} is not a Parquet file: {error}; remove it") from error
