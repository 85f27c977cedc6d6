"""Which closed segment is compressed or archived next. Pure."""

from collections.abc import Container, Sequence
from enum import Enum
from typing import Protocol

from msgspec import Struct


class Upkeep(Enum):
    """Kinds of work on a closed segment."""

    COMPRESS = "compress"
    ARCHIVE = "archive"


class Kept(Protocol):
    """The attributes of a segment that decide about its upkeep."""

    serial: int

    @property
    def compressed(self) -> bool:
        """Whether it is compressed."""


class UpkeepRules(Struct, frozen=True):
    """The settings that decide.

    Args:
        compress: segments are compressed.
        plain: number of the newest closed segments that are not.
        archive: there is an archive.
    """

    compress: bool
    plain: int
    archive: bool


def next_work(
    segments: Sequence[Kept], due: int, rules: UpkeepRules, archived: Container[int], unable: Container[int]
) -> tuple[Upkeep, int] | None:
    """Return the work to do next, and the place of its segment; None if there is none.

    A segment that leaves the journal comes first, compressed if that is possible; then the oldest one that is to be compressed.

    Args:
        segments: in order; the newest is still written.
        due: number of the oldest ones that are beyond the journal's bounds.
        rules: of the settings.
        archived: serials of those that the archive has.
        unable: serials of those that cannot be compressed now.
    """
    closed = len(segments) - 1
    if rules.archive:
        for at in range(min(due, closed)):
            segment = segments[at]
            if segment.serial not in archived:
                shrinks = rules.compress and not segment.compressed and segment.serial not in unable
                return (Upkeep.COMPRESS if shrinks else Upkeep.ARCHIVE), at
    if rules.compress:
        for at in range(closed - rules.plain):
            if not segments[at].compressed and segments[at].serial not in unable:
                return Upkeep.COMPRESS, at
    return None
