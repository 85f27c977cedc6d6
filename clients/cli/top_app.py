"""`hulak top` on a terminal: tabs of sorted, filtered lists. Their contents are in `top_tabs.py`."""

import time
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static, Tab, Tabs

from hulak.clients.cli.grid import Grid
from hulak.clients.cli.listing import Order, Row, arranged
from hulak.clients.cli.top_screens import DetailScreen, KeysScreen, TopScreen
from hulak.clients.cli.top_source import Shown, Source
from hulak.clients.cli.top_state import TopState
from hulak.clients.cli.top_tabs import TABS, ListTab, TopData
from hulak.clients.judge.verdict import Verdict
from hulak.clients.printable import printable

TURN_S = 0.25  # between two looks for updates
AGES_S = 1.0  # between two drawings without an update: ages grow
MOST_ROWS = 1000  # that a list shows; a filter finds the others


class Filter(Input):
    """The field of the filter."""

    async def action_submit(self) -> None:
        """Go to the rows at once: a message could come after the next key."""
        assert isinstance(self.screen, ListScreen)
        self.screen.close_filter()


class ListScreen(TopScreen):
    """The tabs, and the list of the chosen one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("less_than_sign", "sort(-1)", "sort", key_display="< >"),
        Binding("greater_than_sign", "sort(1)", show=False),
        Binding("r", "reverse", "reverse"),
        Binding("escape", "unfilter", show=False),
        Binding("tab", "next(1)", show=False, priority=True),
        Binding("shift+tab", "next(-1)", show=False, priority=True),
        *(Binding(str(number), f"tab('{tab.name}')", show=False) for number, tab in enumerate(TABS, 1)),
    ]

    def __init__(self, state: TopState, source: Source, order: Order) -> None:
        super().__init__(state, source)
        self.orders = {tab.name: Order() for tab in TABS} | {TABS[0].name: order}
        self.filters = {tab.name: "" for tab in TABS}
        self.chosen = TABS[0]
        self._rows: list[Row] = []

    def compose(self) -> ComposeResult:
        """Make the widgets."""
        yield Static(id="head")
        tabs = Tabs(*(Tab(f"{number} {tab.title}", id=tab.name) for number, tab in enumerate(TABS, 1)))
        tabs.can_focus = False
        yield tabs
        yield Grid()
        yield Static(id="note")
        yield Filter(placeholder="filter", id="filter", compact=True, select_on_focus=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Focus the list."""
        self.query_one("#filter").display = False
        self.set_focus(self.query_one(Grid))

    def draw_parts(self) -> None:
        """Draw what has changed."""
        self.draw_head()
        now = time.monotonic()
        listing, name = self.chosen.listing(self.state.data, now), self.chosen.name
        matching = arranged(listing, self.orders[name], self.filters[name])
        self._rows = matching[:MOST_ROWS]
        self.query_one(Grid).show(listing.columns, self._rows, self.orders[name], self.size.width)
        notes = [f"filter {self.filters[name]!r}: {len(matching):,} of {len(listing.rows):,}"] if self.filters[name] else []
        notes += [f"{MOST_ROWS:,} of {len(matching):,} shown, / filters"] if len(matching) > MOST_ROWS else []
        notes += [listing.empty] if not listing.rows else [self.state.data.problem] if self.state.data.problem else []
        note = self.query_one("#note", Static)
        note.display = bool(notes)
        self.write("#note", [Text(printable("; ".join(notes)), style="yellow", no_wrap=True, overflow="ellipsis")])

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """Show the list of a tab that was clicked."""
        self._choose(next(tab for tab in TABS if tab.name == event.tab.id))

    def _choose(self, tab: ListTab) -> None:
        """Show the list of a tab."""
        if tab is self.chosen:
            return
        self.chosen = tab
        self.state.data.problem = ""
        self.source.show(Shown(tab.name))
        self.query_one(Tabs).active = tab.name
        self.close_filter()
        self.query_one(Grid).restart()
        self.draw()

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """Sort by a column whose heading was clicked."""
        self._sort(self.orders[self.chosen.name].by(self.query_one(Grid).column_at(event.column_index)))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the details of a row."""
        if event.cursor_row < len(self._rows):
            self.app.push_screen(DetailScreen(self.state, self.source, self.chosen.name, self._rows[event.cursor_row]))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while a filter is typed."""
        self.filters[self.chosen.name] = event.value
        self.draw()

    def on_screen_resume(self) -> None:
        """Go on where the details were opened."""
        self.source.show(Shown(self.chosen.name))
        self.draw()

    def action_filter(self) -> None:
        """Open the field of the filter."""
        field = self.query_one("#filter", Input)
        field.value, field.display = self.filters[self.chosen.name], True
        self.set_focus(field)

    def action_unfilter(self) -> None:
        """Remove the filter."""
        self.filters[self.chosen.name] = ""
        self.close_filter()
        self.draw()

    def close_filter(self) -> None:
        """Close the field of the filter, and go to the rows."""
        self.query_one("#filter", Input).display = False
        self.set_focus(self.query_one(Grid))

    def action_sort(self, steps: int) -> None:
        """Sort by a column to the right or to the left."""
        self._sort(self.orders[self.chosen.name].step(self.query_one(Grid).columns_shown, steps))

    def action_reverse(self) -> None:
        """Reverse the order."""
        order = self.orders[self.chosen.name]
        self._sort(Order(order.column, not order.reverse))

    def _sort(self, order: Order) -> None:
        self.orders[self.chosen.name] = order
        self.draw()

    def action_tab(self, name: str) -> None:
        """Choose a tab."""
        self._choose(next(tab for tab in TABS if tab.name == name))

    def action_next(self, steps: int) -> None:
        """Choose a neighbour of the tab."""
        self._choose(TABS[(TABS.index(self.chosen) + steps) % len(TABS)])


