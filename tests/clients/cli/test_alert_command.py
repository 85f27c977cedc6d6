"""`hulak alert`: from options to arguments, and rows in words."""

from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner

from hulak.clients.cli import cli
from hulak.clients.cli.alert import FIRING_HEADS, HEADS, arguments, cells, firing_cells, firing_text
from hulak.clients.cli.alert_texts import condition, state_of

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
ROW = {
    "name": "n",
    "symbol": "X",
    "on": "price",
    "side": "mid",
    "above": 1.5,
    "below": None,
    "enabled": True,
    "firings": 0,
    "last": None,
}


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"above": 1.5}, {"on": "price", "above": 1.5}),
        ({"below": 1.5, "side": "bid", "repeat": True}, {"on": "price", "below": 1.5, "side": "bid", "repeat": True}),
        ({"change": 1.0, "window": timedelta(minutes=5)}, {"on": "change", "above": 1.0, "below": -1.0, "window_s": 300}),
        (
            {"spread": (3.0, "pips"), "cooldown": timedelta(minutes=1)},
            {"on": "spread", "above": 3.0, "unit": "pips", "cooldown_s": 60},
        ),
        ({"stale": timedelta(seconds=30), "note": "x"}, {"on": "stale", "after_s": 30, "note": "x"}),
        ({"above": 1.5, "for_": timedelta(hours=1)}, {"on": "price", "above": 1.5, "until_ms": 1_796_032_800_000}),
    ],
)
def test_options_become_the_arguments_of_the_service(options, wanted):
    assert arguments(options, NOW) == wanted


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "conditions are none"),
        ({"above": 1.0, "stale": timedelta(seconds=5)}, "conditions are --stale and --above or --below"),
        ({"above": 1.0, "window": timedelta(seconds=5)}, "--window goes with --change only"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, why):
    with pytest.raises(click.UsageError, match=why):
        arguments(options, NOW)


def test_spreads_and_percents_are_read_with_their_units():
    for words in (["--spread", "3x"], ["--change", "much"]):
        result = CliRunner().invoke(cli, ["alert", "add", "n", "X", *words])
        assert (result.exit_code, "is no" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("changes", "text", "state"),
    [
        ({}, "mid at or above 1.5", "waiting"),
        ({"below": 1.0, "firings": 1}, "mid at or above 1.5 or at or below 1", "fired"),
        ({"on": "change", "window_s": 60, "firings": 1, "repeat": True}, "change of mid at or above 1.5 % in 1 min", "waiting"),
        ({"on": "change", "window_s": None}, "change of mid at or above 1.5 % since the day began", "waiting"),
        ({"on": "spread", "unit": "pips", "enabled": False}, "spread at or above 1.5 pips", "off"),
        ({"on": "stale", "after_s": 30.0, "until_ms": 5}, "no tick for 30 s", "expired"),
    ],
)
def test_an_alert_is_a_row_of_words(changes, text, state):
    row = {**ROW, **changes}
    assert (condition(row), state_of(row, 10)) == (text, state)
    shown = dict(zip(HEADS, cells(row, 10), strict=True))
    assert (shown["condition"], shown["state"]) == (text, state)


def test_a_firing_is_a_row_whatever_a_feed_has_posted():
    body = {
        "alert": "n",
        "symbol": "X",
        "on": "price",
        "way": "above",
        "value": 2.0,
        "limit": 1.5,
        "at": 0,
        "number": 7,
        "fired": 1,
    }
    assert dict(zip(FIRING_HEADS, firing_cells(body), strict=True))["condition"] == "price above"
    assert len(firing_cells({})) == len(FIRING_HEADS)
    for at in (2**53 - 1, 10**300, -(2**62), "9", None):  # a time that no calendar has is shown as it is
        cells_of = dict(zip(FIRING_HEADS, firing_cells({**body, "at": at}), strict=True))
        assert cells_of["time"] == (f"{at * 1_000_000} ns" if isinstance(at, int) else "")


def test_a_firing_is_a_line_that_names_its_numbers():
    body = {
        "alert": "low",
        "symbol": "EURUSD",
        "on": "price",
        "way": "above",
        "value": 1.08559,
        "limit": 1.0,
        "at": 1796025527159,
    }
    line = firing_text({**body, "number": 36102, "fired": 1, "note": "sell"})
    assert line.endswith(" low EURUSD: price above 1, value 1.08559; firing 1, tick number 36102; sell"), line
    assert firing_text({})  # any feed with the role may post there


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--change", "1", "--window", "2d"], "'2d' must be from 1s to 1d"),
        (["--change", "1", "--window", "0"], "'0' must be from 1s to 1d"),
        (["--stale", "8d"], "'8d' must be from 1s to 7d"),
        (["--above", "1", "--cooldown", "25h"], "'25h' must be from 0 to 1d"),
    ],
)
def test_a_time_beyond_its_bounds_is_refused_as_it_was_written(options, wanted):
    result = CliRunner().invoke(cli, ["alert", "add", "a", "EURUSD", *options])
    assert (result.exit_code, wanted in " ".join(result.stderr.split())) == (2, True), result.stderr
