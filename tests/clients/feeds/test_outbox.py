"""What a feed keeps until the broker confirms it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import ConfigError, ProtocolError
from clients.feeds.outbox import Outbox


def filled(limit, count):
    outbox = Outbox(limit)
    numbers = [outbox.add(b"%d" % number) for number in range(1, count + 1)]
    assert numbers == list(range(1, count + 1))
    return outbox


def test_an_empty_outbox_expects_number_one():
    outbox = Outbox(10)
    assert (len(outbox), outbox.oldest, outbox.last, outbox.dropped, outbox.since(0)) == (0, 1, 0, 0, [])


def test_a_confirmation_forgets_everything_up_to_its_number():
    outbox = filled(10, 5)
    outbox.confirm(3)
    assert (len(outbox), outbox.oldest, outbox.last) == (2, 4, 5)
    assert outbox.since(3) == [b"4", b"5"]


def test_an_old_confirmation_changes_nothing():
    outbox = filled(10, 5)
    outbox.confirm(3)
    for number in (3, 2, 0, -7):
        outbox.confirm(number)
    assert outbox.since(0) == [b"4", b"5"]


def test_a_confirmation_of_what_was_never_sent_is_the_peers_fault():
    outbox = filled(10, 5)
    with pytest.raises(ProtocolError, match="confirmed number is 6, the last one sent is 5") as caught:
        outbox.confirm(6)
    assert caught.value.code == "BAD_NUMBER"
    assert len(outbox) == 5


def test_numbers_go_on_when_everything_is_confirmed():
    outbox = filled(10, 2)
    outbox.confirm(2)
    assert (outbox.oldest, outbox.add(b"3"), outbox.oldest) == (3, 3, 3)


def test_past_the_bound_the_oldest_is_given_up_and_counted():
    outbox = filled(3, 5)
    assert (len(outbox), outbox.oldest, outbox.last, outbox.dropped) == (3, 3, 5, 2)
    assert outbox.since(0) == [b"3", b"4", b"5"]


def test_a_resend_starts_after_the_number_asked_and_can_be_taken_in_parts():
    outbox = filled(10, 6)
    assert outbox.since(2, limit=2) == [b"3", b"4"]
    assert outbox.since(4, limit=2) == [b"5", b"6"]
    assert outbox.since(6) == []
    assert outbox.since(99) == []


def test_an_outbox_keeps_at_least_one_frame():
    with pytest.raises(ConfigError, match="limit is 0 frames"):
        Outbox(0)


@given(st.integers(1, 5), st.lists(st.one_of(st.none(), st.integers(0, 30))))
def test_whatever_happens_kept_dropped_and_confirmed_make_up_what_was_sent(limit, steps):
    outbox = Outbox(limit)
    confirmed = 0
    for step in steps:
        if step is None:
            outbox.add(b"%d" % (outbox.last + 1))
        elif step <= outbox.last:
            confirmed += max(0, step - outbox.oldest + 1)
            outbox.confirm(step)
        assert len(outbox) <= limit
        assert outbox.dropped + confirmed + len(outbox) == outbox.last
        assert outbox.since(0) == [b"%d" % number for number in range(outbox.oldest, outbox.last + 1)]
