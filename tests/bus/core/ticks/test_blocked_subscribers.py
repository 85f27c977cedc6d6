"""Detection of subscribers that stopped reading."""

from hulak.bus.core.ticks.blocked_subscribers import POLLS, BlockedSubscribers


def test_a_connection_that_takes_nothing_while_the_bound_is_published_is_given_up_once():
    blocked = BlockedSubscribers(100)
    assert [blocked.poll(["a"], published) for published in (1000, 1050, 1090, 1099, 1100)] == [[], [], [], [], ["a"]]
    assert "a" not in blocked
    assert blocked.poll(["a"], 1200) == []  # the count starts again


def test_a_connection_that_accepted_bytes_at_any_check_starts_again():
    blocked = BlockedSubscribers(100)
    polls = ["a"], ["a"], ["a"], [], ["a"], ["a"], ["a"], ["a"]
    assert [blocked.poll(connections, 50 * at) for at, connections in enumerate(polls)] == [[]] * 7 + [["a"]]


def test_a_burst_larger_than_the_bound_disconnects_no_subscriber_that_reads_it_within_a_second():
    blocked = BlockedSubscribers(100)
    assert [blocked.poll(["a"], 10_000 * at) for at in range(POLLS - 1)] == [[]] * (POLLS - 1)
    assert blocked.poll([], 99_999) == []
    assert "a" not in blocked


def test_each_connection_is_judged_by_the_bytes_since_it_was_blocked_and_without_traffic_none_is_given_up():
    blocked = BlockedSubscribers(100)
    assert [blocked.poll(["a"], 40 * at) for at in range(2)] == [[], []]
    assert [blocked.poll(["a", "b"], 80 + 20 * at) for at in range(5)] == [[], ["a"], [], [], []]
    assert blocked.poll(["b"], 180) == ["b"]
    assert not any(blocked.poll(["c"], 500) for _ in range(1000))
