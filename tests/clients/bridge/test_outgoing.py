"""Which ticks go out, and in which messages."""

import random

import pytest

from hulak.bus.wire.codec import encode_publication
from hulak.bus.wire.messages import Stamp
from hulak.clients.bridge.outgoing import COVERED, Outgoing, Position


def row(number, topic="tick.EURUSD", epoch=1, size=1):
    return number, encode_publication(topic.encode(), Stamp(epoch, number, number * 10), b"\x80" + b"x" * (size - 1))


def spans_of(outgoing, rows):
    return [(span.epoch, span.first, span.last, [number for number, _ in span.rows]) for span in outgoing.take(rows)]


def test_a_turn_goes_out_as_one_message_which_covers_all_its_numbers():
    outgoing = Outgoing([])
    assert spans_of(outgoing, [row(1), row(2), row(3)]) == [(1, 1, 3, [1, 2, 3])]
    assert outgoing.position == Position(1, 3)
    assert spans_of(outgoing, [row(4)]) == [(1, 4, 4, [4])]


def test_rows_that_are_known_are_skipped():
    outgoing = Outgoing([])
    outgoing.resume(Position(1, 2))
    assert spans_of(outgoing, [row(1), row(2), row(3)]) == [(1, 3, 3, [3])]


@pytest.mark.parametrize(
    "topic", ["tick.b.EURUSD", "trade.b.NABIL", "market.b.NEPSE", "tick.b.kraken.BTCUSD", "bar.1m.X", "app.x"]
)
def test_what_a_bridge_brought_and_what_is_no_tick_stays_here(topic):
    outgoing = Outgoing(["b", "c"])
    assert spans_of(outgoing, [row(1), row(2, topic), row(3)]) == [(1, 1, 3, [1, 3])]


def test_a_prefix_that_only_begins_like_a_site_goes_out():
    outgoing = Outgoing(["b"])
    assert spans_of(outgoing, [row(1, "tick.bb.EURUSD"), row(2, "tick.B.X")]) == [(1, 1, 2, [1, 2])]


def test_numbers_without_a_tick_that_goes_out_are_covered_by_the_next_message():
    outgoing = Outgoing(["b"])
    assert spans_of(outgoing, [row(1, "tick.b.X"), row(2, "tick.b.X")]) == []
    assert (outgoing.position, outgoing.read) == (Position(), Position(1, 2))
    assert spans_of(outgoing, [row(3)]) == [(1, 1, 3, [3])]


def test_many_numbers_without_a_tick_that_goes_out_have_a_separate_message():
    outgoing = Outgoing(["b"])
    assert spans_of(outgoing, [row(number, "tick.b.X") for number in range(1, COVERED)]) == []
    assert spans_of(outgoing, [row(COVERED, "tick.b.X")]) == [(1, 1, COVERED, [])]


def test_a_message_has_the_ticks_of_one_epoch():
    outgoing = Outgoing([])
    assert spans_of(outgoing, [row(1), row(2, epoch=5), row(3, epoch=5)]) == [(1, 1, 1, [1]), (5, 2, 3, [2, 3])]


def test_a_message_is_bounded_by_ticks_and_by_bytes():
    assert spans_of(Outgoing([], most_rows=2), [row(1), row(2), row(3)]) == [(1, 1, 2, [1, 2]), (1, 3, 3, [3])]
    assert spans_of(Outgoing([], most_bytes=300), [row(1, size=100), row(2, size=100), row(3, size=100)]) == [
        (1, 1, 2, [1, 2]),
        (1, 3, 3, [3]),
    ]


def test_a_tick_that_no_message_can_hold_is_left_out_and_counted():
    outgoing = Outgoing([], most_bytes=300)
    assert spans_of(outgoing, [row(1), row(2, size=400), row(3)]) == [(1, 1, 1, [1]), (1, 2, 3, [3])]
    assert outgoing.too_large == 1


def test_single_ticks_end_their_messages_so_that_each_has_its_own_number():
    outgoing = Outgoing(["b"], most_rows=1)
    rows = [row(1, "tick.b.X"), row(2), row(3, "tick.b.X"), row(4)]
    assert spans_of(outgoing, rows) == [(1, 1, 2, [2]), (1, 3, 4, [4])]


def test_numbers_that_the_journal_no_longer_has_are_missing():
    outgoing = Outgoing([])
    outgoing.resume(Position(1, 10))
    outgoing.lose(21)
    assert outgoing.missing.ranges == [(11, 20)]
    assert outgoing.missing.count == 10
    assert spans_of(outgoing, [row(21)]) == [(1, 21, 21, [21])]


def test_a_hole_in_the_journal_is_missing_and_ends_a_message():
    outgoing = Outgoing([])
    assert spans_of(outgoing, [row(1), row(2), row(5)]) == [(1, 1, 2, [1, 2]), (1, 5, 5, [5])]
    assert outgoing.missing.ranges == [(3, 4)]


def test_an_empty_stream_that_begins_late_misses_nothing():
    outgoing = Outgoing([])
    outgoing.lose(500)
    assert (outgoing.missing.count, spans_of(outgoing, [row(500)])) == (0, [(1, 500, 500, [500])])


@pytest.mark.parametrize("seed", range(30))
def test_messages_cover_every_number_once_in_order_however_the_journal_is_cut(seed):
    draw = random.Random(seed)
    total, epoch, rows = 400, 1, []
    for number in range(1, total + 1):
        epoch += draw.random() < 0.01
        topic = draw.choice(["tick.A", "tick.b.A", "trade.X"])
        rows.append(row(number, topic, epoch, draw.choice([1, 50, 200])))
    outgoing = Outgoing(["b"], most_rows=draw.choice([1, 3, 100]), most_bytes=draw.choice([240, 1000]))
    sent, at = [], 0
    while at < total:
        step = draw.randrange(1, 60)
        sent += list(outgoing.take(rows[max(0, at - draw.randrange(5)) : at + step]))
        at += step
    covered = 0
    for span in sent:
        assert span.first == covered + 1 <= span.last
        covered = span.last
    assert covered == outgoing.position.number
    out = [number for span in sent for number, _ in span.rows]
    wanted = [number for number, frame in rows if not frame.startswith(b"tick.b.")]
    assert out == [number for number in wanted if number <= covered]
    assert outgoing.missing.count == outgoing.too_large == 0
