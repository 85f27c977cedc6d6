"""When the Nepal Stock Exchange is asked whether it is open. Pure.

The exchange opens at 11:00 in Nepal (UTC+05:45), after a pre-open from 10:30 to 10:45, and closes at 15:00. Its trading days
have changed before (Sunday to Thursday until April 2026, Monday to Friday since), so no week is assumed: on every day that is no
listed holiday it is asked at the hours of the pre-open and of the opening. At other hours it is not asked while it is closed;
but if it says so before the closing hour of a session, it may have halted: it is asked again until that hour.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

NEPAL = timedelta(hours=5, minutes=45)
MINUTE_S, DAY_S = 60.0, 86_400.0
PRE_OPEN, PRE_CLOSE, OPENING, CLOSING = (  # seconds after midnight
    10 * 3600 + 1800,
    10 * 3600 + 2700,
    11 * 3600,
    15 * 3600,
)
SETTLES_S = 5.0  # after each of those hours, before the question: clocks differ
ONCE_MORE = OPENING + 900  # a late opening
CLOSING_S = 10.0  # between two questions after the closing hour, until the exchange says that it is closed
AGAIN_S = 300.0  # between two questions while it is open, or closed in the middle of a session
RETRY_S, LONGEST_RETRY_S = 5.0, 300.0  # after a question that failed
SESSIONS = 10  # the last ones, whose days of the week are expected again


class Phase(StrEnum):
    """The state of the exchange, as the feed publishes it."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    PRE_OPEN = "pre-open"
    OPEN = "open"


PHASES = {"OPEN": Phase.OPEN, "CLOSE": Phase.CLOSED, "Pre Open": Phase.PRE_OPEN, "Pre Open CLOSE": Phase.PRE_OPEN}


def nepal_day(now_s: float) -> date:
    """Return the date in Nepal at a time in seconds since 1970 UTC."""
    return (datetime.fromtimestamp(now_s, UTC) + NEPAL).date()


def moment_s(day: date, second: float) -> float:
    """Return a time of a day in Nepal, given in seconds after midnight, as seconds since 1970 UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + second - NEPAL.total_seconds()


class MarketClock:
    """The state of the exchange, and when to ask for it next.

    Times are seconds since 1970 UTC, by this machine's clock.
    """

    def __init__(self) -> None:
        self.phase = Phase.UNKNOWN
        self.since_s = 0.0  # when the phase was first seen
        self.holidays: frozenset[date] = frozenset()
        self.weekdays: frozenset[int] = frozenset()  # of the last sessions, 0 is Monday
        self._due_s = 0.0
        self._retry_s = RETRY_S
        self._session: date | None = None  # the last day on which it was seen open

    @property
    def due_s(self) -> float:
        """When to ask next."""
        return self._due_s

    @property
    def trades(self) -> bool:
        """Whether the exchange trades now."""
        return self.phase is Phase.OPEN

    def answered(self, is_open: str, now_s: float) -> bool:
        """Record the state that the exchange reports; return whether the phase changed.

        An unknown text counts as closed, so that nothing is asked without success; the caller reports it.
        """
        phase = PHASES.get(is_open, Phase.CLOSED)
        changed = phase is not self.phase
        if changed:
            self.phase, self.since_s = phase, now_s
        if phase is Phase.OPEN:
            self._session = nepal_day(now_s)
        self._retry_s = RETRY_S
        self._due_s = self._next_s(now_s)
        return changed

    def failed(self, now_s: float) -> None:
        """Record that the question was not answered: it is asked again, later each time."""
        self._due_s = now_s + self._retry_s
        self._retry_s = min(LONGEST_RETRY_S, 2 * self._retry_s)

    def doubt(self, now_s: float) -> None:
        """Ask at once: an answer looks as if the session had ended."""
        self._due_s = min(self._due_s, now_s)

    def learn(self, sessions: Iterable[date]) -> None:
        """Take over the days of the last sessions, which tell on which days of the week the next one is expected."""
        newest = sorted(sessions)[-SESSIONS:]
        self.weekdays = frozenset(day.weekday() for day in newest)

    def next_opening_s(self, now_s: float) -> float | None:
        """Return when the exchange is expected to open next; None if its days are not known yet."""
        if not self.weekdays:
            return None
        today = nepal_day(now_s)
        for ahead in range(60):
            day = today + timedelta(days=ahead)
            if day.weekday() in self.weekdays and day not in self.holidays and moment_s(day, OPENING) > now_s:
                return moment_s(day, OPENING)
        return None

    def _next_s(self, now_s: float) -> float:
        day = nepal_day(now_s)
        if self.phase is Phase.CLOSED:
            closing_s = moment_s(day, CLOSING + SETTLES_S)
            in_session = self._session == day and now_s < closing_s
            return min(closing_s, now_s + AGAIN_S) if in_session else self._next_hour_s(now_s)
        hours = (PRE_CLOSE, OPENING) if self.phase is Phase.PRE_OPEN else (CLOSING,)
        for hour in hours:
            at = moment_s(day, hour + SETTLES_S)
            if at > now_s:
                return min(at, now_s + AGAIN_S)
        return now_s + (CLOSING_S if self.phase is Phase.OPEN else MINUTE_S)

    def _next_hour_s(self, now_s: float) -> float:
        day = nepal_day(now_s)
        while True:
            if day not in self.holidays:
                for hour in (PRE_OPEN, OPENING, ONCE_MORE):
                    at = moment_s(day, hour + SETTLES_S)
                    if at > now_s:
                        return at
            day += timedelta(days=1)
