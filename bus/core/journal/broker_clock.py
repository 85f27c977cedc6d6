"""The broker's own clock, which measures ages: setting the wall clock does not change them. Pure.

An age is in seconds since the home folder's first start. It goes on with monotonic time while the broker runs. Over a restart
it goes on by the time since the machine's boot; after a reboot by the time that passed on the wall clock, but by at most
`REBOOT_S`: a wrong clock makes the broker keep data longer, never shorter.
"""

from msgspec import Struct

REBOOT_S = 3600.0  # the longest time that may pass by the wall clock alone


class Clocks(Struct, frozen=True):
    """The readings of the machine's clocks at one moment."""

    boot: str  # id of the machine's boot; empty if the system does not name it
    boottime_s: float  # seconds since that boot, suspended ones counted
    time_ns: int  # the wall clock, ns since 1970 UTC


class Aged(Struct, frozen=True):
    """An age that was written, and the readings of the clocks at that time."""

    age_s: float
    clocks: Clocks

    def later(self, present: Clocks) -> float:
        """Return the age at `present`, in seconds."""
        return self.age_s + passed_s(self.clocks, present)


def passed_s(then: Clocks, present: Clocks) -> float:
    """Return the seconds between two readings; the second one may be of another boot."""
    if then.boot and then.boot == present.boot and then.boottime_s <= present.boottime_s:
        return present.boottime_s - then.boottime_s
    return min(max(0.0, (present.time_ns - then.time_ns) / 1e9), REBOOT_S)


class Ages:
    """The clock of one run of the broker.

    Args:
        age_s: at its start, in seconds.
        now: monotonic seconds at its start.
    """

    def __init__(self, age_s: float, now: float) -> None:
        self._offset = age_s - now
        self._newest = age_s

    def now(self, now: float) -> float:
        """Return the age at `now` (monotonic seconds), in seconds; never less than it was."""
        self._newest = max(self._newest, now + self._offset)
        return self._newest
