"""The clocks of sources: when a bar is over. PROTOCOL.md section 3.12. Pure.

A source's clock is the largest time of its ticks. While its ticks are of now, the clock also follows the broker's stamps, some
seconds behind: so a bar ends although no further tick comes. It never follows a tick that is ahead of the broker's stamp.
"""

import msgspec

AHEAD_MS = 10_000  # a tick further ahead of the broker's stamp has a wrong time, and is in no bar
LATE_MS = 60_000  # a tick further behind its source's clock is in no bar
LAG_MS = 2_000  # behind the broker's stamp: up to there the clock of a live source goes without its ticks
GRACE_MS = 500  # behind the clock: a bar is final this long after its end, since symbols' ticks overtake each other
LOST_MS = 60_000  # of the stream without a tick that the clock accepts, after which the clock begins again


class SourceClock(msgspec.Struct, array_like=True, gc=False):
    """The clock of one source, in topics of one prefix."""

    prefix: str
    source: str
    number: int
    now: int  # ms since 1970 UTC
    begins: int  # the first time that was seen, ms
    accepted: int  # the broker's stamp of the last tick that counted, ms
    live: bool = False

    def follow(self, stamp: int) -> None:
        """Let the clock of a live source go on without its ticks; `stamp` is the broker's, ms."""
        if self.live and stamp - LAG_MS > self.now:
            self.now = stamp - LAG_MS

    def accept(self, at: int, stamp: int) -> bool:
        """Take the time of a tick; false if it is too late, and the tick is in no bar."""
        if at < self.now - LATE_MS:
            return False
        self.now = max(self.now, at)
        self.accepted = stamp
        self.live = at >= stamp - LATE_MS
        return True

    def is_lost(self, stamp: int) -> bool:
        """Return whether it has accepted no tick for long, so that one that is too late shows that it is wrong."""
        return stamp - self.accepted >= LOST_MS

    def begin_again(self, at: int, stamp: int) -> None:
        """Begin at the time of a tick: a recording is played again, say."""
        self.now = self.begins = at
        self.accepted, self.live = stamp, at >= stamp - LATE_MS
