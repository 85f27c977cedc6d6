"""The securities whose order books are read, changed while the feed runs."""

from hulak.clients.feeds.nepse.watch_list import CHANGES, MOST_WATCHED, WatchList


def test_a_bad_name_and_one_too_many_are_refused_and_the_others_stay():
    names = [f"S{number}" for number in range(MOST_WATCHED)]
    watched = WatchList(names)
    watched.change([*names, "ONEMORE", "NO PE"], set())
    assert list(watched.names.values()) == names
    assert watched.changes["ONEMORE"] == "SUBSCRIPTION_FAILED: 50 order books are read already"
    watched.change([*names[1:], "ONEMORE"], set())
    assert watched.changes["S0"] == "removed"


def test_a_list_that_the_exchange_does_not_know_is_taken_unchecked_and_the_changes_are_bounded():
    watched = WatchList(["NABIL"])
    watched.change([f"S{number}" for number in range(30)], set())
    assert len(watched.names) == 30
    assert list(watched.changes) == [f"S{number}" for number in range(30 - CHANGES, 30)]
