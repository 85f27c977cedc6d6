"""A table of textual that shows a list which changes all the time: only changed cells are drawn, the cursor stays at its row.

Its widget renders each cell again after any change. Here a cell is rendered again when its own text changes, and the widget has
the new texts of the rows that the terminal shows, of others when they come into view.
"""

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.text import Text
from textual.cache import LRUCache
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from hulak.clients.cli.listing import Column, Order, Row

Cell = tuple[str, str]  # text, style
RENDERED = 4000  # cells that are kept rendered
VALUE_COLUMNS = 2000  # most characters of a value; the table is moved sideways to read it


class Grid(DataTable[Text]):
    """A table of rows; the rows of the widget are reused, so that its scroll position never jumps."""

    def __init__(self) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False)
        self.columns_shown: list[Column] = []
        self._heads: list[str] = []
        self._cells: Sequence[Sequence[Cell]] = []  # of all rows
        self._shown: list[Sequence[Cell]] = []  # of all rows, as the widget has them
        self._keys: list[str] = []
        self._rendered: LRUCache[Any, Any] = LRUCache(RENDERED)

    def action_scroll_home(self) -> None:
        """Go to the first row: a cursor that is a row has no first column to go to."""
        self.action_scroll_top()

    def action_scroll_end(self) -> None:
        """Go to the last row."""
        self.action_scroll_bottom()

    def restart(self) -> None:
        """Forget the list: another one comes."""
        self.clear(columns=True)
        self._rendered.clear()
        self.columns_shown, self._heads, self._cells, self._shown, self._keys = [], [], [], [], []

    def column_at(self, index: int) -> str:
        """Return the name of a shown column."""
        return self.columns_shown[index].name

    def show(self, columns: Sequence[Column], rows: Sequence[Row], order: Order, width: int) -> None:
        """Show rows.

        Args:
            columns: all of them; a terminal that is too narrow for one leaves it out.
            rows: in their order.
            order: by which they are sorted, for the headings.
            width: columns of the terminal.
        """
        shown = [(at, column) for at, column in enumerate(columns) if width >= column.least]
        self._set_columns([(column, f"{column.heading}{order.mark(column.name)}") for _, column in shown])
        cells = [[(row.cells[at], row.styles.get(at, "")) for at, _ in shown] for row in rows]
        self._set_rows([row.key for row in rows], cells)

    def show_texts(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows of texts, the first column of which identifies a row."""
        self._set_columns([(Column(head, is_text=True), head) for head in heads])
        self._set_rows([row[0] for row in rows], [[(text[:VALUE_COLUMNS], "") for text in row] for row in rows])

    def _set_columns(self, columns: Sequence[tuple[Column, str]]) -> None:
        if [column for column, _ in columns] != self.columns_shown:
            self.restart()
            self.columns_shown = [column for column, _ in columns]
            for column in self.columns_shown:  # with room for the arrow of the order
                self.add_column(
                    Text(f"{column.heading} ", justify="left" if column.is_text else "right"),
                    key=column.name,
                    width=len(column.heading) + 1,
                )
        heads = [head for _, head in columns]
        if heads != self._heads:
            self._heads = heads
            for (column, head), at in zip(columns, self.ordered_columns, strict=True):
                at.label = Text(head if head != column.heading else f"{head} ", justify="left" if column.is_text else "right")
            self._update_count += 1  # the headings are kept drawn until this changes
            self.refresh()

    def _set_rows(self, keys: list[str], rows: list[list[Cell]]) -> None:
        at_key = self._keys[self.cursor_row] if 0 < self.cursor_row < len(self._keys) else None
        while self.row_count > len(rows):
            self.remove_row(self.ordered_rows[-1].key)
        del self._shown[len(rows) :]
        for cells in rows[len(self._shown) :]:
            self.add_row(*(self._text(at, cell) for at, cell in enumerate(cells)))
            self._shown.append(cells)
        self._cells = rows
        self._update_visible()
        self._widen(rows)
        self._keys = keys
        if at_key in keys and keys.index(at_key) != self.cursor_row:
            self.move_cursor(row=keys.index(at_key))

    def _text(self, at: int, cell: Cell) -> Text:
        text, style = cell
        return Text(
            text, style=style, justify="left" if self.columns_shown[at].is_text else "right", no_wrap=True, overflow="ellipsis"
        )

    def _update_visible(self) -> None:
        """Set the cells of the widget that have changed, in the rows that the terminal shows."""
        first = max(0, int(self.scroll_y) - 1)
        for number in range(first, min(len(self._shown), first + self.size.height + 2)):
            cells = self._cells[number]
            for at, (now, before) in enumerate(zip(cells, self._shown[number], strict=True)):
                if now != before:
                    self.update_cell_at(Coordinate(number, at), self._text(at, now))
            self._shown[number] = cells

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Show the newest texts of the rows that come into view."""
        super().watch_scroll_y(old_value, new_value)
        self._update_visible()

    def _render_cell(self, row_index: int, column_index: int, *styles: Any, **more: Any) -> Any:
        if row_index < 0:
            return super()._render_cell(row_index, column_index, *styles, **more)
        shown = self._shown[row_index][column_index]
        key = (row_index, column_index, shown, *styles, *more.values(), self._show_hover_cursor, self._pseudo_class_state)
        if key not in self._rendered:
            self._rendered[key] = super()._render_cell(row_index, column_index, *styles, **more)
        return self._rendered[key]

    def _widen(self, rows: list[list[Cell]]) -> None:
        """Make the columns as wide as their longest cells; they do not become narrower, so that nothing jumps."""
        for at, column in enumerate(self.ordered_columns):
            longest = max((cell_len(cells[at][0]) for cells in rows), default=0)
            if longest > column.width:
                column.width = longest
                self._require_update_dimensions = True
                self._clear_caches()
