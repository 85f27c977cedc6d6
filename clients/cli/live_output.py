"""What `hulak up` tells the operator: words until everything stands, then a live view or a line each second."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from clients.cli.command import print_json
from clients.cli.scroll import Scroll

if TYPE_CHECKING:
    from clients.cli.live_model import Snapshot

LINE_S = 1.0  # between two plain lines


@dataclass
class LiveOutput:
    """Tells the operator how it goes: in words until everything stands, then as a live view or line by line."""

    as_json: bool
    live: bool  # standard output is a terminal
    page: str  # where the gateway serves it
    quiet: bool = False  # tell only what changes, no line a second
    stood: bool = False
    _said: str = ""
    _line_at: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _screen: Any = None
    _scroll: Scroll = field(default_factory=Scroll)
    _helps: bool = False

    def press(self, key: str) -> bool:
        """Do what a key says; true if it asks to stop."""
        self._helps ^= key == "?"
        self._scroll.press(key)
        return key in ("q", "Q")

    def progress(self, snapshot: "Snapshot") -> None:
        """Say what is waited for, once, and the one line when everything stands."""
        missing = snapshot.waits_for()
        self.stood = self.stood or not missing
        said = f"waiting for {missing} ..." if missing else snapshot.standing()
        kind = said.partition(",")[0]  # counts that grow are not told anew
        if kind != self._said and not (self.stood and missing):
            self._said = kind
            self.say(said if missing else f"{said} ({time.monotonic() - self._started:.1f} s); page: {self.page}")

    def say(self, text: str) -> None:
        """Print one sentence."""
        if self.as_json:
            print_json({"event": text})
        else:
            click.echo(text)

    def frame(self, snapshot: "Snapshot") -> None:
        """Show the numbers: a new frame of the live view, or a line if a second has passed."""
        from clients.cli import live_view

        if self.live and self.stood and not self.as_json:
            self._draw(snapshot)
        elif self.stood and not self.quiet and time.monotonic() - self._line_at >= LINE_S:
            self._line_at = time.monotonic()
            if self.as_json:
                print_json(live_view.facts(snapshot))
            else:
                click.echo(live_view.line(snapshot))

    def _draw(self, snapshot: "Snapshot") -> None:
        from rich.live import Live

        from clients.cli import live_view

        if self._screen is None:
            self._screen = Live(screen=True, auto_refresh=False)
            self._screen.start()
        console = self._screen.console
        drawn = live_view.render(snapshot, console.width, console.height, self._scroll, helps=self._helps)
        self._screen.update(drawn, refresh=True)

    def end(self) -> None:
        """Give the terminal back."""
        if self._screen is not None:
            self._screen.stop()
            self._screen = None
