"""The failures of supervised processes in a file of the home, so that a restarted scaler continues with the same delays."""

import contextlib
import json
import os
from pathlib import Path

from hulak.bus.process.log_type import Log
from hulak.workers.revival import Revival

NAME = "revivals.json"


class RevivalFile:
    """The file of a `Revival`, `<home>/run/revivals.json`.

    Args:
        revival: has the failures.
        home: the folder of the broker and of supervisord.
        log: of this process.
    """

    def __init__(self, revival: Revival, home: Path, log: Log) -> None:
        self.revival = revival
        self.path = home / "run" / NAME
        self.log = log
        self._written = ""
        self._trouble = ""  # logged last

    def read(self) -> None:
        """Continue with the failures in the file; without a readable file the delays begin again."""
        try:
            text = self.path.read_text(encoding="utf-8")
            self.revival.restore(json.loads(text))
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:
            self.log.warning("failures not read", file=str(self.path), why=str(error))
        else:
            self._written = text

    def write(self) -> None:
        """Write the failures if they have changed; an error is logged once."""
        text = json.dumps(self.revival.as_dict())
        if text == self._written:
            return
        unfinished = self.path.with_suffix(".new")
        try:
            fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
            unfinished.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            if str(error) != self._trouble:
                self.log.warning("failures not written", file=str(self.path), why=str(error))
            self._trouble = str(error)
        else:
            self._written, self._trouble = text, ""
