"""The calendar of a market: on which days it trades, as far as that is known. PROTOCOL.md section 7.9. Pure.

A calendar is known from a first day to a last one. After the last one nothing is assumed: a market's week and its holidays
change. Days before the first one count as closed: they matter only for runs that were missed.
"""

from datetime import date, timedelta

import msgspec

LONGEST_DAYS = 3_660  # from the first day of a calendar to the last one: ten years
MOST_DAYS = 2_000  # holidays and extra days of one calendar
DAY = timedelta(days=1)


class DaysUnknown(Exception):
    """The next due time is after the last day that a calendar knows; the text is for people."""


class TradingDays(msgspec.Struct, frozen=True):
    """The days on which a market trades.

    Args:
        name: of the calendar, e.g. "nepse".
        zone: the market's time zone, e.g. "Asia/Kathmandu".
        weekdays: days of the week with sessions, 1 is Monday, 7 is Sunday.
        closed: days of these without a session.
        opened: other days with a session.
        first, last: the days from and to which all this is known.
    """

    name: str
    zone: str
    weekdays: frozenset[int]
    closed: frozenset[date]
    opened: frozenset[date]
    first: date
    last: date

    def is_open(self, day: date) -> bool:
        """Return whether a day is a trading day.

        Raises:
            DaysUnknown: it is after the last known day.
        """
        if day > self.last:
            raise DaysUnknown(f"calendar {self.name} is known until {self.last}: set it again")
        if day < self.first:
            return False
        return day in self.opened or (day.isoweekday() in self.weekdays and day not in self.closed)

    def next_open(self, day: date) -> date:
        """Return the first trading day from `day` on, that day included.

        Raises:
            DaysUnknown: there is none up to the last known day.
        """
        day = max(day, self.first)
        while not self.is_open(day):
            day += DAY
        return day