class TopApp(App[None]):
    """The application.

    Args:
        source: of the data.
        judge: judges the data at a time in monotonic seconds.
        state: at the start.
        order: of the processes.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head, #title, #note { height: auto; width: 1fr; }
    #title { margin: 1 0 0 0; }
    #filter { height: 1; }
    Grid { height: 1fr; }
    Tabs { height: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("space", "pause", "pause"),
        Binding("question_mark", "keys", "keys", key_display="?"),
    ]

    def __init__(
        self, source: Source, judge: Callable[[TopData, float], Verdict], state: TopState, order: Order | None = None
    ) -> None:
        super().__init__()
        self.source, self.state = source, state
        self._judge, self._order = judge, order or Order()
        self._rests_until = 0.0  # monotonic seconds
        self._drawn = -AGES_S  # when the screen was drawn by itself, monotonic seconds

    def on_mount(self) -> None:
        """Begin with the list of processes."""
        self.push_screen(ListScreen(self.state, self.source, self._order))
        self.set_interval(TURN_S, self.tick)

    def tick(self) -> None:
        """Take a turn, and rest as long as it took: with thousands of processes there is time for keys."""
        if (began := time.monotonic()) >= self._rests_until:
            self.turn()
            self._rests_until = 2 * time.monotonic() - began

    def turn(self) -> None:
        """Take the updates; draw if there are any, if the health has changed, and once a second for the ages."""
        state, now = self.state, time.monotonic()
        updates = self.source.updates()
        for update in updates:
            state.take(update, now)
        if not state.paused:
            state.data.supervised = self.source.supervised()
        before, state.data.verdict = state.data.verdict, self._judge(state.data, now)
        is_same = before is not None and before.findings == state.data.verdict.findings
        if is_same and not updates and now < self._drawn + AGES_S:
            return
        self._drawn = now
        if state.remaining is not None and state.remaining <= 0:
            self.exit()
        elif isinstance(self.screen, TopScreen) and self.screen.is_mounted:
            self.screen.draw()

    def action_pause(self) -> None:
        """Pause the updates, and continue."""
        self.state.paused = not self.state.paused
        self._drawn = -AGES_S
        self.turn()

    def action_keys(self) -> None:
        """Show the keys."""
        self.push_screen(KeysScreen(self.state, self.source))
