"""The answers that the gateway gives operators without the broker: figures over time, log and keys. PROTOCOL.md section 12.2.

Its history of figures is written to a file in the home from time to time and at the end, so that it outlives a restart.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hulak.bus.errors import BusError, ConfigError
from hulak.bus.process import key_files
from hulak.bus.process.log_type import Log
from hulak.clients.gateway.charted_figures import figures_of
from hulak.clients.gateway.figure_history import FigureHistory
from hulak.clients.gateway.log_files import LogFilter, read_log
from hulak.clients.gateway.operator_messages import HistoryRead, KeyRevoke, KeysList, Local, LogRead

FILE = "gateway-history.bin"  # in the home's folder `run`
SAVED_S = 300.0  # between two writes of the file


class OwnAnswers:
    """Answers requests that need no broker.

    Args:
        home: the broker's folder.
        log: of this process.
    """

    def __init__(self, home: Path, log: Log) -> None:
        self._home = home
        self._log = log
        self._before: Mapping[str, Any] | None = None
        self._at = self._saved_at = time.monotonic()
        self.history = self._load(time.time())

    @property
    def _file(self) -> Path:
        return self._home / "run" / FILE

    def _load(self, now: float) -> FigureHistory:
        try:
            return FigureHistory.unpack(self._file.read_bytes(), now)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            self._log.warning("history of figures not read", file=str(self._file), why=str(error)[:300])
        return FigureHistory(now)

    def take_stats(self, stats: Mapping[str, Any], now: float) -> None:
        """Add the broker's statistics to the history, at `now` in monotonic seconds."""
        self.history.add(time.time(), figures_of(stats, self._before, now - self._at))
        self._before, self._at = stats, now

    def save_due(self, now: float) -> bool:
        """Return whether the history should be saved again, at `now` in monotonic seconds; it counts as saved from then on."""
        if now - self._saved_at < SAVED_S:
            return False
        self._saved_at = now
        return True

    async def save(self) -> None:
        """Write the history to its file; a failure is logged."""
        await asyncio.to_thread(self._write, self.history.pack())

    def _write(self, data: bytes) -> None:
        beside = self._file.with_suffix(".new")
        try:
            with open(beside, "wb", opener=_private) as file:  # private from the start
                file.write(data)
            beside.replace(self._file)
        except OSError as error:
            self._log.warning("history of figures not written", file=str(self._file), why=str(error))
            with contextlib.suppress(OSError):
                beside.unlink()

    async def answer(self, command: Local, by: str) -> Any:
        """Return the answer to a request.

        Args:
            command: of a client with the right to it.
            by: name of the sender, for the log.
        Raises:
            BusError: why there is none.
        """
        match command:
            case HistoryRead(figure=figure, span=span, points=points):
                # In a thread: the lines of a hundred processes take some 70 ms.
                return await asyncio.to_thread(self.history.read, time.time(), figure, span, points)
            case LogRead(process=process, level=level, text=text, limit=limit):
                return await asyncio.to_thread(read_log, self._home / "log", LogFilter(process, level, text, limit))
            case KeysList():
                return await asyncio.to_thread(keys_of, self._home)
            case KeyRevoke(name=name):
                self._log.warning("key revoked", key=name, by=by)
                return await asyncio.to_thread(revoke, self._home, name)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def keys_of(home: Path) -> dict[str, Any]:
    """Return the authorised keys of a home without their public keys, and the files that do not count."""
    keys, refused = key_files.read_authorised_keys(home)
    rows = [
        {
            "name": key.name,
            "roles": sorted(map(str, key.roles)),
            "note": key.note,
            "expires": key.expires and key.expires.isoformat(),
        }
        for key in keys.values()
    ]
    return {"keys": rows, "refused": refused}


def revoke(home: Path, name: str) -> dict[str, Any]:
    """Remove an authorised key; the broker ends its connections within about a second.

    Raises:
        BusError: `UNKNOWN_KEY`; or `BAD_ARGUMENT`, the name is not allowed.
    """
    try:
        is_removed = key_files.remove_authorised_key(home, name)
    except ConfigError as error:
        raise BusError("BAD_ARGUMENT", str(error)) from error
    if not is_removed:
        raise BusError("UNKNOWN_KEY", f"key {name!r} is unknown; another client may have revoked it")
    return {"name": name, "revoked": True}
