"""The names of the journal's files, and the files that belong to one journal. Pure.

A segment is named `SERIAL-TICKS.hj`: its serial number, and the number of the last tick before it, in ten and twenty digits.
A compressed one is named `SERIAL-TICKS.hj.zst`. Files with other names do not belong to the journal. A file with such a name may
still be a copy, or be of another journal.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from hulak.bus.core.journal.record_format import Snapshot

ENDING = ".hj"
COMPRESSED = ".hj.zst"
INDEX = ".hx"  # of a segment's index, for both forms of it
SERIAL_DIGITS, TICKS_DIGITS = 10, 20
DIGITS = frozenset("0123456789")


def name_of(serial: int, ticks: int) -> str:
    """Return the name of a segment."""
    return f"{serial:0{SERIAL_DIGITS}d}-{ticks:0{TICKS_DIGITS}d}{ENDING}"


def numbers_in(name: str) -> tuple[int, int] | None:
    """Parse a segment's name: serial, and number of the last tick before it; None for any other name."""
    plain = plain_name(name)
    serial, _, ticks = plain.removesuffix(ENDING).partition("-")
    if not DIGITS.issuperset(serial + ticks) or not serial or not ticks:
        return None
    numbers = int(serial), int(ticks)
    return numbers if numbers[0] and name_of(*numbers) == plain else None


def is_compressed(name: str) -> bool:
    """Return whether a name is that of a compressed segment."""
    return name.endswith(COMPRESSED)


def plain_name(name: str) -> str:
    """Return the name that a segment has when it is not compressed."""
    return name.removesuffix(COMPRESSED) + ENDING if is_compressed(name) else name


def compressed_name(name: str) -> str:
    """Return the name that a segment has when it is compressed."""
    return plain_name(name).removesuffix(ENDING) + COMPRESSED


def index_name(name: str) -> str:
    """Return the name of a segment's index."""
    return plain_name(name).removesuffix(ENDING) + INDEX


def serial_in(name: str) -> int:
    """Return the serial of a name that begins like a segment's; 0 for any other name."""
    digits = name[:SERIAL_DIGITS]
    return int(digits) if len(digits) == SERIAL_DIGITS and DIGITS.issuperset(digits) else 0


class Candidate(Struct, frozen=True):
    """A readable file with a segment's name."""

    name: str
    serial: int  # by its name
    ticks: int  # by its name
    size: int
    head: Snapshot | None  # None if it is damaged
    head_bytes: int = 0  # 0 if it is damaged
    first: int = 0  # number of the first whole tick; known only where the head is damaged
    stored: int = 0  # bytes of the file, where they are not `size`: of a compressed segment


def own_journal(candidates: Sequence[Candidate], noted: str) -> str:
    """Return the journal of these segments: the noted one, unless all heads are whole and of others; then the most frequent."""
    named = Counter(candidate.head.journal for candidate in candidates if candidate.head is not None and candidate.head.journal)
    if not named or noted in named or (noted and any(candidate.head is None for candidate in candidates)):
        return noted
    return named.most_common(1)[0][0]


def misfits(candidates: Sequence[Candidate], journal: str) -> dict[str, str]:
    """Return the files that are not part of a journal, with the reasons.

    Args:
        candidates: in any order.
        journal: id of the journal.
    Returns:
        reasons by name.
    """
    reasons = {candidate.name: why for candidate in candidates if (why := _against_itself(candidate, journal))}
    remaining = sorted(
        (candidate for candidate in candidates if candidate.name not in reasons),
        key=lambda candidate: (candidate.serial, -candidate.ticks),
    )
    reasons |= _repeated(remaining)
    remaining = [candidate for candidate in remaining if candidate.name not in reasons]
    kept = set(longest_rising([candidate.ticks for candidate in remaining]))
    for at, candidate in enumerate(remaining):
        if at not in kept:
            reasons[candidate.name] = f"it begins behind tick {candidate.ticks}, which does not fit the segments around it"
    return reasons


def _against_itself(candidate: Candidate, journal: str) -> str:
    """Compare a file's name with its head."""
    head = candidate.head
    if head is None:
        return (
            f"its first tick is {candidate.first}, its name says more than {candidate.ticks}"
            if candidate.first <= candidate.ticks
            else ""
        )
    if head.ticks != candidate.ticks:
        return f"it is a copy of another segment: its head says tick {head.ticks}"
    if head.serial and head.serial != candidate.serial:
        return f"it is a copy of segment {head.serial}"
    if head.journal and head.journal != journal:
        return f"it is of another journal, {head.journal}"
    return ""


def _repeated(ordered: Sequence[Candidate]) -> dict[str, str]:
    """Find copies: files with the same head. The longest of them counts, among equal ones the first."""
    best: dict[tuple[int, str, int, int], Candidate] = {}
    reasons = {}
    for candidate in ordered:
        if candidate.head is None:
            continue
        key = (candidate.head.epoch, candidate.head.boot, candidate.head.time_ns, candidate.head.ticks)
        before = best.get(key)
        if before is None or candidate.size > before.size:
            best[key] = candidate
        if before is not None:
            copy, other = (before, candidate) if best[key] is candidate else (candidate, before)
            reasons[copy.name] = f"it is a copy of {other.name}"
    return reasons


def longest_rising(values: Sequence[int]) -> list[int]:
    """Return the places of the longest non-decreasing subsequence, in order."""
    ends: list[int] = []  # for each length, the place of the lowest last value of such a subsequence
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
