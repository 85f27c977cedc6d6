"""Answers for people, where standard output is no terminal."""

from contextlib import suppress
from types import SimpleNamespace

import pytest

from hulak.bus.errors import BusError
from hulak.clients.cli.alert import cells, firing_text
from hulak.clients.cli.command import report
from hulak.clients.cli.nepse import Progress
from hulak.clients.cli.nepse_output import BOOK_HEADS, graph_points, order_book, sparkline, summary, unpaged
from hulak.clients.cli.nepse_output import show as show_nepse
from hulak.clients.cli.status import mb, us
from hulak.clients.cli.sub import as_text
from hulak.clients.cli.table import columns, flat, narrowest, number, records, sections, shape, show, show_value, text
from hulak.clients.durations import age
from hulak.clients.judge.facts import one_line
from hulak.clients.printable import printable
from hulak.clients.table_files import Table


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


HOSTILE = "a\x1b[2J\rHULAK OK\x9b\u202e\udc80\u2028"
SHOWN = r"a\x1b[2J\rHULAK OK\x9b\u202e\udc80\u2028"


def test_control_characters_of_others_are_shown_and_not_obeyed(capsys):
    show([HOSTILE], [[HOSTILE], [[HOSTILE]], [{HOSTILE: 1}], ["नेप्से \xa0 €"]])
    lines = capsys.readouterr().out.split("\n")
    assert lines[:2] == [SHOWN] * 2
    assert all(printable(line) == line and "HULAK OK" in line for line in lines[2:4])
    assert lines[4] == "नेप्से \xa0 €", "other characters are as they were"
    assert records([HOSTILE], [[HOSTILE]]) == [f"{SHOWN}  {SHOWN}"]
    assert one_line(f"feed {HOSTILE}\n is stale") == f"feed {SHOWN} is stale".replace(r"\r", " ").replace(r"\u2028", "")


def test_a_message_is_one_line_whatever_it_holds():
    event = SimpleNamespace(topic="tick.A", stamp=SimpleNamespace(time_ns=0, sequence=1), body={HOSTILE: HOSTILE, "n": "a\nb"})
    assert as_text(event).endswith(f"tick.A #1 {SHOWN}={SHOWN} n=a\\nb")


def test_the_error_of_a_peer_is_one_line(capsys):
    report(SimpleNamespace(as_json=False, context=None), BusError("X", f"{HOSTILE}\nHULAK OK"))
    assert capsys.readouterr().err == f"hulak: {SHOWN}\\nHULAK OK\n"


def test_quantities_are_written_with_their_units():
    assert [mb(50_300_000), mb(None)] == ["50 MB", "-"]
    assert [age(5), age(600), age(9000)] == ["5 s", "10 min", "2.5 h"]
    assert us({"p50": 12.3, "p99": 45.6}) == "p50 12 µs, p99 46 µs"


def test_lists_of_maps_within_a_map_are_separate_tables():
    value = {"total": 3, "depth": {"buy": [{"price": 1.5, "quantity": 2}], "sell": []}, "days": [{"a": 1}, {"b": {"c": None}}]}
    assert sections(value) == [
        ("", ["name", "value"], [("total", 3), ("depth.sell", [])]),
        ("depth.buy", ["price", "quantity"], [[1.5, 2]]),
        ("days", ["a", "b.c"], [[1, ""], ["", None]]),
    ]
    assert sections({}) == [("", ["name", "value"], [])]
    assert sections([1]) == [("", ["value"], [[1]])]


def test_nothing_is_written_as_python_writes_it(capsys):
    show_value({"days": [{"a": [1, {"b": None}], "c": b"\1"}]})
    assert capsys.readouterr().out == 'days:\na\tc\n[1,{"b":null}]\t"01"\n'
    show_value({"open": True, "inner": {"closed": False}, "list": [True, None]})
    assert capsys.readouterr().out == "name\tvalue\nopen\tyes\ninner.closed\tno\nlist\t[true,null]\n"


def test_a_column_of_yes_and_no_is_one_of_texts():
    sides = [columns(["name", "open"], [["a", value], ["b", value]]).columns[1].justify for value in (True, 1)]
    assert sides == ["left", "right"]


