"""How often a key may connect."""

from hulak.bus.core.security.connection_rate import MOST_AT_ONCE, PER_S, ConnectionRate


def test_a_key_connects_often_for_a_moment_and_then_at_a_bounded_rate_and_other_keys_are_not_delayed():
    rate = ConnectionRate()
    assert all(rate.admit("alice", 0.0) for _ in range(int(MOST_AT_ONCE)))
    assert not rate.admit("alice", 0.0)
    assert rate.admit("bob", 0.0)
    admitted = sum(rate.admit("alice", number / 64) for number in range(1, 1 + 64 * 10))
    assert admitted == 10 * PER_S
    assert sum(rate.admit("alice", 1e6) for _ in range(int(MOST_AT_ONCE) + 10)) == MOST_AT_ONCE


def test_keys_that_no_longer_exist_are_forgotten():
    rate = ConnectionRate()
    while rate.admit("alice", 0.0):
        pass
    rate.forget({"alice"})
    assert not rate.admit("alice", 0.0)
    rate.forget({"bob"})
    assert rate.admit("alice", 0.0)
