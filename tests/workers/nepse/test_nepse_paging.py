"""Lists in pages: read to the end, counted, and never reported as complete when they are not."""

import json

import pytest
from nepse_worker_fixture import ExchangeFetch, reply

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse.actions import NepseActions
from hulak.workers.nepse.endpoint import PAGED, PAGES_A_TASK, Shape
from hulak.workers.nepse.endpoints import ENDPOINTS
from hulak.workers.nepse.paging import PageCollection, parse_page

SHEET = "/api/nots/nepse-data/floorsheet"
STATUS = "/api/nots/nepse-data/market-open"
CLOSED = reply(200, '{"isOpen": "CLOSE", "asOf": "2026-04-24T15:00:00", "id": 80}')


def contract(number):
    return {"contractId": number, "contractQuantity": 10}


def sheet(rows, page, *, size=2, total=None, last=None, trades=None):
    total = len(rows) if total is None else total
    pages = -(-total // size)
    content = {
        "content": rows,
        "number": page,
        "size": size,
        "totalPages": pages,
        "totalElements": total,
        "last": page >= pages - 1 if last is None else last,
    }
    totals = {"totalAmount": 1.0, "totalQty": 10, "totalTrades": total if trades is None else trades}
    return reply(200, json.dumps({**totals, "floorsheets": content}))


def read(exchange, name="floor-sheet", **given):
    running = NepseActions(exchange, exchange.clock).by_name()[name]({"pages": 20} | given)
    parts = []
    while True:
        try:
            parts.append(next(running))
        except StopIteration as end:
            return parts, end.value


def sheets(*pages, closed=True):
    exchange = ExchangeFetch()
    if closed:
        exchange.plan(STATUS, *[CLOSED] * 3)
    exchange.plan(SHEET, *pages)
    return exchange


def test_a_floor_sheet_is_read_to_its_end_with_each_page_as_a_partial_result():
    exchange = ExchangeFetch()
    parts, result = read(exchange, size=500)
    trades = len(result["rows"])
    assert trades == result["totalTrades"] == result["total"] > 1000
    assert [part["page"] for part in parts] == list(range(-(-trades // 500)))
    assert {part["pages"] for part in parts} == {len(parts)} == {result["pages"]}
    assert [row for part in parts for row in part["rows"]] == result["rows"]
    assert (result["page"], result["next"], result["complete"]) == (0, None, True)
    numbers = [row["contractId"] for row in result["rows"]]
    assert numbers == sorted(set(numbers)), "oldest first, so that new contracts do not shift pages"


def test_some_pages_can_be_read_and_the_next_one_is_returned():
    _, whole = read(ExchangeFetch(), size=100, pages=500)
    _, first = read(ExchangeFetch(), size=100, pages=3)
    assert (first["pages"], first["next"], first["complete"]) == (3, 3, True)
    rest = []
    page = 3
    while page is not None:
        _, more = read(ExchangeFetch(), size=100, page=page, pages=20)
        rest, page = rest + more["rows"], more["next"]
    assert first["rows"] + rest == whole["rows"]


def test_a_task_reads_two_pages_by_default_so_that_others_wait_a_second_at_most():
    lists = [endpoint for endpoint in ENDPOINTS if endpoint.shape in PAGED]
    assert {argument.default for endpoint in lists for argument in endpoint.arguments if argument.name == "pages"} == {2}
    exchange = ExchangeFetch()
    _, first = read(exchange, size=100, pages=None)
    assert (len(first["rows"]), first["pages"], first["next"]) == (200, PAGES_A_TASK, 2)
    assert len([path for path in exchange.paths() if path.startswith(SHEET)]) == PAGES_A_TASK


def test_a_task_begins_no_page_after_a_second_so_that_a_long_list_delays_no_other_task():
    class SlowExchange(ExchangeFetch):
        def __call__(self, request):
            self.now += 0.5  # two requests a second
            return super().__call__(request)

    exchange = SlowExchange()
    _, some = read(exchange, size=100, pages=500)
    assert (some["pages"], some["next"], some["complete"]) == (len(some["rows"]) // 100, some["pages"], True)
    assert len([path for path in exchange.paths() if "floorsheet" in path]) == some["pages"] <= 3


def test_a_filter_returns_only_matching_contracts():
    _, whole = read(ExchangeFetch())
    _, of_one = read(ExchangeFetch(), symbol="NABIL")
    assert of_one["rows"] == [row for row in whole["rows"] if row["stockSymbol"] == "NABIL"]
    [contract] = read(ExchangeFetch(), contract=whole["rows"][7]["contractId"])[1]["rows"]
    assert contract == whole["rows"][7]


def test_contracts_repeated_because_pages_shifted_are_returned_once():
    exchange = sheets(
        sheet([contract(1), contract(2)], 0, total=4),
        sheet([contract(2), contract(3)], 1, total=4, last=False),
        sheet([contract(4)], 2, total=4, last=True),
    )
    assert [row["contractId"] for row in read(exchange)[1]["rows"]] == [1, 2, 3, 4]


def test_missing_contracts_of_a_closed_market_are_incomplete_and_retryable():
    exchange = sheets(sheet([contract(1), contract(2)], 0, total=4), sheet([contract(3)], 1, total=4))
    with pytest.raises(TaskFailed, match="gave 3 rows in 2 pages, must be 4") as caught:
        read(exchange)
    assert (caught.value.code, caught.value.retryable) == ("INCOMPLETE", True)
    assert caught.value.details == {"rows": 3, "wanted": 4}


def test_the_total_of_trades_overrides_the_total_of_the_page():
    with pytest.raises(TaskFailed, match="must be 5"):
        read(sheets(sheet([contract(1), contract(2)], 0, total=2, trades=5)))


def test_while_the_market_is_open_a_difference_is_reported_without_an_error():
    exchange = sheets(sheet([contract(1), contract(2)], 0, total=2, trades=3), closed=False)
    result = read(exchange)[1]
    assert (result["complete"], len(result["rows"]), result["totalTrades"]) == (False, 2, 3)


def test_a_short_page_in_the_middle_is_detected():
    exchange = sheets(sheet([contract(1)], 0, total=6), sheet([contract(3), contract(4)], 1, total=6))
    with pytest.raises(TaskFailed, match="gave 3 rows in 2 pages, must be 4"):
        read(exchange, pages=2)


def test_a_fault_at_the_third_page_ends_the_task_after_the_parts_before_it():
    exchange = sheets(
        sheet([contract(1), contract(2)], 0, total=6),
        sheet([contract(3), contract(4)], 1, total=6),
        reply(429, "", Retry_After=4),
    )
    running = NepseActions(exchange, exchange.clock).by_name()["floor-sheet"]({"pages": 20})
    assert [next(running)["page"], next(running)["page"]] == [0, 1]
    with pytest.raises(TaskFailed) as caught:
        next(running)
    assert (caught.value.code, caught.value.retry_after_s) == ("RATE_LIMITED", 4.0)


@pytest.mark.parametrize(
    ("shape", "value", "why"),
    [
        (Shape.PAGES, None, "no page"),
        (Shape.PAGES, {}, "no page"),
        (Shape.PAGES, {"content": [1]}, "no page"),
        (Shape.PAGES, {"content": {}}, "no page"),
        (Shape.PAGES, {"content": [], "number": 3}, "page 3, wanted page 0"),
        (Shape.SHEET, [], "without floorsheets"),
        (Shape.SHEET, {"floorsheets": None}, "no page"),
    ],
)
def test_a_malformed_page_is_a_bad_answer(shape, value, why):
    with pytest.raises(TaskFailed, match=why) as caught:
        parse_page("x", shape, value, 0)
    assert caught.value.code == "BAD_ANSWER"


def test_a_contract_without_its_id_is_a_bad_answer():
    with pytest.raises(TaskFailed, match="without contractId"):
        read(sheets(sheet([{"contractQuantity": 1}], 0)))


def test_a_bare_list_is_a_whole_list_and_a_page_without_numbers_is_the_last():
    bare = parse_page("x", Shape.PAGES, [{"a": 1}, {"a": 2}], 0)
    assert (bare.rows, bare.last, bare.total) == ([{"a": 1}, {"a": 2}], True, 2)
    silent = parse_page("x", Shape.PAGES, {"content": [{"a": 1}]}, 0)
    assert (silent.last, silent.total) == (True, None)
    pile = PageCollection("x", Shape.PAGES, 0, filtered=False)
    pile.add(silent)
    assert (pile.fits(), pile.result()["complete"]) == (True, True)


def test_an_empty_list_is_whole():
    assert read(sheets(sheet([], 0)))[1]["rows"] == []


def test_a_token_that_expires_between_pages_is_renewed_and_no_contract_is_lost():
    exchange = ExchangeFetch(token_lifetime_s=0.2)
    running = NepseActions(exchange, exchange.clock).by_name()["floor-sheet"]({"size": 500, "pages": 4})
    rows = []
    for part in running:
        rows += part["rows"]
        exchange.now += 0.3
    assert len({row["contractId"] for row in rows}) == 2000
    assert exchange.paths().count("/api/authenticate/refresh-token") >= 3