def test_an_order_book_has_buyers_and_sellers_side_by_side(capsys):
    buys = [{"orderBookOrderPrice": price, "quantity": 10, "orderCount": 1, "stockId": 131} for price in (499.1, 499.0)]
    sells = [{"orderBookOrderPrice": 500.0, "quantity": 7, "orderCount": 2, "stockId": 131}]
    depth = {"buyMarketDepthList": buys, "sellMarketDepthList": sells}
    show_nepse("market-depth", {"totalBuyQty": 20, "marketDepth": depth})
    lines = capsys.readouterr().out.split("\n")
    assert lines[:4] == ["name\tvalue", "totalBuyQty\t20", "", "\t".join(BOOK_HEADS)]
    assert lines[4:] == ["1\t10\t499.1\t500\t7\t2", "1\t10\t499\t-\t-\t-", ""]
    assert order_book({"buyMarketDepthList": 5}) == order_book(None) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (4756272113489.3, "4756272113489.3"),
        (5270399727.64, "5270399727.64"),
        (2.7056997e10, "27056997000"),
        (1e-9, "0.000000001"),
        (1e22, "10000000000000000000000"),
        (500.0, "500"),
        (0.1, "0.1"),
        (-2713.92, "-2713.92"),
    ],
)
def test_a_number_is_exact_and_has_no_exponent(value, shown):
    assert number(value) == shown
    assert float(shown) == value


def test_a_number_that_is_none_is_named():
    assert [number(float("nan")), number(float("inf"))] == ["nan", "inf"]


def test_a_table_that_does_not_fit_is_printed_record_by_record():
    heads, rows = ["symbol", "price", "name"], [["NABIL", 4756272113489.3, "Nabil Bank Limited, Kathmandu"], ["NICA", 1.5, ""]]
    assert narrowest(heads, rows) == 6 + 2 + 15 + 2 + 16
    assert records(heads, rows) == [
        "symbol  NABIL\nprice   4756272113489.3\nname    Nabil Bank Limited, Kathmandu",
        "symbol  NICA\nprice   1.5\nname    -",
    ]


def test_a_graph_is_time_in_nepal_and_value(capsys):
    show_nepse("index-graph", [[1795889700, 2726.09], [1795889760, 2727]])
    assert capsys.readouterr().out == ("time\tvalue\n2026-11-29 00:00:00+05:45\t2726.09\n2026-11-29 00:01:00+05:45\t2727\n")
    assert graph_points([[1, 2, 3]]) == graph_points({}) == []


def test_a_sparkline_has_a_bar_for_each_part_of_the_values():
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5.0]) == sparkline([5, 5])[:1] == "▁"
    assert len(sparkline(range(1000))) == 60


def test_an_empty_answer_is_none_with_the_reason_where_it_is_known(capsys):
    for value in (None, [], {}):
        show_nepse("live-market", value, closed=True)
        show_nepse("today-price", value)
    assert capsys.readouterr().out == "none: the market is closed\nnone\n" * 3


def test_a_list_is_summed_up_with_its_totals_and_whether_it_is_whole():
    sheet = {"rows": [1, 2], "total": 2, "totalTrades": 2, "totalQty": 30, "totalAmount": 1e10, "complete": True}
    assert summary(sheet) == "2 rows, totalTrades 2, totalQty 30, totalAmount 10000000000, complete"
    assert summary(sheet | {"totalTrades": 9}).startswith("2 rows, of the whole market: totalTrades 9, totalQty 30, ")
    open_market = {"rows": [1], "total": 1500, "complete": False}
    assert summary(open_market) == "1 of 1,500 rows, not complete: the market is open, and trades are added"
    some = {"rows": [1, 2], "total": 9, "complete": True, "page": 2, "pages": 1, "next": 3}
    assert summary(some) == "2 of 9 rows, page 2"
    assert summary(some | {"pages": 2, "next": None}) == "2 of 9 rows, pages 2 to 3"


COMPANY = {"id": 131, "sector": {"name": "Banks", "regulator": {"id": 1}}}


