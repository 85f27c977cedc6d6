"""Pauses of keys whose peers send what Hulak's own programs never send."""

from hulak.bus.core.security.pauses import FIRST_S, LONGEST_S, Pauses


def test_each_pause_is_ten_times_as_long_up_to_an_hour():
    pauses, now, lengths = Pauses(), 1000.0, []
    for _ in range(5):
        lengths.append(pauses.begin("mallory", now))
        now += lengths[-1] + 1
    assert lengths == [10, 100, 1000, 3600, 3600]
    assert pauses.left("alice", now) == 0


def test_a_pause_that_is_under_way_is_not_made_longer():
    pauses = Pauses()
    assert [pauses.begin("mallory", now) for now in (0.0, 5.0, 9.9)] == [FIRST_S] * 3
    assert (pauses.left("mallory", 4.0), pauses.left("mallory", 10.0)) == (6.0, 0)


def test_a_key_that_has_behaved_for_an_hour_begins_again():
    pauses = Pauses()
    for now in (0.0, FIRST_S):
        pauses.begin("mallory", now)
    assert pauses.begin("mallory", FIRST_S + 10 * FIRST_S + LONGEST_S + 1) == FIRST_S
