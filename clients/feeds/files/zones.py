"""The clocks that files of ticks are written on: UTC, a fixed offset, a place with its summer time, or a place and hours. Pure.

| text                 | meaning                                                                          |
|----------------------|----------------------------------------------------------------------------------|
| `UTC`, `GMT`         | UTC                                                                              |
| `UTC+2`, `-05:30`    | hours, or hours and minutes, ahead of UTC or behind it                           |
| `America/New_York`   | the clocks of that place, by the time zone database                              |
| `America/New_York+7` | seven hours ahead of that place: the clock of many servers of MetaTrader brokers |

A time that such a place's clocks show twice, or never, is refused: an hour in autumn and one in spring.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.parsing import shown

HOUR_MS = 3_600_000
QUARTER_MS = 900_000  # offsets change at whole quarters of an hour
MOST_MS = 14 * HOUR_MS  # the Line Islands
WANTED = "must be UTC, UTC+2, -05:00, a place such as America/New_York, or America/New_York+7"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # local times have no zone
_PARTS = re.compile(r"(.*?)(?:([+-])([0-9]{1,2})(?::?([0-5][0-9]))?)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Zone:
    """A clock: that of a place, or UTC, and a shift."""

    name: str
    shift_ms: int = 0  # ahead of the place, or of UTC
    place: ZoneInfo | None = None

    def utc_ms(self, clock_ms: int) -> int:
        """Return a time in ms since 1970 UTC.

        Args:
            clock_ms: the time that the clock shows, as ms since it showed the beginning of 1970.
        Raises:
            FeedError: the clock shows this twice, or never.
        """
        local_ms = clock_ms - self.shift_ms
        return local_ms if self.place is None else local_ms - _offset_ms(self.place, local_ms // QUARTER_MS)


UTC = Zone("UTC")
EST = Zone("UTC-5", -5 * HOUR_MS)  # without summer time


def zone_of(text: str) -> Zone:
    """Return the clock that a text means. Raises `FeedError`."""
    parts = _PARTS.fullmatch(text)
    assert parts is not None
    base, sign, hours, minutes = parts.groups()
    shift_ms = 0 if sign is None else (int(hours) * 60 + int(minutes or 0)) * 60_000 * (-1 if sign == "-" else 1)
    if base.startswith("Etc/"):
        raise FeedError(f"zone is {shown(text)}, whose sign is reversed in the time zone database; {WANTED}")
    if abs(shift_ms) > MOST_MS or (not base and sign is None):
        raise FeedError(f"zone is {shown(text)}, {WANTED}")
    if base.upper() in {"", "UTC", "GMT", "Z"}:
        return Zone(text if base else f"UTC{text}", shift_ms)
    try:
        return Zone(text, shift_ms, ZoneInfo(base))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise FeedError(f"zone is {shown(text)}, which the time zone database of this machine does not have; {WANTED}") from None


@lru_cache(maxsize=4096)  # a file has few of them, a month 2,976
def _offset_ms(place: ZoneInfo, quarter: int) -> int:
    local = _EPOCH + timedelta(milliseconds=quarter * QUARTER_MS)
    before, after = (local.replace(tzinfo=place, fold=fold).utcoffset() for fold in (0, 1))
    assert before is not None
    assert after is not None
    if before != after:
        times = "twice" if before > after else "never"
        raise FeedError(f"the clocks of {place.key} show {local:%Y-%m-%d %H:%M} {times}: summer time begins or ends")
    return before // timedelta(milliseconds=1)