def test_maps_within_the_rows_of_a_list_are_columns_also_where_some_rows_have_none():
    heads = ["id", "sector.name", "sector.regulator.id"]
    assert shape([COMPANY, {"id": 7, "sector": None}]) == (heads, [[131, "Banks", 1], [7, "", ""]])
    rows = Table([{"id": 7, "sector": None}, COMPANY])
    assert (rows.heads, list(rows)) == (heads, [[7, None, None], [131, "Banks", 1]])
    assert shape([{"a": 1}, {"a": {"b": 2}}]) == (["a", "a.b"], [[1, ""], ["", 2]]), "a value is not dropped"


def test_lists_of_maps_within_a_row_are_tables_below_its_name_or_blocks_where_these_are_too_wide():
    places = [{"id": 3, "name": "Bagmati"}, {"id": 4, "name": "Gandaki", "in": {"id": 9}}]
    table = "places\n  id  name     in.id\n  3   Bagmati  -\n  4   Gandaki  9"
    assert records(["code", "places"], [[7, places]], 40) == [f"code    7\n{table}"]
    blocks = "places\n  - id     3\n    name   Bagmati\n    in.id  -\n  - id     4\n    name   Gandaki\n    in.id  9"
    assert records(["code", "places"], [[7, places]], 19) == [f"code    7\n{blocks}"]
    assert records(["a"], [[[{"b": [{"c": 1}]}]]], 40) == ["a\n  - b\n      c\n      1"]


def test_times_and_names_are_not_broken_and_long_texts_only_between_words():
    heads = ["symbol", "time", "text"]
    assert narrowest(heads, [["NABIL", "2026-11-30T00:00:00", "a b " * 50]]) == 6 + 2 + 19 + 2 + 16
    assert narrowest(["a", "authorizedContactPersonNumber"], [["b", "1 2"]]) == 1 + 2 + 29
    assert narrowest(["a", "b"], [["c", "x" * 500]]) == 1 + 2 + 40


def test_a_page_within_an_answer_is_shown_as_its_rows(capsys):
    page = {"content": [{"id": 1}], "pageable": {"paged": True}, "totalPages": 1}
    show_nepse("company-directory", {"companies": page, "securities": [{"id": 2}]})
    assert capsys.readouterr().out == "companies:\nid\n1\n\nsecurities:\nid\n2\n"
    show_nepse("margin-trades", {**page, "content": []})
    assert capsys.readouterr().out == "none\n"


def test_a_page_of_lists_is_its_rows():
    page = {"content": [[{"id": 1}], [{"id": 2}], {"id": 3}], "pageable": {}, "totalPages": 1}
    assert unpaged(page) == [{"id": 1}, {"id": 2}, {"id": 3}]


def test_progress_is_one_line_for_a_list_that_comes_in_several_answers(capsys):
    with Progress() as progress:
        progress.show(80, 80)
    assert capsys.readouterr().err == ""
    with suppress(BusError), Progress() as progress:
        progress.show(1000, 90_000)
        progress.show(2000, None)
        raise BusError("X", "a separate line")
    assert capsys.readouterr().err == "\r1,000 of 90,000 rows \r2,000 rows \r"


def test_a_value_that_is_not_there_is_a_dash_in_every_table():
    assert [text(value) for value in (None, "", 0, False, " ")] == ["-", "-", "0", "no", " "]
    never = {"name": "high", "symbol": "EURUSD", "on": "price", "above": 1.0, "last": None, "note": "", "enabled": True}
    assert [text(cell) for cell in cells(never, 0.0)][-4:] == ["-", "-", "once", "-"]


def test_a_table_without_rows_has_the_reason_on_standard_error(capsys):
    show(["alert", "symbol"], [], "there is no alert; `hulak alert add` adds one")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("alert\tsymbol\n", "hulak: there is no alert; `hulak alert add` adds one\n")
    show(["alert"], [["high"]], "there is no alert")
    assert capsys.readouterr().err == ""
    firing = {"alert": "high", "symbol": "X", "value": 1.0823800000000001, "limit": 1.0, "on": "price", "way": "above"}
    assert "value 1.08238" in firing_text(firing).split(";")[0]
    assert "1.0823800000000001" not in firing_text(firing)
