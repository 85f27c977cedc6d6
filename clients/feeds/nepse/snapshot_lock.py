"""When to ask for a table that the exchange makes once a minute, so that each one is read once and soon. Pure.

A snapshot of a minute can be read about half a minute later; when exactly, is not published. So the lag is measured: if the
answer has not changed yet, it is asked again a little later, and the next question comes at the lag that was found; if it had
changed at once, the next one comes a little earlier.
"""

PERIOD_S = 60.0
FIRST_LAG_S = 30.0
EARLIER_S, AGAIN_S = 0.5, 2.5  # AGAIN_S is above the time for which a worker keeps an answer
TRIES = 8  # questions for one snapshot: a minute without a trade changes nothing


class SnapshotLock:
    """The questions for one table. Times are seconds since 1970 UTC."""

    def __init__(self) -> None:
        self.lag_s = FIRST_LAG_S  # after the full minute
        self.due_s = 0.0
        self._tries = 0
        self._begins = False

    def begin(self, now_s: float) -> None:
        """Begin a session: ask at once, and then each minute."""
        self.due_s, self._tries, self._begins = now_s, 0, True

    def answered(self, now_s: float, *, changed: bool) -> None:
        """Record an answer, asked for at a time, and whether it differs from the one before."""
        if self._begins:
            self._begins = False
            self.due_s = max(now_s + AGAIN_S, self._at(now_s, later_by_s=0.0))
            return
        self._tries += 1
        if not changed and self._tries < TRIES:
            self.due_s = now_s + AGAIN_S
            return
        if changed and self._tries == 1:
            self.lag_s = max(0.0, self.lag_s - EARLIER_S)
        elif changed:
            self.lag_s = min(PERIOD_S - AGAIN_S, self.lag_s + (now_s - self.lag_s) % PERIOD_S)
        self._tries = 0
        self.due_s = self._at(now_s, later_by_s=PERIOD_S / 2)

    def failed(self, now_s: float, again_s: float) -> None:
        """Record that there was no answer: ask again after `again_s`."""
        self.due_s = now_s + again_s

    def _at(self, now_s: float, later_by_s: float) -> float:
        """Return the first time with the lag after a full minute that is later than now by some seconds."""
        at = now_s - now_s % PERIOD_S + self.lag_s
        return at if at > now_s + later_by_s else at + PERIOD_S
