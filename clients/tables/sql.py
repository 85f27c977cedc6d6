"""SQL over the tables: DuckDB in this process, which reads the files of an export and, for all else, the journal's frames.

A query can read the tables and nothing else: the database is in memory and takes one SELECT, it may open only the files of the
export, it loads no extension, knows no variable of Python, and these limits cannot be changed by the query. Its memory and its
temporary files are bounded.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hulak.bus.errors import HulakError
from hulak.bus.wire.plain_values import suggestion
from hulak.clients.tables.columns import TWO_PARTS
from hulak.clients.tables.extras import need
from hulak.clients.tables.frame_tables import Frames, tables_of
from hulak.clients.tables.schema import schema_of

if TYPE_CHECKING:
    import duckdb

EXPLAIN = "EXPLAIN "
BEHIND_TWO = r"^[^.]*\.(?:[^.]*\.)?(.*)$"  # as `symbol_of`
NO_TABLE = re.compile(r"^\w+ Error: Table with name (\S+) does not exist!.*")
BATCH = 10_000  # rows of a result at a time
TEMPORARY = "4GB"  # of files, for what does not fit into the memory
FIXED = {
    "python_enable_replacements": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
}


class QueryFailed(HulakError):
    """The database refused a query, or could not complete it."""


@dataclass(slots=True)
class JournalTable:
    """One table of the journal, as a source that the database reads as often as it needs.

    Args:
        name: of the table.
        frames: returns all frames of the journal from the beginning.
        failed: gets what goes wrong while the database reads.
    """

    name: str
    frames: Callable[[], Iterable[Frames]]
    failed: list[HulakError]

    def __arrow_c_schema__(self) -> Any:
        """Return the schema, by the Arrow PyCapsule interface."""
        return schema_of(self.name).__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return the rows as a stream, by the Arrow PyCapsule interface."""
        return pa.RecordBatchReader.from_batches(schema_of(self.name), self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[Any]:
        try:
            for frames in self.frames():
                table = tables_of(frames).get(self.name)
                if table is not None:
                    yield from table.to_batches()
        except HulakError as error:
            self.failed.append(error)
            raise


class Database:
    """Tables of the journal and of an export, as one.

    Args:
        frames: returns the frames of the journal that the export does not have.
        files: of the export, by table; absolute, Parquet.
        folder: of the export; no other files are read. None: there is none.
        memory: limit of DuckDB's memory, such as `512MB`.
        temporary: folder for what does not fit into it.
    Raises:
        ConfigError: duckdb is not installed.
    """

    def __init__(
        self,
        frames: Callable[[], Iterable[Frames]],
        files: Mapping[str, Sequence[Path]],
        tables: Iterable[str],
        folder: Path | None,
        memory: str,
        temporary: Path,
    ) -> None:
        self._duckdb = need("duckdb", "query", "hulak query")
        self._failed: list[HulakError] = []
        self._tables = tuple(tables)
        self._connection: duckdb.DuckDBPyConnection = self._duckdb.connect(":memory:", config=FIXED)
        self._run(f"SET memory_limit = {_text(memory)}")
        self._run(f"SET temp_directory = {_text(temporary)}")
        self._run(f"SET max_temp_directory_size = {_text(TEMPORARY)}")
        self._run("SET TimeZone = 'UTC'")
        self._run("SET errors_as_json = true")
        self._run(f"SET allowed_directories = [{'' if folder is None else _text(f'{folder}/')}]")
        self._run("SET enable_external_access = false")
        for table in self._tables:
            self._add(table, frames, files.get(table, ()))
        self._run("SET lock_configuration = true")

    def interrupt(self) -> None:
        """Interrupt the query that runs; callable from another thread."""
        self._connection.interrupt()

    def close(self) -> None:
        """End the database."""
        self._connection.close()

    def _run(self, sql: str) -> None:
        self._connection.execute(sql)

    def _add(self, table: str, frames: Callable[[], Iterable[Frames]], files: Sequence[Path]) -> None:
        source = f"_journal_{table}"
        self._connection.register(source, JournalTable(table, frames, self._failed))
        rows = f"SELECT * FROM {_name(source)}"  # noqa: S608 - quoted
        if files:
            names, columns = ", ".join(map(_text, files)), _columns(table, files[0])
            read = f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"
            rows += f" UNION ALL BY NAME SELECT {columns} FROM {read}"  # noqa: S608 - quoted
        self._run(f"CREATE VIEW {_name(table)} AS {rows}")

    def columns(self, table: str) -> list[tuple[str, str]]:
        """Return the names and the types of a table's columns."""
        view = self._connection.view(_name(table))
        return [(name, str(kind)) for name, kind in zip(view.columns, view.types, strict=True)]

    def query(self, sql: str) -> Any:
        """Run one SELECT and return its result as a `pyarrow.RecordBatchReader`.

        Raises:
            QueryFailed: it is not one SELECT, or the database refused it; the text has the place in the SQL.
        """
        with self.errors(sql):
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != self._duckdb.StatementType.SELECT:
                kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
                raise QueryFailed(f"the query is {kinds}, must be one SELECT")
        with self.errors(sql, len(EXPLAIN)):
            self._run(EXPLAIN + sql)  # refuses the same queries, and says where: the errors of a relation have no place
        with self.errors(sql):
            return self._connection.sql(sql).to_arrow_reader(BATCH)

    def errors(self, sql: str, before: int = 0) -> "_Errors":
        """Return a context that turns the database's errors into `QueryFailed`; also for reading the result.

        Args:
            sql: the query.
            before: bytes before it in what the database got.
        """
        return _Errors(sql, before, self._tables, self._duckdb.Error, self._failed)


@dataclass(slots=True)
class _Errors:
    sql: str
    before: int
    tables: Iterable[str]
    family: type[Exception]
    failed: list[HulakError]

    def __enter__(self) -> None:
        self.failed.clear()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (self.family, pa.ArrowException, OSError)):
            if self.failed:
                raise self.failed[0] from error
            raise QueryFailed(explained(str(error), self.sql, self.before, self.tables)) from error


