"""Batches held in memory while the journal cannot be written: in order, bounded, with one gap at most."""

from hulak.bus.core.journal.held_batches import HeldBatches
from hulak.bus.core.journal.record_format import Batch


def batch(first, last, size=10):
    count = last - first + 1
    return Batch([bytes([number]) * size for number in range(first, last + 1)], [1] * count, last, 1, 1)


def test_what_was_put_in_comes_out_in_order():
    held = HeldBatches()
    first, two = batch(11, 13), batch(14, 17)
    assert held.first() is None
    assert held.add(first) == held.add(two) == 0
    assert (held.ticks, held.bytes) == (7, 70)
    assert held.first() is first
    assert held.first() is first, "it stays until it is written"
    held.done()
    assert held.first() is two
    assert (held.ticks, held.bytes) == (4, 40)
    held.done()
    assert (held.first(), held.ticks, held.bytes) == (None, 0, 0)


def test_beyond_the_limit_all_is_lost_until_all_that_was_kept_is_taken():
    held = HeldBatches(limit=50)
    assert held.add(batch(1, 2)) == held.add(batch(3, 3)) == 0
    assert held.add(batch(4, 6)) == 3
    assert held.add(batch(7, 7)) == 1, "it would fit, and would leave a second hole"
    assert held.full
    held.done()
    assert held.add(batch(8, 8)) == 1
    held.done()
    assert not held.full
    assert held.add(batch(9, 9)) == 0
    assert held.first().last == 9


def test_what_is_given_up_is_counted():
    held = HeldBatches(limit=50)
    held.add(batch(1, 4))
    held.add(batch(5, 8))
    assert held.give_up() == 4
    assert (held.first(), held.ticks, held.bytes, held.full) == (None, 0, 0, False)
