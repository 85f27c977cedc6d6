"""`hulak feed --file`: its result in words and as an exit code."""

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from hulak.clients.cli import feed as command
from hulak.clients.cli.feed import feed
from hulak.clients.cli.feed_files import is_done, show
from hulak.clients.feeds.file_columns import FORMATS

WHOLE = {
    "posted": 50,
    "confirmed": 50,
    "refused": 0,
    "first_refusal": "",
    "refusals": {},
    "resent": 0,
    "dropped": 0,
    "seconds": 0.1,
    "files": [],
    "empty": 0,
}


@pytest.mark.parametrize(
    ("values", "done"),
    [
        ({}, True),
        ({"refused": 3}, True),  # a bad line is skipped
        ({"refused": 51}, False),
        ({"confirmed": 49}, False),
        ({"posted": 0, "confirmed": 0}, False),
        ({"posted": 0, "confirmed": 0, "refused": 50}, False),
    ],
)
def test_a_file_is_replayed_if_all_ticks_are_confirmed_and_most_lines_are_ticks(values, done):
    assert is_done({**WHOLE, **values}) is done


def test_the_first_refused_line_is_shown(capsys):
    refused = {"refused": 3, "first_refusal": "a.csv line 3: bid is 'x'", "refusals": {"EURUSD": "BAD_BODY"}}
    show(SimpleNamespace(as_json=False), {**WHOLE, **refused})
    assert capsys.readouterr().out.splitlines() == [
        "50 ticks posted in 0.1 s, 50 confirmed, 0 sent again, 3 refused",
        "the first refused line: a.csv line 3: bid is 'x'",
        "the broker refused ticks of EURUSD: BAD_BODY",
    ]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--venue", "ccxt:gate", "--url", "wss://h"], 2, "--venue ccxt:EXCHANGE excludes --url"),
        (["--venue", "okex"], 2, "'okex' is not one of 'binance'"),
        (["--venue", "ctrader", "--url", "wss://h:5036", "--symbols", "EURUSD"], 78, "setting feed.client_id is empty"),
    ],
)
def test_a_venue_that_cannot_be_read_is_refused_before_anything_starts(words, code, text, tmp_path):
    result = CliRunner().invoke(feed, [*words, "--home", str(tmp_path)])
    assert (result.exit_code, text in result.output) == (code, True), result.output


def test_the_copied_list_of_formats_is_that_of_the_feeds():

    assert list(FORMATS) == command.FORMATS
