"""`python -m benchmarks tables`, with a small journal: real commands, and their counts."""

import pytest
from click.testing import CliRunner

from benchmarks import tables
from benchmarks.__main__ import main
from benchmarks.system import BenchmarkError

pytestmark = pytest.mark.system


def test_each_command_has_its_seconds_and_counts_all_ticks(tmp_path):
    done = CliRunner().invoke(main, ["tables", "--mib", "1", "--folder", str(tmp_path), "--json", str(tmp_path / "out.json")])
    assert done.exit_code == 0, done.output
    assert "| export to Parquet |" in done.output
    assert "1 MiB, 7,500 ticks;" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_command_that_counts_other_ticks_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "run", lambda home, *words: ([{"ticks": 3}], 1.0, 1))
    with pytest.raises(BenchmarkError, match="verify: 3 ticks, must be 7500"):
        tables.measure(1 << 20, tmp_path, print)
