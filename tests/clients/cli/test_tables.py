"""Answers for people, where standard output is no terminal."""

from clients.cli.status import age, mb, us
from clients.cli.table import flat, shape, show


def test_a_list_of_maps_has_a_row_each_and_a_column_for_every_key():
    assert shape([{"a": 1, "b": 2}, {"a": 3, "c": 4}]) == (["a", "b", "c"], [[1, 2, ""], [3, "", 4]])


def test_a_map_has_a_row_for_each_key_and_nested_ones_are_named_by_their_path():
    assert flat({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == [("a.b", 1), ("a.c.d", 2), ("e", 3)]


def test_anything_else_is_one_cell():
    assert shape(80) == (["value"], [[80]])
    assert shape([1, 2]) == (["value"], [[1], [2]])


def test_without_a_terminal_cells_are_separated_by_tabs(capsys):
    show(["name", "value"], [["a\tb", None], ["c", 0.1]])
    assert capsys.readouterr().out == "name\tvalue\na b\t-\nc\t0.1\n"


def test_quantities_are_written_with_their_units():
    assert [mb(50_300_000), mb(None)] == ["50 MB", "-"]
    assert [age(5), age(600), age(9000)] == ["5 s", "10 min", "2.5 h"]
    assert us({"p50": 12.3, "p99": 45.6}) == "p50 12 µs, p99 46 µs"
