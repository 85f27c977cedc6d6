"""The benchmark of displays measures what it says, and a tick's cost does not grow."""

from itertools import count

from click.testing import CliRunner

from benchmarks import displays
from benchmarks.__main__ import main


def test_times_are_divided_by_what_was_done_in_them():
    now = count(0, 1_000_000)  # each look at the clock is a millisecond later
    result = displays.measure((100, 3000), 2, lambda: next(now))
    assert [row["fold_us"] for row in result["rows"]] == [1000 / displays.WINDOW] * 4
    assert [row["snapshot_us"] for row in result["rows"]] == [1000.0] * 4
    assert result["growth"] == {"all": 1.0, "percentage": 1.0}
    assert [row["original_ms"] for row in result["rows"]] == [0.44, None] * 2
    assert "last over first: all: 1.00" in displays.table(result)


def test_a_tick_costs_no_more_after_many_ticks():
    result = displays.measure((100, 30_000), 5)  # CPU time, medians
    assert max(result["growth"].values()) < 2


def test_the_command_writes_its_table(monkeypatch, tmp_path):
    monkeypatch.setattr(displays, "POINTS", (10, 2000))
    done = CliRunner().invoke(main, ["displays", "--repeats", "1", "--json", str(tmp_path / "out.json")])
    assert done.exit_code == 0, done.output
    assert "| percentage | 2,000 |" in done.output
    assert (tmp_path / "out.json").stat().st_size > 100
