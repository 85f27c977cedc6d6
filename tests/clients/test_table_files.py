"""Tables as CSV and Parquet files: exact, and whole or not there."""

import csv
import sys

import pytest

from hulak.bus.errors import ConfigError
from hulak.clients import table_files
from hulak.clients.table_files import Table, csv_of_parquet, flat_row, write_csv, write_parquet

ROWS = [
    {"symbol": "NICAD85/86", "price": 4756272113489.3, "mixed": 1},
    {"symbol": 'a "b", c', "price": None, "mixed": "x"},
    {"symbol": "नबिल", "price": 500.0},
]


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_csv_file_is_read_back_with_the_same_values(tmp_path):
    path = tmp_path / "rows.csv"
    write_csv(path, Table(ROWS))
    with path.open(encoding="utf-8", newline="") as file:
        heads, *rows = csv.reader(file)
    assert heads == ["symbol", "price", "mixed"]
    assert rows == [["NICAD85/86", "4756272113489.3", "1"], ['a "b", c', "", "x"], ["नबिल", "500.0", ""]]
    assert names(tmp_path) == ["rows.csv"]


def test_a_file_that_cannot_be_written_whole_leaves_the_former_one_and_is_named(tmp_path):
    path = tmp_path / "rows.csv"
    write_csv(path, Table([{"a": 1}]))
    before = path.read_bytes()

    class Rows(Table):
        def __iter__(self):
            yield [2]
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        write_csv(path, Rows([{"a": 2}]))
    assert caught.value.filename == str(path), "the command line reports an error of a file with its name"
    assert path.read_bytes() == before
    assert names(tmp_path) == ["rows.csv"]


def test_a_parquet_file_has_the_columns_and_a_mixed_one_as_text(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    write_parquet(path, Table(ROWS))
    assert parquet.read_table(path).to_pydict() == {
        "symbol": ["NICAD85/86", 'a "b", c', "नबिल"],
        "price": [4756272113489.3, None, 500.0],
        "mixed": ["1", "x", None],
    }


@pytest.mark.parametrize(
    ("values", "type_name", "read"),
    [
        ([1, 2.5, None], "double", [1.0, 2.5, None]),
        ([2026103005017614, None], "int64", [2026103005017614, None]),
        ([2**53 + 1, 0.5], "string", [str(2**53 + 1), "0.5"]),
        ([2**64, 1], "string", [str(2**64), "1"]),
        ([True, None], "bool", [True, None]),
        ([True, 1], "string", ["True", "1"]),
        ([None, None], "string", [None, None]),
        ([[1, "a"], []], "string", ['[1, "a"]', "[]"]),
    ],
)
def test_a_column_has_the_type_that_holds_all_its_values_exactly(tmp_path, values, type_name, read):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    write_parquet(path, Table([{"column": value} for value in values]))
    table = parquet.read_table(path)
    assert str(table.schema.field("column").type) == type_name
    assert table.column("column").to_pylist() == read


def test_rows_are_written_group_by_group_and_the_csv_of_a_parquet_file_is_the_same(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(table_files, "GROUP", 10)
    table = Table([{"contractId": 10**15 + at, "contractRate": at / 7, "buyer": None if at % 2 else str(at)} for at in range(25)])
    write_parquet(tmp_path / "rows.parquet", table)
    write_csv(tmp_path / "rows.csv", table)
    assert parquet.ParquetFile(tmp_path / "rows.parquet").num_row_groups == 3
    assert csv_of_parquet(tmp_path / "rows.parquet", tmp_path / "again.csv") == 25
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()


def test_a_file_that_is_no_parquet_file_is_named_and_no_csv_file_is_made_of_it(tmp_path):
    pytest.importorskip("pyarrow.parquet")
    (tmp_path / "rows.parquet").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"rows\.parquet is not a Parquet file"):
        csv_of_parquet(tmp_path / "rows.parquet", tmp_path / "rows.csv")
    assert names(tmp_path) == ["rows.parquet"]


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert not table_files.has_parquet()
    with pytest.raises(ConfigError, match=r"pip install 'hulak\[parquet\]'"):
        write_parquet(tmp_path / "rows.parquet", Table(ROWS))


def test_nested_maps_are_columns_and_lists_are_json():
    table = Table([{"a": {"b": 1}, "c": [1, 2]}, {"d": None}])
    assert (table.heads, list(table)) == (["a.b", "c", "d"], [[1, "[1, 2]", None], [None, None, None]])
    assert flat_row([1, 2.5]) == {"value": 1, "value1": 2.5}
    company = {"id": 131, "sector": {"name": "Banks"}}
    assert list(Table([{"id": 7, "sector": None}, company])) == [[7, None], [131, "Banks"]], "a map in some rows is no column"
