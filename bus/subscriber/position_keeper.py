"""The position of a named subscriber in the broker's store: opened first, saved while it runs. PROTOCOL.md section 7.8."""

import re
import time
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.errors import BusError, BusTimeout, ConfigError, Forbidden
from hulak.bus.process import sockets
from hulak.bus.process.pending_requests import PendingRequest
from hulak.bus.process.requests import RequestChannel
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.events import FORBIDDEN
from hulak.bus.wire.messages import Error, Reply

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
SILENCE_S = 5.0  # without an answer, after which a request is sent again
CLOSE_S = 2.0  # for which the end of a subscriber waits for its last position to be in the store
POLL_S = 0.1
Position = tuple[int, int]  # number in the global order, epoch

LATER = ("BUSY", "INTERNAL", "STORE_FAILED")  # errors after which a save is tried again


class PositionKeeper:
    """The position of one subscriber.

    Args:
        settings: the broker's addresses.
        home: the broker's folder.
        name: of the position.
        save_s: seconds between two saves, at least.
    Raises:
        ConfigError: the name or the seconds are not allowed.
    """

    def __init__(self, settings: Settings, home: Path, name: str, save_s: float) -> None:
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            raise ConfigError(f"name is {name!r}, must be 1 to 64 letters, digits, '.', '_', '-' to keep a position")
        if isinstance(save_s, bool) or not isinstance(save_s, int | float) or not 0 <= save_s < float("inf"):
            raise ConfigError(f"save_s is {save_s!r}, must be a number of seconds from 0 on")
        self.name = name
        self._save_s = save_s
        self._channel = RequestChannel(sockets.process_context(), settings, home, silence_s=SILENCE_S)
        self._token = 0
        self._saved: Position = (0, 0)
        self._request: PendingRequest | None = None  # a save under way
        self._next = 0.0  # when the next save is due, monotonic seconds

    def open(self, timeout_s: float | None) -> Position | None:
        """Take the position over from any earlier subscriber of this name; return it, None if nothing was saved yet.

        Raises:
            BusTimeout: no answer in time.
            BusError: the broker refuses it: `NOT_YOURS`, another key has it; `BUSY`, too many are kept; `STORE_FAILED`.
            Forbidden: the key has no role `subscribe`.
        """
        self._request = self._channel.ask("hulak.position.open", {"name": self.name}, about=(0, 0))
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (answer := self._answer()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise BusTimeout(f"the broker did not open position {self.name!r} within {timeout_s:g} s")
            self._wait(deadline)
        if isinstance(answer, Error):
            raise _error(answer)
        self._request, self._token = None, answer.value["token"]
        self._saved = answer.value["number"], answer.value["epoch"]
        return self._saved if self._saved[0] else None

    def step(self, position: Position | None) -> None:
        """Save a position if that is due; never waits.

        Args:
            position: of the last tick that was processed; None: unknown.
        Raises:
            BusError: `NOT_YOURS`, another subscriber has begun with this name; `UNKNOWN_POSITION`, it was removed.
        """
        self._settle()
        now = time.monotonic()
        if self._request is None and now >= self._next and position is not None and position != self._saved and position[0]:
            self._next = now + self._save_s
            self._ask(position)

    def save(self, position: Position | None, timeout_s: float) -> bool:
        """Save a position, and wait until it is in the store; false if it is not in time. Raises as `step`."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._settle()
            if position is None or not position[0] or (self._request is None and position == self._saved):
                return True
            if time.monotonic() >= deadline:
                return False
            if self._request is None:
                self._ask(position)
            self._wait(deadline)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _ask(self, position: Position) -> None:
        number, epoch = position
        args = {"name": self.name, "token": self._token, "number": number, "epoch": epoch}
        self._request = self._channel.ask("hulak.position.save", args, about=position)

    def _settle(self) -> None:
        """Process the answer to a save under way, if it has come."""
        answer = self._answer()
        if answer is None or self._request is None:
            return
        position: Any = self._request.about
        self._request = None
        if isinstance(answer, Reply):
            self._saved = position
        elif answer.code not in LATER:
            raise _error(answer)
        else:
            self._next = time.monotonic() + max(POLL_S, self._save_s)

    def _answer(self) -> Reply | Error | None:
        if self._request is None:
            return None
        for request, message in self._channel.answers():
            if request is self._request and isinstance(message, Reply | Error):
                return message
        self._channel.step()
        return None

    def _wait(self, deadline: float | None) -> None:
        left_s = POLL_S if deadline is None else max(0.0, min(POLL_S, deadline - time.monotonic()))
        if self._channel.socket is None:
            time.sleep(left_s)
        else:
            self._channel.socket.poll(int(left_s * 1000) + 1, zmq.POLLIN)


def _error(answer: Error) -> BusError:
    if answer.code == FORBIDDEN:
        return Forbidden(answer.text, answer.details)
    return BusError(answer.code, answer.text, answer.details)
