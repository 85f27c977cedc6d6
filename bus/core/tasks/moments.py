"""Due times and deadlines of posted tasks, in a form that survives a restart of the broker. Pure.

The wall clock may be set; the time since the boot cannot, but restarts at each boot. So a future moment is stored by both: in ns
since 1970 UTC, and as a mark of the boot and its clock. On the same boot the mark counts, after a reboot the wall clock.
"""

import math

import msgspec

MOST_NS = (1 << 63) - 1  # the largest integer of SQLite
MOST_S = 1e10  # more than until that


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One moment by all clocks.

    Args:
        now: monotonic seconds.
        now_ns: ns since 1970 UTC.
        age_s: seconds of the broker's own clock, see `bus.core.journal.broker_clock`.
        boot: names the machine's present boot; empty if unknown.
        boot_s: seconds since that boot.
    """

    now: float
    now_ns: int
    age_s: float
    boot: str = ""
    boot_s: float = 0.0

    def wall(self, in_s: float) -> int | None:
        """Return the time `in_s` seconds later, in ns since 1970 UTC; None for never."""
        return None if in_s == math.inf else min(MOST_NS, self.now_ns + int(min(in_s, MOST_S) * 1e9))

    def mark(self, in_s: float) -> str | None:
        """Return the time `in_s` seconds later by the clock of this boot; None for never, and if the boot is unknown."""
        return None if in_s == math.inf or not self.boot else f"{self.boot}/{self.boot_s + in_s:.3f}"

    def left_s(self, wall_ns: int, mark: str | None) -> float:
        """Return the seconds until a moment that was stored as `wall` and `mark`; below 0 if it has passed.

        Raises:
            ValueError: the mark is malformed.
        """
        boot, _, boot_s = (mark or "").partition("/")
        if boot and boot == self.boot:
            return float(boot_s) - self.boot_s
        return (wall_ns - self.now_ns) / 1e9
