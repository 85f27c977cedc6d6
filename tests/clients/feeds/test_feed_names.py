"""The names of feeds: the broker refuses reports under an unusable name, and no monitoring would show the feed."""

from pathlib import Path

import pytest

from hulak.bus.errors import ConfigError
from hulak.bus.process.settings import Settings
from hulak.clients.feeds.process import default_name, run_feed, run_nepse, run_replay

BAD = ["", "x" * 201, "a\nb", "\x1b[2J", "\udcff"]


@pytest.mark.parametrize("name", BAD, ids=("empty", "long", "two lines", "escape", "not UTF-8"))
def test_an_unusable_name_is_refused_before_anything_starts(tmp_path, name):
    with pytest.raises(ConfigError, match=r"name is .*, must be text of 1 to 200 printable characters"):
        run_feed(Settings(), tmp_path, venue="json", url="ws://127.0.0.1:1/x", name=name)
    file = tmp_path / "eurusd.csv"
    file.write_text("1704153600123,1,2\n")
    with pytest.raises(ConfigError, match=r"name is .*, must be text of 1 to 200 printable characters"):
        run_replay(Settings(), tmp_path, files=[file], speed=None, name=name, prefix="old")


def test_a_watch_list_that_takes_longer_than_a_minute_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="51 symbols, must be at most 50"):
        run_nepse(Settings(), tmp_path, watched=[f"S{number}" for number in range(51)])


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (Path("/x/eurusd.csv"), "eurusd.csv"),
        (Path("-"), "stdin"),
        (Path("/x/a\n\udcff\x1b.csv"), "a???.csv"),
        (Path("/x") / ("y" * 240), "y" * 200),
        (Path("/x/नेप्से.csv"), "नेप्से.csv"),
    ],
)
def test_the_feed_of_a_file_has_a_name_that_can_be_reported(file, name):
    assert default_name(file) == name
