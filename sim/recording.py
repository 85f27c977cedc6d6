"""What a venue replays: messages as they were recorded, or quotes of any origin. Pure but for opening files.

Recordings are in the line format of cryptofeed's sample data: `<receive time, epoch s>: <raw message>`. Lines with `<->`
(a connection was made) or `<-` (the client sent something) are no messages of the venue and are passed over.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bus.errors import ConfigError
from sim.fx_market import Quote

_MESSAGE = re.compile(r"([0-9]{1,12}(?:\.[0-9]+)?): (.+)").fullmatch


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded message."""

    after_s: float  # seconds since the first message of the recording, never less than the message before
    text: str  # the raw message


@dataclass(frozen=True, slots=True)
class Recording:
    """Messages, and how to replay them to each client that connects."""

    messages: tuple[Recorded, ...]
    speed: float | None = 1.0  # 10.0 is ten times as fast as it happened, None without waiting
    close_at_end: bool = False  # close the connection after the last message

    def __post_init__(self) -> None:
        if self.speed is not None and not 0 < self.speed < math.inf:
            raise ConfigError(f"speed is {self.speed}, must be above 0 and finite, or none for as fast as possible")

    def due_s(self, message: Recorded) -> float:
        """Return when a message is due, in seconds after its client connected."""
        return 0.0 if self.speed is None else message.after_s / self.speed


def load_recording(path: Path, *, speed: float | None = 1.0, close_at_end: bool = False) -> Recording:
    """Read a recorded file into memory.

    Raises:
        ConfigError: it cannot be read, holds no message, or a line is not of the format; or the speed is not above 0.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            messages = tuple(parse_recording(lines, path.name))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"recording {path} cannot be read: {error}") from error
    if not messages:
        raise ConfigError(f"recording {path} holds no message")
    return Recording(messages, speed, close_at_end)


def parse_recording(lines: Iterable[str], name: str) -> Iterator[Recorded]:
    """Turn the lines of a recording into its messages, in order.

    Args:
        lines: with or without line ends.
        name: of the file, for errors.
    Raises:
        ConfigError: a line is not of the format.
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
    """Quotes of any origin as a source of a venue, at the pace of their times.

    Args:
        quotes: oldest first; taken lazily.
        speed: 10.0 is ten times as fast as they happened.
    Raises:
        ConfigError: the speed is not above 0 or not finite.
    """

    def __init__(self, quotes: Iterable[Quote], speed: float = 1.0) -> None:
        if not 0 < speed < math.inf:
            raise ConfigError(f"speed is {speed}, must be above 0 and finite")
        self._quotes = iter(quotes)
        self._speed = speed
        self._next = self._take()
        self._start_s = self._next.time_s if self._next else 0.0
        self.now_s = 0.0

    def advance(self, dt_s: float) -> list[Quote]:
        """Let `dt_s` seconds pass and return what came due, oldest first, timed in seconds since the first quote."""
        self.now_s += dt_s
        due = []
        while self._next is not None:
            time_s = (self._next.time_s - self._start_s) / self._speed
            if time_s > self.now_s:
                break
            due.append(replace(self._next, time_s=time_s))
            self._next = self._take()
        return due

    def _take(self) -> Quote | None:
        return next(self._quotes, None)
