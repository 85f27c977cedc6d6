"""The due times of a schedule: one moment, moments at a fixed distance, or those of a cron expression. Pure.

PROTOCOL.md section 7.9. Moments are whole seconds since 1970 UTC. Times of cron are those of Debian's cron, computed by cronsim:
an expression with fixed hours and minutes runs once on a day on which clocks are set, at the shift if its time does not exist;
an expression whose hour or minute begins with `*` runs by the time that passes.
"""

from datetime import datetime, time, tzinfo

from cronsim import CronSim, CronSimError
from msgspec import Struct

from hulak.bus.core.schedules.local_times import MOST_S, local_of, moment_of
from hulak.bus.core.schedules.trading_days import DaysUnknown, TradingDays

MOST_LISTED = 1000  # due times that are listed one by one
FIELDS = 5


def check_cron(expression: str) -> None:
    """Check an expression of five fields: minute, hour, day of the month, month, day of the week.

    Raises:
        ValueError: it is none; the text says which field is wrong.
    """
    fields = len(expression.split())
    if fields != FIELDS:
        raise ValueError(f"it has {fields} fields, must have five: minute, hour, day of the month, month, day of the week")
    try:
        CronSim(expression, datetime(2026, 1, 1))  # noqa: DTZ001 - the zone makes no difference
    except CronSimError as error:
        raise ValueError(str(error)) from error


class DueTimes(Struct, frozen=True):
    """The due times of one schedule.

    Args:
        cron: an expression; None: `start_s`, and every `every_s` seconds after it.
        every_s: None: once.
        start_s: see `cron`; without an expression no due time is before it, unless `unbounded`.
        until_s: none is after it.
        zone: of the expression and of the days.
        days: due times on other days are left out; None: all days count.
        unbounded: with `every_s`, due times before `start_s` count too: they do if the wall clock is set back to before it.
    """

    cron: str | None
    every_s: int | None
    start_s: int
    until_s: int | None
    zone: tzinfo
    days: TradingDays | None = None
    unbounded: bool = False

    def after(self, moment_s: int) -> int | None:
        """Return the first due time after a moment; None if there is none.

        Raises:
            DaysUnknown: it may be on a day that the calendar does not know.
        """
        while (due := self._plain(moment_s)) is not None:
            if due > (MOST_S if self.until_s is None else self.until_s):
                return None
            if self.days is None:
                return due
            day = local_of(due, self.zone).date()
            if (open_day := self.days.next_open(day)) == day:
                return due
            moment_s = max(due, moment_of(datetime.combine(open_day, time()), self.zone) - 1)
        return None

    def _plain(self, moment_s: int) -> int | None:
        """Return the first due time after a moment, trading days or not."""
        if self.cron is not None:
            return self._cron(self.cron, moment_s)
        if self.every_s is None:
            return self.start_s if moment_s < self.start_s else None
        steps = (moment_s - self.start_s) // self.every_s + 1
        return self.start_s + (steps if self.unbounded else max(0, steps)) * self.every_s

    def _cron(self, cron: str, moment_s: int) -> int | None:
        if moment_s >= MOST_S:
            return None
        for local in CronSim(cron, local_of(moment_s, self.zone)):
            due = int(local.timestamp())
            if due > moment_s:  # in the hour that exists twice, cronsim begins with the first one
                return due
        return None

    def until(self, after_s: int, moment_s: int) -> tuple[list[int], bool]:
        """Return the due times after a moment up to another one, and whether that is all: at most `MOST_LISTED` are listed."""
        listed: list[int] = []
        while len(listed) < MOST_LISTED:
            due = self._known(after_s)
            if due is None or due > moment_s:
                return listed, True
            listed.append(due)
            after_s = due
        due = self._known(after_s)
        return listed, due is None or due > moment_s

    def newest(self, known_s: int, moment_s: int) -> int:
        """Return the last due time up to a moment, by halving the time; `known_s` is a due time before it."""
        low, high = known_s, moment_s
        while high > low:
            middle = (low + high) // 2
            due = self._known(middle)
            if due is not None and due <= moment_s:
                low = due
            else:
                high = middle
        return low

    def _known(self, moment_s: int) -> int | None:
        try:
            return self.after(moment_s)
        except DaysUnknown:
            return None
