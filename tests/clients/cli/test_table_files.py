"""Tables as CSV and Parquet files: exact, and whole or not there."""

import csv
import sys

import pytest

from hulak.bus.errors import ConfigError
from hulak.clients.cli.table_files import write_csv, write_parquet

HEADS = ["symbol", "price", "mixed"]
ROWS = [["NICAD85/86", 4756272113489.3, 1], ['a "b", c', None, "x"], ["नबिल", 500.0, None]]


def test_a_csv_file_is_read_back_with_the_same_values(tmp_path):
    path = tmp_path / "rows.csv"
    write_csv(path, HEADS, ROWS)
    with path.open(encoding="utf-8", newline="") as file:
        heads, *rows = csv.reader(file)
    assert heads == HEADS
    assert rows == [["NICAD85/86", "4756272113489.3", "1"], ['a "b", c', "", "x"], ["नबिल", "500.0", ""]]
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.csv"]


def test_a_file_that_cannot_be_written_whole_leaves_the_former_one(tmp_path):
    path = tmp_path / "rows.csv"
    write_csv(path, ["a"], [[1]])
    before = path.read_bytes()

    class Rows(list):
        def __iter__(self):
            yield [2]
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_csv(path, ["a"], Rows())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.csv"]


def test_a_parquet_file_has_the_columns_and_a_mixed_one_as_text(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    write_parquet(path, HEADS, ROWS)
    assert parquet.read_table(path).to_pydict() == {
        "symbol": ["NICAD85/86", 'a "b", c', "नबिल"],
        "price": [4756272113489.3, None, 500.0],
        "mixed": ["1", "x", None],
    }


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'hulak\[parquet\]'"):
        write_parquet(tmp_path / "rows.parquet", HEADS, ROWS)
