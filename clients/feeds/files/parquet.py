"""Parquet: the quotes of a Nautilus catalogue, and tables whose columns have names as those of CSV. Needs pyarrow (`parquet`).

Nautilus writes prices as whole numbers of a fixed width: 16 bytes in units of 1e-16, or 8 bytes in units of 1e-9, little-endian.
The width is in the file, the unit is not: the price's precision, which is in the file, shows whether it is right. The instrument
is there too; the folder's name has lost the `/` of its symbol.
"""

import json
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.file_lines import BROKEN
from hulak.clients.feeds.files.reader import EmptyFile, FileOptions, Item, TickReader
from hulak.clients.feeds.symbol_keys import canonical_symbol
from hulak.clients.feeds.tick_files import TickLines
from hulak.clients.feeds.venues.parsing import time_of

ROWS = 8192  # at a time
DIGITS = {16: 16, 8: 9}  # bytes of a price -> decimals of its unit
MOST_PRECISION = 16


def read_parquet(content: BufferedReader, name: str, path: str, options: FileOptions) -> TickReader:
    """Read a Parquet file.

    Raises:
        FeedError: it is refused, or the package is missing.
    """
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415  # an extra
    except ImportError:
        raise FeedError(f'{name} is a Parquet file, which needs the extra parquet: pip install "hulak[parquet]"') from None
    try:
        table = pq.ParquetFile(content)
    except (*BROKEN, ValueError) as error:
        raise FeedError(f"{name} is damaged: {error}") from error
    if b"instrument_id" in (table.schema_arrow.metadata or {}):
        return NautilusFile(table, name, options)
    return TickLines(_json_lines(table, name), name, path, options)


class NautilusFile(TickReader):
    """A file of quotes of a Nautilus catalogue; see `TickReader`.

    Args:
        table: the `pyarrow.parquet.ParquetFile`.
        name: of the file.
        options: the user's.
    Raises:
        FeedError: it is refused.
    """

    def __init__(self, table: Any, name: str, options: FileOptions) -> None:
        super().__init__(name, options)
        schema = table.schema_arrow
        columns = set(schema.names)
        if not {"bid_price", "ask_price", "ts_event"} <= columns:
            kind = "bars" if {"open", "close"} <= columns else "trades" if "trade_id" in columns else "no quotes"
            raise self.refusal(f"it is a Nautilus file of {kind}, must be one of quotes (quote_tick)")
        instrument = schema.metadata[b"instrument_id"].decode(errors="replace")
        symbol, _, self.origin = instrument.rpartition(".")
        self.symbol = canonical_symbol(symbol or instrument)
        if self._wanted not in {None, self.symbol}:
            raise EmptyFile(f"{name} has quotes of {self.symbol}, not of {self._wanted}")
        self.form = f"Nautilus quotes of {instrument}"
        width = getattr(schema.field("bid_price").type, "byte_width", 0)
        precision = schema.metadata.get(b"price_precision", b"")
        if width not in DIGITS or width != getattr(schema.field("ask_price").type, "byte_width", 0):
            raise self.refusal(f"its prices are {schema.field('bid_price').type}, must be whole numbers of 16 or 8 bytes")
        if not precision.isdigit() or int(precision) > DIGITS[width]:
            raise self.refusal(
                f"its price_precision is {precision!r}, must be 0 to {DIGITS[width]}: the unit of its prices is unknown"
            )
        self.scale = f"1e-{DIGITS[width]}, {int(precision)} decimals"
        self._unit = 10 ** DIGITS[width]
        self._step = 10 ** (DIGITS[width] - int(precision))
        self._rows = self._read(table)
        self.check()

    def _read(self, table: Any) -> Iterator[tuple[Any, Any, Any]]:
        try:
            for batch in table.iter_batches(ROWS, columns=["bid_price", "ask_price", "ts_event"]):
                yield from zip(*(batch.column(name).to_pylist() for name in ("bid_price", "ask_price", "ts_event")), strict=True)
        except (*BROKEN, ValueError) as error:
            raise self.refusal(f"it is damaged: {error}") from error

    def _parsed(self) -> Iterator[Item]:
        symbol, source = self.symbol, self.options.source
        for number, (bid, ask, time_ns) in enumerate(self._rows, 1):
            try:
                yield Tick(symbol, self._price(bid), self._price(ask), time_of(time_ns, "ts_event"), source)
            except FeedError as error:
                yield FeedError(f"{self.name} row {number}: {error}")

    def _price(self, value: bytes | int | None) -> float:
        if value is None:
            raise FeedError("a price is missing")
        raw = value if isinstance(value, int) else int.from_bytes(value, "little", signed=True)
        if raw % self._step:
            raise self.refusal(f"a price is {raw} in units of {self.scale}: the unit is another one")
        return float(raw / self._unit)


def _json_lines(table: Any, name: str) -> Iterator[str]:
    """Write the rows as JSON, whose keys are columns; times with a zone as ns since 1970 UTC, others as they are."""
    import pyarrow as pa  # noqa: PLC0415

    try:
        for batch in table.iter_batches(ROWS):
            columns = [_values(column, pa) for column in batch.columns]
            names = batch.schema.names
            for row in zip(*columns, strict=True):
                yield json.dumps(dict(zip(names, row, strict=True)), default=str)
    except (*BROKEN, ValueError) as error:
        raise FeedError(f"{name} is damaged: {error}") from error


def _values(column: Any, pa: Any) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        zoned = column.cast(pa.timestamp("ns", kind.tz))
        return list(zoned.cast(pa.int64() if kind.tz is not None else pa.string()).to_pylist())
    return list(column.to_pylist())