def explained(text: str, sql: str, before: int = 0, tables: Iterable[str] = ()) -> str:
    """Return the text of an error of DuckDB as one sentence, with the line and the column of the SQL where it has one.

    Args:
        text: of the error.
        sql, before: as for `Database.errors`.
        tables: the names that there are.
    """
    name, _, rest = text.partition(": {")
    try:
        facts = json.loads("{" + rest)
        message = f"{name}: {facts['exception_message']}"
    except (ValueError, KeyError):
        return " ".join(text.split())
    message = " ".join(message.split())
    if missing := NO_TABLE.match(message):
        name = missing[1]
        message = f"there is no table {name!r}; `hulak query --tables` lists all{suggestion(name, tables)}"
    place = str(facts.get("position", ""))
    if not place.isdigit():
        return message
    part = sql.encode()[: max(int(place) - before, 0)].decode(errors="ignore")
    line, column = part.count("\n") + 1, len(part) - (part.rfind("\n") + 1) + 1
    near = sql.splitlines()[line - 1][column - 1 :][:30] if sql.splitlines() else ""
    return f"{message}; at line {line}, column {column}: {near!r}"


def _text(value: object) -> str:
    """Return a text of SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def _name(name: str) -> str:
    """Return a name of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _columns(table: str, file: Path) -> str:
    """Return the columns to select from the files of a table, of which `file` is one, with a column `symbol`."""
    has_symbol = "symbol" in need("pyarrow.parquet", "parquet", "hulak query").read_schema(file).names
    if table in TWO_PARTS:  # earlier exports have the interval in it
        return f"*{' EXCLUDE (symbol)' if has_symbol else ''}, regexp_extract(topic, '{BEHIND_TWO}', 1) AS symbol"
    # An export by symbol has the symbol in the names of the folders only, where a name such as 600519 would be a number.
    return "*" if has_symbol else "*, substr(topic, instr(topic, '.') + 1) AS symbol"


def with_text_times(kind: Any) -> Any:
    """Return an Arrow type with text in place of times: Python's own have no nanoseconds, and no years beyond 9999."""
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_date(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(with_text_times(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, with_text_times(field.type)) for field in kind])
    return kind


def plain_rows(reader: Any) -> Iterator[list[Any]]:
    """Yield the rows of a result as values of Python, times as text."""
    kinds = [with_text_times(field.type) for field in reader.schema]
    for batch in reader:
        columns = [column.cast(kind).to_pylist() for column, kind in zip(batch.columns, kinds, strict=True)]
        yield from map(list, zip(*columns, strict=True))
