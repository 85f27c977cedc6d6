"""A table on a terminal that is redrawn in place, with a row per topic or display: arrows scroll, q ends it."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hulak.clients.cli.keys import terminal
from hulak.clients.cli.listing import Listing
from hulak.clients.cli.scroll import Scroll, cut
from hulak.clients.printable import printable

if TYPE_CHECKING:
    from hulak.bus.subscriber.events import Event
    from hulak.clients.subscriber import Subscriber

Listed = Callable[[float], Listing]
POLL_S = 0.1  # most seconds until a key is handled
DRAW_S = 0.25  # least seconds between two drawings
FOOT = "q quits, arrows scroll"
AROUND = 3  # lines around the rows: the headings, the rest, the keys


def is_possible() -> bool:
    """Return whether the output is a terminal that can be redrawn."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


@dataclass
class InPlace:
    """The table.

    Args:
        listing: returns the rows at a time in monotonic seconds, or a text in place of none.
        pressed: waits for keys and returns them; None without keys.
        update: draws a renderable.
    """

    listing: Listed
    pressed: Callable[[float], list[str]] | None
    update: Callable[[Any], None]
    scroll: Scroll = field(default_factory=Scroll)
    drawn: float = 0.0  # when it was drawn, monotonic seconds

    def turn(self, now: float) -> bool:
        """Handle keys, and draw if it is time; return False for the key to quit."""
        keys = self.pressed(0.0) if self.pressed is not None else []
        moves = [self.scroll.press(key) for key in keys]
        if "q" in keys or "Q" in keys:
            return False
        if now - self.drawn >= DRAW_S or any(moves):
            self.drawn = now
            size = shutil.get_terminal_size()
            self.update(rendered(self.listing(now), self.scroll, size.columns, size.lines))
        return True


def rendered(listing: Listing, scroll: Scroll, width: int, height: int) -> Any:
    """Return the table as it fits a terminal, with the number of rows that do not."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from hulak.clients.cli.top_view import cell

    shown = [(at, column) for at, column in enumerate(listing.columns) if width >= column.least]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for _, column in shown:
        justify: Any = "left" if column.is_text else "right"
        table.add_column(column.heading, justify=justify, no_wrap=True, overflow="ellipsis")
    visible, rest = cut(listing.rows, max(1, height - AROUND + 1), scroll)
    for row in visible:
        table.add_row(*(cell(row, at, is_text=column.is_text) for at, column in shown))
    if not listing.rows and listing.empty:
        return Group(table, Text(printable(listing.empty), style="yellow"), Text(FOOT, style="dim", no_wrap=True))
    return Group(table, Text(f"{rest}; {FOOT}" if rest else FOOT, style="dim", no_wrap=True, overflow="ellipsis"))


def follow(subscriber: "Subscriber", listing: Listed, add: Callable[["Event", float], None], timeout_s: float | None) -> bool:
    """Show a subscriber's messages on the whole terminal until q or Ctrl-C; the terminal is restored at the end.

    Args:
        subscriber: in the mode `latest`.
        listing: as in `InPlace`.
        add: takes a message that came, at a time in monotonic seconds.
        timeout_s: seconds without a message after which to end; None: no limit.
    Returns:
        False if no message came for `timeout_s`.
    """
    from rich.live import Live

    last = time.monotonic()
    with (
        contextlib.suppress(KeyboardInterrupt),
        terminal(live=True) as pressed,
        Live(screen=True, auto_refresh=False) as live,
    ):
        shown = InPlace(listing, pressed, lambda drawn: live.update(drawn, refresh=True))
        while shown.turn(now := time.monotonic()):
            if timeout_s is not None and now - last >= timeout_s:
                return False
            while (left_s := now + POLL_S - time.monotonic()) > 0 and (event := subscriber.poll(left_s)) is not None:
                last = time.monotonic()
                add(event, last)
    return True
