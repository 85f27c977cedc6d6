"""Output of `hulak up`: progress lines until the start is complete, then a live view or one line for each change."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from hulak.clients.cli.command import print_json
from hulak.clients.cli.scroll import Scroll
from hulak.clients.cli.up_changes import Changes
from hulak.clients.judge.situations import Level

if TYPE_CHECKING:
    from hulak.clients.cli.live_model import Snapshot

PRIORITIES = {Level.OK: "", Level.WARNING: "<4>", Level.CRITICAL: "<3>", Level.UNKNOWN: "<3>"}  # sd-daemon(3); none: info


@dataclass
class LiveOutput:
    """Prints progress lines until the start is complete, then the live view or one line for each change."""

    as_json: bool
    live: bool  # standard output is a terminal
    page: str  # its address
    quiet: bool = False  # print changes only
    to_journal: bool = False  # standard output is the journal of systemd, which takes a priority before each line
    complete: bool = False  # the start was complete once
    _printed: str = ""
    _changes: Changes = field(default_factory=Changes)
    _started: float = field(default_factory=time.monotonic)
    _screen: Any = None
    _scroll: Scroll = field(default_factory=Scroll)
    _show_keys: bool = False

    def press(self, key: str) -> bool:
        """Handle a key; return True for the key to quit."""
        self._show_keys ^= key == "?"
        self._scroll.press(key)
        return key in ("q", "Q")

    def progress(self, snapshot: "Snapshot") -> None:
        """Print what is missing, once for each thing, and the summary when the start is complete."""
        missing = snapshot.waits_for()
        self.complete = self.complete or not missing
        line = f"waiting for {missing} ..." if missing else snapshot.standing()
        kind = line.partition(",")[0]  # a count that grows is not printed again
        if kind != self._printed and not (self.complete and missing):
            self._printed = kind
            self.print(line if missing else f"{line} ({time.monotonic() - self._started:.1f} s); page: {self.page}")

    def print(self, text: str, level: Level = Level.OK) -> None:
        """Print one line."""
        if self.as_json:
            print_json({"event": text, "level": level.name})
        else:
            click.echo((PRIORITIES[level] if self.to_journal else "") + text)

    def frame(self, snapshot: "Snapshot") -> None:
        """Draw a frame of the live view, or print a line for each change since the last call."""
        if not self.complete:
            return
        if self.live:
            self._draw(snapshot)
            return
        for change in self._changes.update(snapshot, time.monotonic()):
            self.print(change.text, change.level)

    def result(self, snapshot: "Snapshot") -> None:
        """Print the state at the end of --for: a line unless quiet, with --json all data."""
        from hulak.clients.cli import live_view

        if self.as_json:
            print_json(live_view.facts(snapshot))
        elif not self.live and not self.quiet:
            click.echo(live_view.line(snapshot))

    def _draw(self, snapshot: "Snapshot") -> None:
        from rich.live import Live

        from hulak.clients.cli import live_view

        if self._screen is None:
            self._screen = Live(screen=True, auto_refresh=False)
            self._screen.start()
        console = self._screen.console
        drawn = live_view.render(snapshot, console.width, console.height, self._scroll, show_keys=self._show_keys)
        self._screen.update(drawn, refresh=True)

    def end(self) -> None:
        """Restore the terminal."""
        if self._screen is not None:
            self._screen.stop()
            self._screen = None
