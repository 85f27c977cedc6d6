"""The course of the system's figures over the last hour and day, in memory of a bounded size. Pure: time is an argument.

A figure has lines, such as p50 and p99, or one for each process. Of each line the values of each second are kept for an hour, and
least, mean and greatest of each minute for 25 hours. A step without a value stays empty: nothing is drawn over the time that the
gateway or the broker was away.
"""

import math
from array import array
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from hulak.bus.errors import BusError

SECONDS = 3600
MINUTES = 25 * 60
SPANS = {"hour": SECONDS, "day": 24 * 3600}  # seconds
MOST_LINES = 250  # of all figures: 40 kB each
VERSION = 1  # of the saved form
SET_BACK_S = 60  # a clock that is set back by more begins a line again: it would have no values till then
NONE = math.nan

Key = tuple[str, str]  # figure and line


class Line:
    """The values of one line."""

    __slots__ = ("counts", "greatest", "least", "newest", "seconds", "sums")

    def __init__(self) -> None:
        self.newest = 0  # second of the newest value, since 1970 UTC
        self.seconds = array("f", [NONE]) * SECONDS
        self.least, self.greatest = array("f", [NONE]) * MINUTES, array("f", [NONE]) * MINUTES
        self.sums, self.counts = array("d", [0.0]) * MINUTES, array("L", [0]) * MINUTES

    def add(self, second: int, value: float) -> None:
        """Add the value of a second; of one that is older than the newest it is left out."""
        if second < self.newest:
            return
        for late in range(max(self.newest + 1, second - SECONDS + 1), second + 1):
            self.seconds[late % SECONDS] = NONE
        minute, before = second // 60, self.newest // 60
        for late in range(max(before + 1, minute - MINUTES + 1), minute + 1):
            at = late % MINUTES
            self.least[at] = self.greatest[at] = NONE
            self.sums[at], self.counts[at] = 0.0, 0
        self.newest = second
        self.seconds[second % SECONDS] = value
        at = minute % MINUTES
        if not self.counts[at]:
            self.least[at] = self.greatest[at] = value
        self.least[at], self.greatest[at] = min(self.least[at], value), max(self.greatest[at], value)
        self.sums[at] += value
        self.counts[at] += 1

    def second_values(self, first: int, count: int) -> list[float]:
        """Return the values of `count` seconds from `first` on; not a number where there is none."""
        at = first % SECONDS
        values = (self.seconds[at:] + self.seconds[:at]).tolist()[:count]
        for outside in (range(min(count, self.newest - SECONDS - first + 1)), range(max(0, self.newest - first + 1), count)):
            for late in outside:
                values[late] = NONE
        return values

    def minute_values(self, first: int, count: int) -> list[tuple[float, float, float, int]]:
        """Return least, greatest, sum and count of `count` minutes from `first` on; the count is 0 where there is no value."""
        newest = self.newest // 60
        rows = []
        for minute in range(first, first + count):
            at = minute % MINUTES
            is_kept = newest - MINUTES < minute <= newest
            rows.append((self.least[at], self.greatest[at], self.sums[at], self.counts[at] if is_kept else 0))
        return rows


