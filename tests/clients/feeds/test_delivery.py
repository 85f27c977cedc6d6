"""The posted, sent and confirmed frames of a feed."""

import pytest
from msgspec.structs import replace

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import decode_publication, decode_tick
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.delivery import Delivery

TICK = Tick("EURUSD", 1.0, 1.5, 7, "test")


def link(posted, *, sent=None, limit=100):
    made = Delivery(5, limit)
    answer(made, 1, 0, 0)
    for number in range(1, posted + 1):
        made.post(TICK, number)
    made.sent = posted if sent is None else sent
    answer(made, 1, made.unconfirmed.oldest - 1, made.unconfirmed.oldest - 1)
    return made


def answer(delivery, *position):
    """Ask, and answer at once."""
    delivery.answered(*position, delivery.asked())


def numbers(frames):
    return [decode_publication(frame).stamp.sequence for frame in frames]


def test_posted_ticks_are_numbered_from_one_under_their_symbols_topic():
    delivery = Delivery(5, 100)
    result = [decode_publication(delivery.post(TICK, 40 + number)) for number in range(2)]
    assert [(each.topic, each.stamp.epoch, each.stamp.sequence, each.stamp.time_ns) for each in result] == [
        ("tick.EURUSD", 5, 1, 40),
        ("tick.EURUSD", 5, 2, 41),
    ]
    assert (delivery.backlog, delivery.opened, delivery.ask()) == (2, False, {"instance": 5, "oldest": 1})


def test_frames_wait_in_order_until_they_are_sent():
    delivery = link(5, sent=1)
    assert numbers(delivery.waiting(2)) == [2, 3]
    delivery.sent += 2
    assert numbers(delivery.waiting(10)) == [4, 5]
    delivery.sent += 2
    assert (delivery.backlog, delivery.waiting(10)) == (0, [])


def test_a_confirmation_frees_what_was_taken_and_moves_what_is_asked():
    delivery = link(5)
    answer(delivery, 1, 3, 3)
    assert (len(delivery.unconfirmed), delivery.ask()["oldest"], delivery.backlog, delivery.resent) == (2, 4, 0, 0)


def test_when_the_broker_stands_still_below_what_was_sent_it_is_sent_again_from_there():
    delivery = link(5)
    answer(delivery, 1, 3, 3)
    answer(delivery, 1, 3, 3)
    assert (numbers(delivery.waiting(10)), delivery.resent) == ([4, 5], 2)


def test_answers_of_a_busy_broker_that_come_together_show_no_loss():
    delivery = link(5)
    delivery.sent = 0
    answer(delivery, 1, 0, 0)
    requests = [delivery.asked()]
    delivery.sent = 5
    requests += [delivery.asked(), delivery.asked(), delivery.asked()]  # 5 are sent before the second one
    for asked in requests:
        delivery.answered(1, 3, 3, asked)
    assert (delivery.resent, delivery.backlog) == (0, 0)
    answer(delivery, 1, 3, 3)  # asked for after them
    assert (numbers(delivery.waiting(10)), delivery.resent) == ([4, 5], 2)


def test_what_was_sent_just_before_a_request_may_be_on_its_way():
    delivery = link(0)
    for number in range(5):
        delivery.post(TICK, number)
    delivery.sent = 5
    answer(delivery, 1, 0, 0)
    assert delivery.resent == 0
    answer(delivery, 1, 0, 0)
    assert delivery.resent == 5


def test_a_broker_that_moves_on_however_slowly_is_not_sent_anything_twice():
    delivery = link(5)
    for taken in (1, 2, 3, 4, 5, 5):
        answer(delivery, 1, taken, taken)
    assert (delivery.resent, delivery.backlog) == (0, 0)


def test_standing_still_is_no_loss_where_nothing_was_sent():
    delivery = link(5, sent=2)
    answer(delivery, 1, 2, 2)
    answer(delivery, 1, 2, 2)
    assert (delivery.resent, numbers(delivery.waiting(10))) == (0, [3, 4, 5])


def test_a_lost_tail_is_sent_again_though_nothing_comes_behind_it():
    delivery = link(1)
    answer(delivery, 1, 0, 0)
    assert numbers(delivery.waiting(10)) == [1]


def test_a_restarted_broker_gets_everything_it_has_not_confirmed():
    delivery = link(5)
    answer(delivery, 1, 2, 2)
    answer(delivery, 2, 2, 2)
    assert (numbers(delivery.waiting(10)), delivery.resent) == ([3, 4, 5], 3)


def test_what_arrives_while_it_is_being_sent_again_is_not_sent_a_third_time():
    delivery = link(5)
    answer(delivery, 1, 0, 0)
    assert delivery.sent == 0
    answer(delivery, 1, 4, 4)
    assert numbers(delivery.waiting(10)) == [5]


def test_what_was_taken_but_is_not_in_the_journal_yet_is_kept_and_not_sent_again():
    delivery = link(5)
    answer(delivery, 1, 5, 2)
    answer(delivery, 1, 5, 2)
    assert (len(delivery.unconfirmed), delivery.ask()["oldest"], delivery.backlog, delivery.resent) == (3, 3, 0, 0)


def test_a_broker_that_comes_back_with_less_than_it_had_taken_gets_the_rest_again():
    delivery = link(5)
    answer(delivery, 1, 5, 2)
    answer(delivery, 1, 2, 2)
    assert (numbers(delivery.waiting(10)), delivery.resent) == ([3, 4, 5], 3)


def test_what_was_given_up_is_not_waited_for():
    delivery = link(10, sent=0, limit=4)
    assert (delivery.backlog, numbers(delivery.waiting(10)), delivery.unconfirmed.dropped) == (4, [7, 8, 9, 10], 6)
    assert delivery.ask() == {"instance": 5, "oldest": 7}


def test_a_broker_that_took_what_was_never_posted_is_refused():
    with pytest.raises(ProtocolError, match="confirmed number is 6"):
        answer(link(5), 1, 6, 6)


def test_a_tick_has_the_time_of_its_receipt_unless_the_feed_sets_one():
    delivery = Delivery(5, 100)
    frames = [delivery.post(TICK, 41), delivery.post(replace(TICK, received_ns=17), 41)]
    assert [decode_tick(decode_publication(frame).body).received_ns for frame in frames] == [41, 17]
