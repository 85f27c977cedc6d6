"""Answers for people, where standard output is no terminal."""

from hulak.clients.cli.nepse import BOOK_HEADS, order_book
from hulak.clients.cli.nepse import show as show_nepse
from hulak.clients.cli.status import mb, us
from hulak.clients.cli.table import flat, sections, shape, show, show_value
from hulak.clients.judge.perf import age


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


def test_lists_of_maps_within_a_map_are_separate_tables():
    value = {"total": 3, "depth": {"buy": [{"price": 1.5, "quantity": 2}], "sell": []}, "days": [{"a": 1}, {"b": {"c": None}}]}
    assert sections(value) == [
        ("", ["name", "value"], [("total", 3), ("depth.sell", [])]),
        ("depth.buy", ["price", "quantity"], [[1.5, 2]]),
        ("days", ["a", "b"], [[1, ""], ["", {"c": None}]]),
    ]
    assert sections({}) == [("", ["name", "value"], [])]
    assert sections([1]) == [("", ["value"], [[1]])]


def test_nothing_is_written_as_python_writes_it(capsys):
    show_value({"days": [{"a": [1, {"b": None}], "c": b"\1"}]})
    assert capsys.readouterr().out == 'days:\na\tc\n[1,{"b":null}]\t"01"\n'


def test_an_order_book_has_buyers_and_sellers_side_by_side(capsys):
    buys = [{"orderBookOrderPrice": price, "quantity": 10, "orderCount": 1, "stockId": 131} for price in (499.1, 499.0)]
    sells = [{"orderBookOrderPrice": 500.0, "quantity": 7, "orderCount": 2, "stockId": 131}]
    depth = {"buyMarketDepthList": buys, "sellMarketDepthList": sells}
    show_nepse({"totalBuyQty": 20, "marketDepth": depth})
    lines = capsys.readouterr().out.split("\n")
    assert lines[:4] == ["name\tvalue", "totalBuyQty\t20", "", "\t".join(BOOK_HEADS)]
    assert lines[4:] == ["1\t10\t499.1\t500\t7\t2", "1\t10\t499\t-\t-\t-", ""]
    assert order_book({"buyMarketDepthList": 5}) == order_book(None) == []
