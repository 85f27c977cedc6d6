"""`hulak schedule`, and the options of `hulak task post` that make one: from values alone."""

from datetime import timedelta

import click
import pytest
from click.testing import CliRunner

from hulak.clients.calls.schedules import scheduling
from hulak.clients.cli import cli
from hulak.clients.cli.schedule import HEADS, cells, sentence
from hulak.clients.cli.schedule_options import given_options, in_zone, when

NS = 10**9
ROW = {
    "name": "prices",
    "service": "nepse",
    "action": "today-price",
    "cron": "5 15 * * *",
    "zone": "Asia/Kathmandu",
    "calendar": "nepse",
    "state": "active",
    "why": "",
    "next_ns": 1_795_944_000 * NS,
    "last_due_ns": None,
    "last_task": None,
    "last_state": None,
    "runs_posted": 0,
    "runs_missed": 1,
    "runs_skipped": 2,
}


def test_a_row_of_the_table_has_its_next_run_in_the_zone_of_the_schedule():
    row = dict(zip(HEADS, cells(ROW), strict=True))
    assert row["next run"] == in_zone(ROW["next_ns"], "Asia/Kathmandu")
    assert row["next run"].endswith("+05:45")
    assert (row["when"], row["runs"], row["missed"], row["skipped"]) == ("cron 5 15 * * *, on days of nepse", 0, 1, 2)


def test_a_schedule_without_a_next_run_is_stuck_and_has_the_reason():
    row = dict(zip(HEADS, cells({**ROW, "next_ns": None, "why": "calendar nepse is known until 2026-12-31"}), strict=True))
    assert (row["state"], row["next run"]) == ("stuck", "calendar nepse is known until 2026-12-31")
    assert sentence({**ROW, "state": "ended", "next_ns": None, "why": "it has had its 2 runs"}) == (
        "schedule prices is ended, it has had its 2 runs"
    )


def test_the_last_run_is_named_by_its_task_and_its_result():
    done = {**ROW, "last_due_ns": ROW["next_ns"], "last_task": b"\x07" * 16, "last_state": "done"}
    row = dict(zip(HEADS, cells(done), strict=True))
    assert (row["task"], row["result"], row["last run"]) == ("07" * 16, "done", row["next run"])


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"every_s": 90}, "every 90 s"),
        ({"every_s": 300, "at": "09:00"}, "at 09:00, every 5 min"),
        ({"every_s": 86_400}, "every 1 d"),
        ({"at": "2026-11-30T15:05"}, "at 2026-11-30T15:05"),
    ],
)
def test_the_times_of_a_schedule_read_as_they_were_given(row, text):
    assert when(row) == text


def test_a_zone_that_this_machine_lacks_is_shown_in_utc():
    assert in_zone(1_795_944_000 * NS, "Mars/Olympus").endswith("+00:00")


def test_durations_become_seconds_and_options_that_were_not_given_are_absent():
    options = {"every": timedelta(minutes=5), "jitter": timedelta(seconds=30), "overlap": None, "zone": "UTC", "at": None}
    assert given_options(options) == {"every_s": 300, "jitter_s": 30, "zone": "UTC"}
    assert given_options(dict.fromkeys(options)) == {}


def test_options_of_schedules_need_a_time():
    with pytest.raises(click.UsageError, match=r"--tz, --runs needs a time: --at 15:05"):
        given_options({"zone": "UTC", "runs": 3})


def test_a_key_goes_with_a_single_task_only():
    done = CliRunner().invoke(cli, ["task", "post", "nepse", "x", "--every", "5m", "--key", "k"])
    assert done.exit_code == 2
    assert "use --name" in done.output


def test_an_unknown_option_of_a_schedule_is_refused_before_it_is_sent():
    assert scheduling("nepse", every_s=5, at=None) == {"service": "nepse", "action": "", "args": {}, "every_s": 5}
    with pytest.raises(TypeError, match=r"options \['evry_s'\] are unknown"):
        scheduling("nepse", evry_s=5)
