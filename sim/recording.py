"""Sources of a venue: recorded messages, or quotes of any origin. Pure but for opening files.

Recordings are in the line format of cryptofeed's sample data: `<receive time, epoch s>: <raw message>`. Lines with `<->`
(a connection was made) or `<-` (the client sent something) are not messages of the venue and are ignored.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hulak.bus.errors import ConfigError
from hulak.sim.fx_market import Quote

_MESSAGE = re.compile(r"([0-9]{1,12}(?:\.[0-9]+)?): (.+)").fullmatch


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded message."""

    after_s: float  # seconds since the first message of the recording, never less than the message before
    text: str  # the raw message


@dataclass(frozen=True, slots=True)
class Recording:
    """Messages to replay to each client, and the speed."""

    messages: tuple[Recorded, ...]
    speed: float | None = 1.0  # 1.0 is real time, 10.0 ten times as fast; None: without waiting
    close_at_end: bool = False  # close the connection after the last message

    def __post_init__(self) -> None:
        if self.speed is not None and not 0 < self.speed < math.inf:
            raise ConfigError(f"speed is {self.speed}, must be above 0 and finite, or None for no waiting")

    def due_s(self, message: Recorded) -> float:
        """Return when a message is due, in seconds after its client connected."""
        return 0.0 if self.speed is None else message.after_s / self.speed


def load_recording(path: Path, *, speed: float | None = 1.0, close_at_end: bool = False) -> Recording:
    """Read a recording into memory.

    Raises:
        ConfigError: the file is unreadable, has no message or a malformed line, or the speed is not above 0.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            messages = tuple(parse_recording(lines, path.name))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"recording {path} cannot be read: {error}") from error
    if not messages:
        raise ConfigError(f"recording {path} has no message; its lines must be '<epoch s>: <raw message>'")
    return Recording(messages, speed, close_at_end)


def parse_recording(lines: Iterable[str], name: str) -> Iterator[Recorded]:
    """Parse the lines of a recording; yields its messages in order.

    Args:
        lines: with or without line ends.
        name: name of the file, for errors.
    Raises:
        ConfigError: a line is malformed.
    """
    first_s, after_s = None, 0.0
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        message = _MESSAGE(line)
        if message:
            at_s = float(message[1])
            first_s = at_s if first_s is None else first_s
            after_s = max(after_s, at_s - first_s)
            yield Recorded(after_s, message[2])
        elif line and " <-" not in line:
            raise ConfigError(f"{name} line {number} is {line[:60]!r}, must be '<epoch s>: <raw message>'")


class Playback:
    """Quotes of any origin as the source of a venue, timed by their timestamps.

    Args:
        quotes: oldest first; read lazily.
        speed: 1.0 is real time, 10.0 ten times as fast.
    Raises:
        ConfigError: the speed is not above 0 or not finite.
    """

    def __init__(self, quotes: Iterable[Quote], speed: float = 1.0) -> None:
        if not 0 < speed < math.inf:
            raise ConfigError(f"speed is {speed}, must be above 0 and finite")
        self._quotes = iter(quotes)
        self._speed = speed
        self._next = self._read()
        self._start_s = self._next.time_s if self._next else 0.0
        self.now_s = 0.0

    def advance(self, dt_s: float) -> list[Quote]:
        """Advance the time and return the due quotes, oldest first, timed in seconds since the first quote."""
        self.now_s += dt_s
        due = []
        while self._next is not None:
            time_s = (self._next.time_s - self._start_s) / self._speed
            if time_s > self.now_s:
                break
            due.append(replace(self._next, time_s=time_s))
            self._next = self._read()
        return due

    def _read(self) -> Quote | None:
        return next(self._quotes, None)
