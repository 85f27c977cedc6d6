"""Which ticks count into a display, and which of them may begin its day: the one place where that is decided. Pure.

A display has a day, that of UTC, and days only go forward. Which day it is follows from the display's own ticks alone, by what
stands in each of them: the venue's time, when the feed received it, and when the broker numbered it. No clock is asked, so that
a display that is built up again has the same days. A tick is left out, and counted under one of these names, if it is

    source  of another source than the display's
    price   without a usable bid: none, 0, infinite or not a number, or too large for its digits
    ahead   dated more than 10 minutes after its feed received it; where the feed did not report that time, more than 26 hours
            after the broker numbered it
    late    of a day before the present one, unless the display takes late ticks: then it counts into the present day

A display has one source: the one that it was asked for, else that of the first tick that counts. So no other venue changes what
it shows. It keeps to its source on all days. Only one that it was not asked for gives way: when it has been silent for 7 days,
by the times in the ticks, the next tick of another source makes that the display's. A display that is asked for `any` source
counts the ticks of all, in the order of their numbers.

Everything else counts. A tick that counts and is of a later day than the present one begins its day, however far that is: the
first tick of a file of 2014 begins a day of 2014, and the first one behind it that is live begins today. Then the file's other
ticks are late. A tick within the present day counts even if one before it was later.

Why 10 minutes: venues' clocks and feeds' clocks differ by seconds, bars are dated with their end, and no error of a date, a time
zone or a night session is as small. A feed that does not report when it received a tick may well write the local time of its
venue, and no two clocks on Earth show times further apart than 26 hours. Why 7 days: no market that opens every week is closed
for as long, and a display that began with a file of an old year goes on with the live venue.
"""

AHEAD_MS = 10 * 60_000
UNTOLD_AHEAD_MS = 26 * 3_600_000
FOREVER = 1 << 62
SILENT_MS = 7 * 86_400_000  # of a display's source, before another takes its place
NAMES = ("source", "price", "ahead", "late")  # why a tick was left out
SOURCE, PRICE, AHEAD, LATE = range(len(NAMES))


def believed_until(received_ns: int, numbered_ns: int) -> int:
    """Return the latest time that a tick may have, ms since 1970 UTC.

    Args:
        received_ns: when its feed received it, ns since 1970 UTC; 0 if it did not report it.
        numbered_ns: when the broker numbered it, likewise; 0 if that is not known: then any time is believed.
    """
    if received_ns:
        return received_ns // 1_000_000 + AHEAD_MS
    return numbered_ns // 1_000_000 + UNTOLD_AHEAD_MS if numbered_ns else FOREVER
