"""`hulak feeds`: rows and remarks from statistics."""

from io import StringIO

from rich.console import Console

from hulak.clients.cli import table
from hulak.clients.cli.feed_symbols import rows_of, states_of
from hulak.clients.cli.feeds import HEADS, cells, feeds_of, mixed, remarks
from hulak.clients.feeds.subscriptions import shown_name

LIVE = {
    "kind": "feed",
    "name": "fx",
    "state": "degraded",
    "since_s": 3.21,
    "data_age_s": 75.4,
    "heartbeat_age_s": None,
    "posted": 12,
    "unconfirmed": 1,
    "resent": 2,
    "refused": 3,
    "symbols": 40,
    "stale": 21,
    "stale_symbols": ["EURUSD", "USDJPY"],
    "errors": 2,
    "symbol_errors": {"NOPE": "SYMBOL_NOT_FOUND: no such symbol", "": "VENUE_ERROR: upstream lost"},
}
REPLAY = {"kind": "feed", "name": "a.csv", "posted": 5, "unconfirmed": 0, "resent": 0}


def test_feeds_are_picked_by_name_out_of_all_processes():
    assert feeds_of({"processes": [LIVE, {"kind": "worker", "name": "a"}, REPLAY]}) == [REPLAY, LIVE]


def test_a_row_has_a_cell_in_each_column_also_where_a_feed_reports_nothing():
    assert dict(zip(HEADS, cells(LIVE), strict=True)) == {
        "feed": "fx",
        "state": "degraded",
        "for": "3.2 s",
        "data": "75 s",
        "heartbeat": None,
        "posted": 12,
        "unconfirmed": 1,
        "resent": 2,
        "refused": 3,
        "symbols": 40,
        "stale": 21,
        "errors": 2,
    }
    assert cells(REPLAY)[:2] == ["a.csv", None]


def test_topics_of_several_feeds_are_named_and_a_broker_without_this_figure_is_tolerated():
    shared = {"tick.BTCUSD": ["binance", "kraken"]}
    lines = mixed({"ticks": {"shared": 3, "shared_topics": shared}})
    assert lines == [
        "tick.BTCUSD gets ticks of binance and kraken, and its subscribers a mixture: give one of them a prefix (--prefix)",
        "and 2 more topics with several feeds",
    ]
    assert mixed({"ticks": {"taken": 5}}) == []


def test_the_wait_before_the_next_connection_to_a_venue_is_reported():
    waiting = {**REPLAY, "name": "binance", "state": "backoff", "asked_to_wait_s": 58.5}
    assert remarks(waiting) == ["binance: next attempt in 58.5 s, as requested by the venue (Retry-After)"]


def test_what_is_missing_is_named():
    assert remarks(LIVE) == [
        "fx: no recent tick of EURUSD, USDJPY and 19 more",
        "fx: NOPE SYMBOL_NOT_FOUND: no such symbol",
        "fx: venue VENUE_ERROR: upstream lost",
    ]
    assert remarks(REPLAY) == []


def test_the_headings_are_whole_in_the_narrowest_terminal_that_gets_a_table():
    rows = [cells({**LIVE, "state": "disconnected"}), cells(REPLAY)]
    width = table.narrowest(HEADS, rows)
    console = Console(width=width, file=StringIO())
    console.print(table.columns(HEADS, rows))
    first, *others = console.file.getvalue().splitlines()
    assert (first.split(), len(others)) == (HEADS, 2)
    assert others[0].split()[-3:] == ["40", "21", "2"]


ROW = {
    **LIVE,
    "prefix": "desk",
    "config_version": 4,
    "symbols_version": 4,
    "symbols_named": 3,
    "symbol_names": ["EUR/USD", "USD/JPY", "@107"],
    "symbol_changes": {"@107": "pending", "X": "removed", "NOPE": "SYMBOL_NOT_FOUND: no such symbol"},
    "symbol_errors": {"USDJPY": "TIMEOUT: no answer"},
}


def test_the_symbols_of_a_feed_are_listed_with_their_topics_and_states():
    rows = rows_of(ROW, {"symbols_added": "@107,NOPE", "symbols_removed": "X"})
    assert [tuple(row.values()) for row in rows] == [
        ("EUR/USD", "tick.desk.EURUSD", "start", "no recent tick"),
        ("USD/JPY", "tick.desk.USDJPY", "start", "TIMEOUT: no answer"),
        ("@107", "tick.desk._40_107", "added", "pending"),
        ("NOPE", "tick.desk.NOPE", "added", "SYMBOL_NOT_FOUND: no such symbol"),
        ("X", "tick.desk.X", "removed", ""),
    ]


def test_a_change_is_pending_until_the_feed_has_taken_it():
    names = ["EUR/USD", "@107", "X", "NOPE", "GONE"]
    assert set(states_of(ROW, names, 5).values()) == {"pending"}
    assert set(states_of({**ROW, "symbols_version": 3}, names, 4).values()) == {"pending"}
    assert states_of(ROW, names, 4) == {
        "EUR/USD": "subscribed",
        "@107": "pending",
        "X": "removed",
        "NOPE": "SYMBOL_NOT_FOUND: no such symbol",
        "GONE": "removed",
    }


def test_the_state_of_a_symbol_that_a_report_has_no_room_for_is_unknown():
    (state,) = states_of({**ROW, "symbols_named": 300}, ["GONE"], 4).values()
    assert state.startswith("unknown: ")


def test_the_state_of_a_long_name_is_found_under_the_name_that_reports_show():
    name = "X" * 64
    row = {**ROW, "symbol_names": [name], "symbols_named": 1, "symbol_changes": {shown_name(name): "FAILED: no"}}
    assert states_of(row, [name], 4) == {name: "FAILED: no"}
