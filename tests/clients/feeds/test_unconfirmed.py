"""The frames that a feed keeps until the broker confirms them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.errors import ConfigError, ProtocolError
from hulak.clients.feeds.unconfirmed import Unconfirmed


def filled(limit, count):
    kept = Unconfirmed(limit)
    numbers = [kept.add(b"%d" % number) for number in range(1, count + 1)]
    assert numbers == list(range(1, count + 1))
    return kept


def test_without_frames_the_next_number_is_one():
    kept = Unconfirmed(10)
    assert (len(kept), kept.oldest, kept.last, kept.dropped, kept.since(0)) == (0, 1, 0, 0, [])


def test_a_confirmation_drops_everything_up_to_its_number():
    kept = filled(10, 5)
    kept.confirm(3)
    assert (len(kept), kept.oldest, kept.last) == (2, 4, 5)
    assert kept.since(3) == [b"4", b"5"]


def test_an_old_confirmation_changes_nothing():
    kept = filled(10, 5)
    kept.confirm(3)
    for number in (3, 2, 0, -7):
        kept.confirm(number)
    assert kept.since(0) == [b"4", b"5"]


def test_a_confirmation_of_an_unsent_number_is_a_protocol_error():
    kept = filled(10, 5)
    with pytest.raises(ProtocolError, match="confirmed number is 6, the last one sent is 5") as caught:
        kept.confirm(6)
    assert caught.value.code == "BAD_NUMBER"
    assert len(kept) == 5


def test_numbers_continue_when_everything_is_confirmed():
    kept = filled(10, 2)
    kept.confirm(2)
    assert (kept.oldest, kept.add(b"3"), kept.oldest) == (3, 3, 3)


def test_beyond_the_bound_the_oldest_is_dropped_and_counted():
    kept = filled(3, 5)
    assert (len(kept), kept.oldest, kept.last, kept.dropped) == (3, 3, 5, 2)
    assert kept.since(0) == [b"3", b"4", b"5"]


def test_a_resend_starts_after_the_given_number_and_can_be_split():
    kept = filled(10, 6)
    assert kept.since(2, limit=2) == [b"3", b"4"]
    assert kept.since(4, limit=2) == [b"5", b"6"]
    assert kept.since(6) == []
    assert kept.since(99) == []


def test_at_least_one_frame_is_kept():
    with pytest.raises(ConfigError, match="limit is 0 frames"):
        Unconfirmed(0)


@given(st.integers(1, 5), st.lists(st.one_of(st.none(), st.integers(0, 30))))
def test_kept_dropped_and_confirmed_frames_add_up_to_the_sent_ones(limit, steps):
    kept = Unconfirmed(limit)
    confirmed = 0
    for step in steps:
        if step is None:
            kept.add(b"%d" % (kept.last + 1))
        elif step <= kept.last:
            confirmed += max(0, step - kept.oldest + 1)
            kept.confirm(step)
        assert len(kept) <= limit
        assert kept.dropped + confirmed + len(kept) == kept.last
        assert kept.since(0) == [b"%d" % number for number in range(kept.oldest, kept.last + 1)]
