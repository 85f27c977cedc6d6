"""When a posted task is due, or over, said so that the next broker can tell too. Pure.

The wall clock may be set; the time since the boot may not, but begins anew with each. So a moment of the future is kept by both:
in ns since 1970 UTC, and as a mark of the boot and its clock. On the same boot the mark counts, on another one the wall clock.
"""

import math

import msgspec

MOST_NS = (1 << 63) - 1  # what SQLite keeps, of an integer
MOST_S = 1e10  # more than until that


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One moment by all clocks.

    Args:
        now: monotonic seconds.
        now_ns: ns since 1970 UTC.
        age_s: seconds of the broker's own clock, see `bus.core.journal.broker_clock`.
        boot: names the machine's present boot; empty where that is not known.
        boot_s: seconds since that boot.
    """

    now: float
    now_ns: int
    age_s: float
    boot: str = ""
    boot_s: float = 0.0

    def wall(self, in_s: float) -> int | None:
        """Say when it will be in so many seconds, in ns since 1970 UTC; None for never."""
        return None if in_s == math.inf else min(MOST_NS, self.now_ns + int(min(in_s, MOST_S) * 1e9))

    def mark(self, in_s: float) -> str | None:
        """Say when it will be in so many seconds by the clock of this boot; None for never, and where it is not known."""
        return None if in_s == math.inf or not self.boot else f"{self.boot}/{self.boot_s + in_s:.3f}"

    def left_s(self, wall_ns: int, mark: str | None) -> float:
        """Count the seconds until a moment that was kept as `wall` and `mark`; below 0 if it is over.

        Raises:
            ValueError: the mark is none.
        """
        boot, _, boot_s = (mark or "").partition("/")
        if boot and boot == self.boot:
            return float(boot_s) - self.boot_s
        return (wall_ns - self.now_ns) / 1e9
