"""Subscribers by name, and the slow ones."""

from hulak.bus.core.ticks.subscriber_roster import KEPT_S, MOST_PROGRAMS, MOST_ROWS, OTHER, SubscriberRoster
from hulak.bus.wire.codec import pack
from hulak.bus.wire.subscriber_names import MOST_COUNT, UNNAMED, SubscriberNote

A, B = SubscriberNote("quotes", 7), SubscriberNote("board", 8)


def slow(roster, now=100.0, published=0):
    return roster.stats(published, now)["slow"]


def test_a_subscriber_is_slow_once_it_has_reported_a_loss():
    roster = SubscriberRoster()
    roster.record("a", A, 100.0)
    roster.record("b", B, 100.0)
    assert slow(roster) == []
    roster.record("a", SubscriberNote("quotes", 7, 2, 30, 1), 101.0)
    roster.record("a", SubscriberNote("quotes", 7, 3, 31, 1), 102.0)
    assert slow(roster, 103.0) == [{"name": "quotes", "pid": 7, "gaps": 3, "missed": 31, "lost": 1, "cut_off": 0, "age_s": 1.0}]
    assert roster.stats(0, 103.0)["named"] == 2
    assert slow(roster, 103.0 + KEPT_S) == []
    assert roster.stats(0, 103.0 + KEPT_S)["programs"] == {"quotes": {"gaps": 3, "missed": 31, "lost": 1, "cut_off": 0}}


def test_a_note_that_is_repeated_after_a_reconnection_is_not_counted_twice():
    roster = SubscriberRoster()
    repeated = SubscriberNote("quotes", 7, 2, 30)
    roster.record("a", A, 100.0)
    roster.record("a", repeated, 101.0)
    roster.gone("a")
    roster.record("a2", repeated, 102.0)
    roster.record("a2", SubscriberNote("quotes", 7, 3, 35), 103.0)
    (row,) = slow(roster, 103.0)
    assert (row["gaps"], row["missed"]) == (3, 35)


def test_subscribers_of_one_process_are_one_row():
    roster = SubscriberRoster()
    for connection in "ab":
        roster.record(connection, A, 100.0)
        roster.record(connection, SubscriberNote("quotes", 7, 1, 5), 101.0)
    assert [(row["gaps"], row["missed"]) for row in slow(roster)] == [(2, 10)]


def test_a_blocked_subscriber_comes_first_with_the_time_and_what_waits_for_it():
    roster = SubscriberRoster()
    roster.record("b", B, 99.0)
    roster.record("b", SubscriberNote("board", 8, 1, 1), 99.0)
    roster.blocked({"a": (A, "ipc")}, 1000, 100.0)
    assert roster.blocked_peer("a") == (A, "ipc")
    roster.blocked({"a": (A, "ipc"), "c": (SubscriberNote(UNNAMED, 0), "127.0.0.1:9")}, 5000, 102.0)
    first, second, third = slow(roster, 103.0, 6000)
    assert first == {"name": "quotes", "pid": 7, "address": "ipc", "blocked_s": 3.0, "unread_bytes": 5000}
    assert (second["name"], second["address"], second["blocked_s"]) == (UNNAMED, "127.0.0.1:9", 1.0)
    assert third["name"] == "board"
    roster.blocked({}, 7000, 104.0)
    assert [row["name"] for row in slow(roster, 104.0)] == ["board"]


def test_a_subscriber_that_was_cut_off_stays_listed():
    roster = SubscriberRoster()
    roster.record("a", A, 100.0)
    roster.blocked({"a": (A, "ipc")}, 0, 100.0)
    roster.cut_off("a", A, "ipc", 101.0)
    stats = roster.stats(0, 102.0)
    assert (stats["named"], stats["blocked"]) == (0, 0)
    assert [(row["cut_off"], row["age_s"], row["address"]) for row in stats["slow"]] == [(1, 1.0, "ipc")]


def test_a_connection_without_an_end_is_forgotten():
    roster = SubscriberRoster()
    for connection in "abc":
        roster.record(connection, A, 100.0)
    roster.keep(["b", "c", "d"])
    assert roster.stats(0, 100.0)["named"] == 3  # as many notes as connections: not looked at
    roster.keep(["b"])
    assert roster.note("b") is A
    assert roster.stats(0, 100.0)["named"] == 1
    roster.clear()
    assert roster.note("b") is None


def test_rows_and_names_are_bounded():
    """A name comes from a subscriber, and may be another one each time."""
    roster = SubscriberRoster()
    for number in range(MOST_PROGRAMS + 5):
        roster.record(number, SubscriberNote(f"p{number}", number), 100.0)
        roster.record(number, SubscriberNote(f"p{number}", number, 1, 1), 100.0)
    stats = roster.stats(0, 100.0)
    assert len(stats["slow"]) == MOST_ROWS
    assert stats["slow"][0]["name"] == f"p{MOST_PROGRAMS + 4}"
    assert len(stats["programs"]) == MOST_PROGRAMS + 1
    assert stats["programs"][OTHER]["gaps"] == 5


def test_a_note_with_smaller_figures_counts_nothing():
    roster = SubscriberRoster()
    roster.record("a", SubscriberNote("quotes", 7, 5, 5), 100.0)
    roster.record("a", SubscriberNote("quotes", 7, 1, 1), 101.0)
    roster.record("a", SubscriberNote("other", 7, 9, 9), 101.0)  # another name begins again
    assert slow(roster) == []


def test_sums_of_any_figures_can_be_packed():
    """A subscriber may send any numbers; the statistics must be published all the same."""
    roster = SubscriberRoster()
    for connection in range(5):
        roster.record(connection, A, 100.0)
        roster.record(connection, SubscriberNote("quotes", 7, MOST_COUNT, MOST_COUNT, MOST_COUNT), 100.0)
    assert slow(roster)[0]["missed"] == MOST_COUNT
    assert pack(roster.stats(0, 100.0))
