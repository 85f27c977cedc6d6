"""The names of the journal's files, and which of the files belong together. Pure.

A segment is named `SERIAL-TICKS.hj`: its place in the row, and the number of the last tick before it, in ten and twenty digits.
Whatever is named otherwise is none of ours. What is named so may still be a copy, or come from another journal.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hulak.bus.core.journal.record_format import Snapshot

ENDING = ".hj"
SERIAL_DIGITS, TICKS_DIGITS = 10, 20
DIGITS = frozenset("0123456789")


def name_of(serial: int, ticks: int) -> str:
    """Name a segment."""
    return f"{serial:0{SERIAL_DIGITS}d}-{ticks:0{TICKS_DIGITS}d}{ENDING}"


def numbers_in(name: str) -> tuple[int, int] | None:
    """Read a segment's name: serial, and number of the last tick before it; None if it is no segment's."""
    serial, _, ticks = name.removesuffix(ENDING).partition("-")
    if not DIGITS.issuperset(serial + ticks) or not serial or not ticks:
        return None
    numbers = int(serial), int(ticks)
    return numbers if numbers[0] and name_of(*numbers) == name else None


def serial_in(name: str) -> int:
    """Read the serial of whatever begins as a segment's name does; 0 if it does not."""
    digits = name[:SERIAL_DIGITS]
    return int(digits) if len(digits) == SERIAL_DIGITS and DIGITS.issuperset(digits) else 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that is named as a segment is, and can be read."""

    name: str
    serial: int  # by its name
    ticks: int  # by its name
    size: int
    head: Snapshot | None  # None if it is damaged
    head_bytes: int = 0  # 0 if it is damaged
    first: int = 0  # number of the first whole tick; known only where the head is damaged


def own_journal(found: Sequence[Candidate], noted: str) -> str:
    """Tell which journal's segments these are: the noted one, unless all heads are whole and none is of it; then that of most."""
    named = Counter(one.head.journal for one in found if one.head is not None and one.head.journal)
    if not named or noted in named or (noted and any(one.head is None for one in found)):
        return noted
    return named.most_common(1)[0][0]


def misfits(found: Sequence[Candidate], journal: str) -> dict[str, str]:
    """Tell which files are no part of a journal, and why.

    Args:
        found: in any order.
        journal: id of it.
    Returns:
        reasons by name.
    """
    reasons = {one.name: why for one in found if (why := _against_itself(one, journal))}
    left = sorted((one for one in found if one.name not in reasons), key=lambda one: (one.serial, -one.ticks))
    reasons |= _repeated(left)
    left = [one for one in left if one.name not in reasons]
    kept = set(longest_rising([one.ticks for one in left]))
    for at, one in enumerate(left):
        if at not in kept:
            reasons[one.name] = f"it begins behind tick {one.ticks}, which does not fit to the segments around it"
    return reasons


def _against_itself(one: Candidate, journal: str) -> str:
    """Compare a file's name with what is in it."""
    head = one.head
    if head is None:
        return f"its first tick is {one.first}, its name says more than {one.ticks}" if one.first <= one.ticks else ""
    if head.ticks != one.ticks:
        return f"it is a copy of another segment: its head says tick {head.ticks}"
    if head.serial and head.serial != one.serial:
        return f"it is a copy of segment {head.serial}"
    if head.journal and head.journal != journal:
        return f"it is of another journal, {head.journal}"
    return ""


def _repeated(ordered: Sequence[Candidate]) -> dict[str, str]:
    """Find files with the same head, as copies have; of these the longest counts, and the first of those."""
    best: dict[tuple[int, str, int, int], Candidate] = {}
    reasons = {}
    for one in ordered:
        if one.head is None:
            continue
        key = (one.head.epoch, one.head.boot, one.head.time_ns, one.head.ticks)
        before = best.get(key)
        if before is None or one.size > before.size:
            best[key] = one
        if before is not None:
            copy, other = (before, one) if best[key] is one else (one, before)
            reasons[copy.name] = f"it is a copy of {other.name}"
    return reasons


def longest_rising(values: Sequence[int]) -> list[int]:
    """Find the longest row of values that never falls, and return their places in order."""
    ends: list[int] = []  # for each length, the place of the lowest value that such a row can end with
    lowest: list[int] = []
    before: list[int] = []
    for at, value in enumerate(values):
        length = bisect_right(lowest, value)
        before.append(ends[length - 1] if length else -1)
        ends[length : length + 1] = [at]
        lowest[length : length + 1] = [value]
    row, at = [], ends[-1] if ends else -1
    while at >= 0:
        row.append(at)
        at = before[at]
    return row[::-1]
