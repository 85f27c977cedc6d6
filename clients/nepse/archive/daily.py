"""Archives each session after its close, as long as the process runs.

The exchange says when it is closed; `MarketClock` says when to ask it, by the listed holidays and never by a fixed week.
"""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from hulak.bus.errors import BusError, FeedError, HulakError
from hulak.bus.process.log_type import Log
from hulak.clients.feeds.nepse.market_clock import CLOSING, MarketClock, Phase, moment_s, nepal_day
from hulak.clients.feeds.nepse.rows import time_ms
from hulak.clients.nepse.archive.archive import Archive, Ask
from hulak.clients.nepse.archive.outcomes import State, count
from hulak.clients.nepse.archive.sessions import day_of

SETTLES_S = 900.0  # after the close, until the figures of the session are final
LOOK_S = 60.0  # longest sleep: the machine's clock may be set
RETRY_S, LONGEST_RETRY_S = 300.0, 3600.0  # between two runs of which the first was not complete


class ArchiveSchedule:
    """When to ask for the state of the exchange, and when to archive. Times are seconds since 1970 UTC. Pure."""

    def __init__(self) -> None:
        self.market = MarketClock()
        self._session: date | None = None  # the last one that is over
        self._archive_s: float | None = None  # when to archive it; None: it is done, or none is known
        self._retry_s = RETRY_S

    @property
    def due_s(self) -> float:
        """When there is something to do next."""
        return self.market.due_s if self._archive_s is None else min(self.market.due_s, self._archive_s)

    def archives(self, now_s: float) -> bool:
        """Return whether it is time to archive."""
        return self._archive_s is not None and now_s >= self._archive_s

    def answered(self, status: Any, now_s: float) -> None:
        """Record the answer of market-status."""
        self.market.answered(str(status.get("isOpen")), now_s)
        session = day_of(status, "asOf")
        if self.market.phase is Phase.CLOSED and session is not None and session != self._session:
            self._session = session
            try:
                closed_s = time_ms(status["asOf"]) / 1000
            except FeedError:
                closed_s = now_s
            # A session that is closed before its closing hour may have been halted, and go on.
            self._archive_s = max(now_s, max(closed_s, moment_s(session, CLOSING)) + SETTLES_S)
            self._retry_s = RETRY_S

    def archived(self, now_s: float, *, complete: bool) -> None:
        """Record a run: after one that was not complete there is another, later each time."""
        self._archive_s = None if complete else now_s + self._retry_s
        self._retry_s = RETRY_S if complete else min(LONGEST_RETRY_S, 2 * self._retry_s)


class DailyArchive:
    """The process.

    Args:
        folder: of the archive.
        ask: see `Archive`.
        log: of the process.
        clock: returns seconds since 1970 UTC.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        folder: Path,
        ask: Ask,
        log: Log,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.schedule = ArchiveSchedule()
        self._folder = folder
        self._ask = ask
        self._log = log
        self._clock = clock
        self._sleep = sleep
        self._learnt_on: date | None = None

    def run(self) -> None:
        """Ask and archive until a signal ends the process: the pages of a floor sheet so far are kept."""
        while True:
            if (left_s := self.schedule.due_s - self._clock()) > 0:
                self._sleep(min(left_s, LOOK_S))
            else:
                self.step()

    def step(self) -> None:
        """Do what is due."""
        now_s = self._clock()
        if self.schedule.archives(now_s):
            self.schedule.archived(self._clock(), complete=self._archive())
        elif now_s >= self.schedule.market.due_s:
            try:
                status = self._ask("market-status", {})
                self._learn(now_s)
            except BusError as error:
                self._log.warning("question failed", code=error.code, why=str(error))
                self.schedule.market.failed(now_s)
            else:
                self.schedule.answered(status, self._clock())

    def _learn(self, now_s: float) -> None:
        today = nepal_day(now_s)
        if self._learnt_on != today:
            days = [day_of(row, "holidayDate") for row in self._ask("holidays", {})]
            self.schedule.market.holidays = frozenset(day for day in days if day is not None)
            self._learnt_on = today

    def _archive(self) -> bool:
        """Archive the sessions since the newest one in the folder, which may lack its floor sheet; return whether all is done."""
        outcomes = []
        try:
            with Archive(self._folder, self._ask, today=lambda: nepal_day(self._clock())) as archive:
                for outcome in archive.run(archive.newest(), None):
                    outcomes.append(outcome)
                    if outcome.state in {State.FAILED, State.GONE}:
                        write = self._log.error if outcome.state is State.GONE else self._log.warning
                        write("not archived", day=str(outcome.day), kind=outcome.kind, code=outcome.code, why=outcome.why)
                    elif outcome.state is State.ARCHIVED:
                        notes = {"notes": list(outcome.notes)} if outcome.notes else {}
                        self._log.info("archived", day=str(outcome.day), kind=outcome.kind, rows=outcome.rows, **notes)
        except (HulakError, OSError) as error:
            self._log.error("archive failed", folder=str(self._folder), why=str(error))
            return False
        return count(outcomes)[State.FAILED] == 0
