"""One table of a chunk of frames: its parts, which were read in different ways, joined in order."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hulak.clients.tables.coded import Coded
from hulak.clients.tables.columns import Row, symbol_of
from hulak.clients.tables.schema import CODED, NUMPY, array_of, kinds_of, schema_of

Vector = NDArray[Any]
Values = tuple[Vector, Vector | None]  # of a column, and which of them are there; None: all
ROW_FIELDS = {"epoch": "epoch", "sequence": "sequence", "time": "time_ns", "symbol": "name", "rest": "rest", "packed": "packed"}


@dataclass(slots=True)
class TableBuilder:
    """Rows of one table, in parts."""

    table: str
    root: str  # of its topics
    rows: list[Vector] = field(default_factory=list)  # int64, of each part: which of the frames they are
    parts: list[dict[str, Values]] = field(default_factory=list)  # of each part: its columns; a missing one is null
    # Values of the columns that are codes; those of "symbol" are all of a topic behind its root, until the parts are joined.
    coded: dict[str, Coded] = field(default_factory=dict)

    def codes(self, name: str) -> Coded:
        """Return the values of a column of codes so far."""
        return self.coded.setdefault(name, Coded())

    def add(self, rows: Vector, columns: dict[str, Values]) -> None:
        """Add a part."""
        self.rows.append(rows)
        self.parts.append(columns)

    def add_rows(self, places: list[int], rows: list[Row]) -> None:
        """Add rows that were read one by one."""
        columns: dict[str, Values] = {}
        for name, kind in kinds_of(self.table).items():
            cells = [getattr(row, ROW_FIELDS[name]) if name in ROW_FIELDS else row.cells.get(name) for row in rows]
            valid = np.array([cell is not None for cell in cells], bool)
            if not valid.any():
                continue
            if kind in CODED:
                codes = self.codes(name)
                values = np.array([0 if cell is None else codes.code(cell) for cell in cells], np.int32)
            else:
                values = np.array([0 if cell is None else cell for cell in cells], NUMPY[kind])
            columns[name] = values, valid
        self.add(np.array(places, np.int64), columns)

    def join(self, of_frames: dict[str, Vector | None], *, by_symbol: bool) -> Any:
        """Return the `pyarrow.Table`.

        Args:
            of_frames: columns that are known of all frames.
            by_symbol: in the order of symbols, and of frames within one; else of frames.
        """
        rows = np.concatenate(self.rows)
        order = np.argsort(rows, kind="stable")
        if by_symbol:
            order = order[np.argsort(self._ranks()[order], kind="stable")]
        names, (symbol_codes, symbols) = self.codes("symbol").values, self._symbols()
        arrays = []
        for name, kind in kinds_of(self.table).items():
            values, valid = self._column("symbol" if name == "topic" else name, order)
            coded = self.coded[name].values if name in self.coded else []
            if name in of_frames:
                known = of_frames[name]
                values = None if known is None else known[rows[order]]
            elif name == "topic":
                coded = [f"{self.root}.{text}" for text in names]
            elif name == "symbol" and values is not None:
                values, coded = symbol_codes[values], symbols
            arrays.append(array_of(kind, values, valid, coded, len(order)))
        return pa.table(arrays, schema=schema_of(self.table))

    def _symbols(self) -> tuple[Vector, list[str]]:
        """Return the code of each name's symbol, and the symbols: `bar.1m.EURUSD` and `bar.1h.EURUSD` have one."""
        symbols = Coded()
        codes = [symbols.code(symbol_of(self.table, name)) for name in self.codes("symbol").values]
        return np.array(codes, np.int32), symbols.values

    def _ranks(self) -> Vector:
        """Return the place of each row's name in the order of symbols; rows without one are last."""
        names = self.codes("symbol").values
        keys = [(symbol_of(self.table, name), name) for name in names]
        ranks = np.empty(len(names) + 1, np.uint16 if len(names) < 1 << 16 else np.uint32)
        ranks[sorted(range(len(names)), key=keys.__getitem__)] = np.arange(len(names))
        ranks[-1] = len(names)
        codes = [
            np.full(len(rows), -1) if "symbol" not in part else part["symbol"][0]
            for rows, part in zip(self.rows, self.parts, strict=True)
        ]
        rows: Vector = ranks[np.concatenate(codes)]
        return rows

    def _column(self, name: str, order: Vector) -> tuple[Vector | None, Vector | None]:
        """Return a column of all parts in order; None if none has it."""
        columns = [part.get(name) for part in self.parts]
        first = next((column for column in columns if column is not None), None)
        if first is None:
            return None, None
        values, valid = [], []
        for rows, column in zip(self.rows, columns, strict=True):
            cells, there = (np.zeros(len(rows), first[0].dtype), np.zeros(len(rows), bool)) if column is None else column
            values.append(cells)
            valid.append(np.ones(len(rows), bool) if there is None else there)
        is_whole = all(column is not None and column[1] is None for column in columns)
        return np.concatenate(values)[order], None if is_whole else np.concatenate(valid)[order]
