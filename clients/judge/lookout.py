"""Looks at supervisord again and again, in a thread of its own, for who must not wait for it."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from bus.process.supervisor_rpc import Unreached, list_processes

LOOK_S = 2.0  # each look wakes supervisord


class Lookout:
    """What supervisord keeps; a context manager.

    Args:
        home: the folder that it serves.
    """

    def __init__(self, home: Path) -> None:
        self.rows: Sequence[Mapping[str, Any]] = ()  # as `list_processes`; replaced as a whole
        self._home = home
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look, name="lookout", daemon=True)

    def __enter__(self) -> Self:
        self.look()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; returns at once, before the first look."""
        self._thread.start()

    def look(self) -> None:
        """Look now."""
        try:
            self.rows = list_processes(self._home)
        except Unreached:
            self.rows = ()

    def stop(self) -> None:
        """End; does not wait for a look that is under way."""
        self._ends.set()

    def _look(self) -> None:
        while not self._ends.is_set():
            self.look()
            self._ends.wait(LOOK_S)
