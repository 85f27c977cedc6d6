"""The screens of `hulak top` beside its lists: the details of a row, and the keys."""

import time
from typing import ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Static

from hulak.clients.cli.grid import Grid
from hulak.clients.cli.listing import Row
from hulak.clients.cli.top_source import Shown, Source
from hulak.clients.cli.top_state import TopState, message
from hulak.clients.cli.top_tabs import TABS, details
from hulak.clients.cli.top_view import head
from hulak.clients.printable import printable

KEYS = (
    ("q, Ctrl-C", "quit"),
    ("1 to 6, Tab, Shift-Tab", "choose a tab"),
    ("arrows, PageUp, PageDown, Home, End", "move; left and right move a table that is wider than the terminal"),
    ("Enter, or a second click", "details of the row; of a topic, its messages as they come"),
    ("Escape", "back; in a list it removes the filter"),
    ("/", "filter: rows that have all of its words; Enter goes to the rows"),
    ("< and >, or a click on a heading", "sort by another column"),
    ("r, or a second click", "reverse the order"),
    ("space", "pause the updates, and continue"),
    ("?", "show these keys, or go back"),
)


class TopScreen(Screen[None]):
    """A screen with the lines of the head."""

    def __init__(self, state: TopState, source: Source) -> None:
        super().__init__()
        self.state, self.source = state, source
        self._written: dict[str, list[Text]] = {}  # by the widget

    def on_resize(self, event: Resize) -> None:
        """Draw for the new size."""
        del event
        self.draw()

    def draw(self) -> None:
        """Draw what has changed; nothing before the parts of the screen are there, and after they are gone."""
        if self.query("#head"):
            self.draw_parts()

    def draw_parts(self) -> None:
        """Draw the parts of the screen."""

    def draw_head(self) -> None:
        """Draw the lines above everything."""
        state = self.state
        width, height = self.size
        lines = head(state.data, state.history, width, height=height, paused=state.paused, context=state.context)
        self.write("#head", lines)

    def write(self, place: str, lines: list[Text]) -> None:
        """Write lines into a widget: only if they differ, and with a new layout of the screen only if their number does."""
        before = self._written.get(place)
        if before == lines:
            return
        self._written[place] = lines
        self.query_one(place, Static).update(
            lines[0] if len(lines) == 1 else Group(*lines), layout=before is None or len(before) != len(lines)
        )


class DetailScreen(TopScreen):
    """The details of a row: names and values, or the messages of a topic."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,backspace", "back", "back", key_display="Esc")]

    def __init__(self, state: TopState, source: Source, tab: str, row: Row) -> None:
        super().__init__(state, source)
        self.tab, self.row = tab, row

    def compose(self) -> ComposeResult:
        """Make the widgets."""
        yield Static(id="head")
        yield Static(id="title")
        yield Grid()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Request the details."""
        self.state.messages.clear()
        self.source.show(Shown(self.tab, self.row.key))
        self.set_focus(self.query_one(Grid))
        self.draw()

    def draw_parts(self) -> None:
        """Draw what has changed."""
        self.draw_head()
        chosen = next(tab for tab in TABS if tab.name == self.tab)
        listing = chosen.listing(self.state.data, time.monotonic())
        now = listing.at(self.row.key)
        self.row = now or self.row
        parts = [] if self.tab != "topics" else [cell for cell in self.row.cells[1:] if cell != "-"]
        title = "  ".join([f"{chosen.row_name} {self.row.cells[1 if self.tab == 'processes' else 0]}", *parts])
        notes = ([] if now is not None else ["  gone"]) + ([f"  {self.state.data.problem}"] if self.state.data.problem else [])
        text = Text.assemble((title, "bold"), (printable("".join(notes)), "yellow"), no_wrap=True, overflow="ellipsis")
        self.write("#title", [text])
        if self.tab == "topics":
            self.query_one(Grid).show_texts(("number", "time", "message"), [message(event) for event in self.state.messages])
        else:
            pairs = details(self.state.data, self.tab, self.row, self.state.task_row(self.row.key))
            self.query_one(Grid).show_texts(("name", "value"), pairs)

    def action_back(self) -> None:
        """Go back to the list."""
        self.dismiss()


class KeysScreen(TopScreen):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,backspace,question_mark", "back", "back", key_display="Esc")]

    def compose(self) -> ComposeResult:
        """Make the widgets."""
        yield Static(id="head")
        yield VerticalScroll(Static(_keys()))
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Draw the head, and let the arrows scroll."""
        self.set_focus(self.query_one(VerticalScroll))
        self.draw()

    def draw_parts(self) -> None:
        """Draw what has changed."""
        self.draw_head()

    def action_back(self) -> None:
        """Go back."""
        self.dismiss()


def _keys() -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("key")
    table.add_column("action")
    for key, action in KEYS:
        table.add_row(key, action)
    return table
