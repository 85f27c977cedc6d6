"""The program that is judged: started, read line by line, ended with its children."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from hulak.bus.errors import ConfigError

MOST_LINES = 10_000  # kept
LINE_CHARACTERS = 1_000
ENDS_WITHIN_S = 5.0


class Program:
    """A started program.

    Args:
        command: its words.
    Raises:
        ConfigError: it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.lines: list[str] = []  # of its standard output
        self.errors: list[str] = []  # the last ones of its standard error
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(f"the program {command[0]!r} cannot be started: {error.strerror}; give its path") from error
        pipes = ((self._process.stdout, self.lines, MOST_LINES), (self._process.stderr, self.errors, 0))
        self._readers = [threading.Thread(target=_read, args=pipe, daemon=True) for pipe in pipes]
        for reader in self._readers:
            reader.start()

    def code(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs or its output is still read."""
        code = self._process.poll()
        if code is None or any(reader.is_alive() for reader in self._readers):
            return None
        return code

    def end(self) -> None:
        """Kill it and all of its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(ENDS_WITHIN_S)
        for reader in self._readers:
            reader.join(ENDS_WITHIN_S)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None and not any(reader.is_alive() for reader in self._readers):
                pipe.close()


def _read(pipe: IO[str], lines: list[str], most: int) -> None:
    """Read lines to the end: the first ones are kept, or with `most` 0 the last 3."""
    while line := pipe.readline(LINE_CHARACTERS):
        if not most:
            lines[:-2] = []
        if not most or len(lines) < most:
            lines.append(line.rstrip("\r\n"))
