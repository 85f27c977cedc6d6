"""Durations for people: the same text in the command line, in the judge and on the page."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from hulak.clients.cli.alert_texts import condition
from hulak.clients.cli.schedule_options import when
from hulak.clients.durations import age, exactly, fine_age

ROOT = Path(__file__).resolve().parents[2]
MEASURED = [
    -1,
    0,
    0.04,
    0.44,
    9.9,
    9.96,
    12.3,
    99.4,
    99.6,
    150,
    1234,
    5969,
    5971,
    7200,
    35_000,
    36_000,
    170_999,
    171_001,
    9e5,
    4e8,
]
SET = [0.5, 1, 60, 90, 300, 3600, 5400, 7200, 86_400, 90_000]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (720, "12 min"),
        (6000, "1.7 h"),
        (40_000, "11 h"),
        (2e5, "2.3 d"),
        (1e6, "12 d"),
    ],
)
def test_a_measured_duration_has_two_figures_or_three(seconds, text):
    assert age(seconds) == text


def test_alerts_and_schedules_have_durations_in_the_largest_whole_unit():
    change = {"on": "change", "side": "mid", "above": 1.0, "below": -1.0, "window_s": 300}
    assert condition(change).endswith("in 5 min")
    assert condition({"on": "stale", "after_s": 90}) == "no tick for 90 s"
    assert [when({"every_s": seconds}) for seconds in (1, 300, 7200)] == ["every 1 s", "every 5 min", "every 2 h"]


def test_the_page_has_the_same_texts():
    if (node := shutil.which("node")) is None:
        pytest.skip("there is no node")
    program = f"""import {{ age, exactly }} from "./clients/web/format.js";
      console.log(JSON.stringify([{MEASURED}.map(age), {SET}.map(exactly)]))"""
    done = subprocess.run(
        [node, "--input-type=module", "-e", program], capture_output=True, check=True, cwd=ROOT, text=True, timeout=60
    )
    assert json.loads(done.stdout) == [list(map(fine_age, MEASURED)), list(map(exactly, SET))]