class FigureHistory:
    """All lines.

    Args:
        since: when it begins, in seconds since 1970 UTC.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self.lines: dict[Key, Line] = {}
        self.left_out = 0  # values of lines for which there was no room

    def add(self, now: float, values: Mapping[Key, float]) -> None:
        """Add the values of the present second, at `now` in seconds since 1970 UTC; values that are no numbers are left out."""
        second = int(now)
        for key, value in values.items():
            if not math.isfinite(value):
                continue
            line = self.lines.get(key)
            if line is not None and second < line.newest - SET_BACK_S:
                del self.lines[key]
                line = None
            if line is None:
                if len(self.lines) >= MOST_LINES and not self._make_room(second):
                    self.left_out += 1
                    continue
                line = self.lines[key] = Line()
            line.add(second, value)

    def _make_room(self, second: int) -> bool:
        """Drop the lines without a value of the last day, such as those of processes that have ended."""
        old = [key for key, line in self.lines.items() if line.newest < second - SPANS["day"]]
        for key in old:
            del self.lines[key]
        return bool(old)

    def figures(self) -> list[str]:
        """Return the names of the figures."""
        return sorted({figure for figure, _ in self.lines})

    def read(self, now: float, figure: str, span: Literal["hour", "day"], points: int) -> dict[str, Any]:
        """Return the course of a figure; another thread may add values meanwhile.

        Args:
            now: seconds since 1970 UTC.
            figure: its name.
            span: how far back.
            points: maximum of each line; a point stands for several steps if there are more.
        Returns:
            begin_ms, step_ms, since_ms (the first value of all), and lines: for each name least, mean and greatest, with None
            where there is no value.
        Raises:
            BusError: `UNKNOWN_FIGURE`.
        """
        lines = {line: row for (name, line), row in list(self.lines.items()) if name == figure}
        if not lines:
            known = ", ".join(self.figures()) or "none yet"
            raise BusError("UNKNOWN_FIGURE", f"figure {figure[:100]!r} has no values; known are {known}")
        unit = 1 if span == "hour" else 60
        steps = -(-SPANS[span] // (unit * points))
        wide_s = unit * steps
        count = SPANS[span] // wide_s
        first = int(now) // wide_s - count + 1  # of the points, which lie on multiples of their width
        rows = {name: _points(row, first * steps, count, steps, span) for name, row in lines.items()}
        return {
            "figure": figure,
            "begin_ms": first * wide_s * 1000,
            "step_ms": wide_s * 1000,
            "since_ms": int(self.since * 1000),
            "lines": {
                name: {
                    "least": [point and point[0] for point in row],
                    "mean": [point and point[1] for point in row],
                    "greatest": [point and point[2] for point in row],
                }
                for name, row in rows.items()
                if any(row)
            },
        }

    # Between two runs of the gateway

    def pack(self) -> bytes:
        """Return everything as bytes."""
        rows = [
            [figure, name, line.newest, *(part.tobytes() for part in _parts(line))] for (figure, name), line in self.lines.items()
        ]
        return msgspec.msgpack.encode({"version": VERSION, "since": self.since, "lines": rows})

    @classmethod
    def unpack(cls, data: bytes, now: float) -> "FigureHistory":
        """Return what `pack` has saved, at `now` in seconds since 1970 UTC.

        Raises:
            ValueError: it is damaged, of another version or machine, or from the future.
        """
        try:
            saved = msgspec.msgpack.decode(data, type=_Saved)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(str(error)) from error
        if saved.version != VERSION or not 0 <= saved.since <= now or len(saved.lines) > MOST_LINES:
            raise ValueError(f"version {saved.version}, {len(saved.lines)} lines since {saved.since}")
        history = cls(saved.since)
        for figure, name, newest, *parts in saved.lines:
            line = Line()
            line.newest = newest
            for part, content in zip(_parts(line), parts, strict=True):
                if len(content) != len(part) * part.itemsize or not 0 <= newest <= now:
                    raise ValueError(f"line {figure} {name} has {len(content)} bytes of {part.typecode}, newest {newest}")
                part[:] = array(part.typecode, content)
            history.lines[figure, name] = line
        return history


class _Saved(msgspec.Struct):
    version: int
    since: float
    lines: list[tuple[str, str, int, bytes, bytes, bytes, bytes, bytes]]


def _parts(line: Line) -> "tuple[array[Any], ...]":
    return line.seconds, line.least, line.greatest, line.sums, line.counts


def _points(line: Line, first: int, count: int, steps: int, span: str) -> list[tuple[float, float, float] | None]:
    """Return least, mean and greatest of `count` points of `steps` each, from the step `first` on; None for no value."""
    points: list[tuple[float, float, float] | None] = []
    if span == "hour":
        seconds = line.second_values(first, count * steps)
        for at in range(0, count * steps, steps):
            known = [value for value in seconds[at : at + steps] if value == value]  # noqa: PLR0124 - not of no value: quick
            points.append(_rounded(min(known), sum(known) / len(known), max(known)) if known else None)
        return points
    minutes = line.minute_values(first, count * steps)
    for at in range(0, count * steps, steps):
        some = [minute for minute in minutes[at : at + steps] if minute[3]]
        if not some:
            points.append(None)
            continue
        least, greatest, sums, counts = zip(*some, strict=True)
        points.append(_rounded(min(least), sum(sums) / sum(counts), max(greatest)))
    return points


def _rounded(least: float, mean: float, greatest: float) -> tuple[float, float, float]:
    """Return numbers with the digits that a chart can show: of ms these are microseconds."""
    return round(least, 3), round(mean, 3), round(greatest, 3)
