"""The rate of wrong tokens."""

import pytest

from hulak.clients.gateway.wrong_tokens import BURST, MOST_ADDRESSES, WrongTokens


def test_an_address_waits_after_a_burst_and_less_as_time_passes():
    wrong = WrongTokens()
    for _ in range(int(BURST)):
        wrong.record("192.0.2.1", 5.0)
        assert wrong.wait_s("192.0.2.1", 5.0) == 0
    wrong.record("192.0.2.1", 5.0)
    assert wrong.wait_s("192.0.2.1", 5.0) == pytest.approx(6.0)
    assert wrong.wait_s("192.0.2.1", 8.0) == pytest.approx(3.0)
    assert wrong.wait_s("192.0.2.1", 11.0) == pytest.approx(0.0)
    assert wrong.wait_s("192.0.2.2", 5.0) == 0
    assert wrong.total == BURST + 1


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_what_counts_as_one_address(first, second, same):
    wrong = WrongTokens()
    for _ in range(20):
        wrong.record(first, 5.0)
    assert bool(wrong.wait_s(second, 5.0)) is same


def test_the_number_of_addresses_is_bounded():
    wrong = WrongTokens()
    for _ in range(20):
        wrong.record("192.0.2.1", 5.0)
    for at in range(MOST_ADDRESSES):
        wrong.record(f"10.0.{at >> 8}.{at & 255}", 5.0)
    assert len(wrong._levels) == MOST_ADDRESSES
    assert wrong.wait_s("192.0.2.1", 5.0) == 0
