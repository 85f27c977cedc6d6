"""Polls supervisord in a thread, for callers that must not block."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from hulak.bus.process.supervisor_rpc import Unreached, list_processes

POLL_S = 2.0  # between two queries; each wakes supervisord


class SupervisorPoll:
    """The processes of supervisord; a context manager.

    Args:
        home: the folder of supervisord.
    """

    def __init__(self, home: Path) -> None:
        self.rows: Sequence[Mapping[str, Any]] = ()  # as `list_processes`; replaced as a whole
        self._home = home
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor-poll", daemon=True)

    def __enter__(self) -> Self:
        self.poll()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread; returns before its first query."""
        self._thread.start()

    def poll(self) -> None:
        """Query supervisord now."""
        try:
            self.rows = list_processes(self._home)
        except Unreached:
            self.rows = ()

    def stop(self) -> None:
        """Stop the thread; does not wait for a query in progress."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.poll()
            self._stopping.wait(POLL_S)
