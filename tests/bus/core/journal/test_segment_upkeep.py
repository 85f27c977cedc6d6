"""Which segment is compressed or archived next."""

from dataclasses import dataclass

from hulak.bus.core.journal.segment_upkeep import Upkeep, UpkeepRules, next_work


@dataclass
class Piece:
    serial: int
    compressed: bool = False


def row(*compressed):
    return [Piece(serial, state) for serial, state in enumerate(compressed, 1)]


def work(segments, due=0, *, compress=True, plain=2, archive=False, archived=(), unable=()):
    return next_work(segments, due, UpkeepRules(compress, plain, archive), archived, unable)


def test_the_oldest_closed_segment_is_compressed_but_not_the_newest_ones():
    assert work(row(False, False, False, False, False)) == (Upkeep.COMPRESS, 0)
    assert work(row(True, False, False, False, False)) == (Upkeep.COMPRESS, 1)
    assert work(row(True, True, False, False, False)) is None
    assert work(row(True, True, False, False, False), plain=0) == (Upkeep.COMPRESS, 2)
    assert work(row(True, True, True, True, False), plain=0) is None, "the newest is still written"
    assert work(row(False, False), compress=False) is None
    assert work([]) is None


def test_a_segment_that_cannot_be_compressed_does_not_hold_up_the_others():
    assert work(row(False, False, False, False), plain=0, unable={1}) == (Upkeep.COMPRESS, 1)


def test_a_segment_that_leaves_is_compressed_and_then_archived():
    assert work(row(False, False, False), 1, archive=True) == (Upkeep.COMPRESS, 0)
    assert work(row(True, False, False), 1, archive=True) == (Upkeep.ARCHIVE, 0)
    assert work(row(False, False, False), 1, archive=True, compress=False) == (Upkeep.ARCHIVE, 0)
    assert work(row(False, False, False), 1, archive=True, unable={1}) == (Upkeep.ARCHIVE, 0)
    assert work(row(True, False, False), 2, archive=True, archived={1}) == (Upkeep.COMPRESS, 1)
    assert work(row(True, True, False), 2, archive=True, archived={1, 2}) is None
    assert work(row(True, True), 2, archive=True, archived={1}) is None, "never the newest"
