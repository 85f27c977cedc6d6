"""Directories of the exchange: the arguments reach it in its form, and the simulated exchange honours them."""

import json

import pytest
from nepse_worker_fixture import ExchangeFetch, reply

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse.actions import NepseActions
from hulak.workers.nepse.path_blocks import kind_of


@pytest.fixture
def exchange():
    return ExchangeFetch()


def ask(exchange, action, **given):
    """Run an action to its end; return its result, of a list its rows."""
    value = NepseActions(exchange, exchange.clock).by_name()[action](given)
    while hasattr(value, "send"):
        try:
            next(value)
        except StopIteration as end:
            value = end.value
    return value["rows"] if isinstance(value, dict) and "rows" in value else value


def test_a_word_is_sent_in_the_form_of_the_exchange(exchange):
    assert len(ask(exchange, "bonds")) == 77
    assert len(ask(exchange, "bonds", type="Government")) == 68
    assert [path for path in exchange.paths() if "debentureAndBond" in path] == [
        "/api/nots/company/debentureAndBond?type=debenture",
        "/api/nots/company/debentureAndBond?type=govBonds",
    ]


def test_the_four_groups_divide_all_securities(exchange):
    everything = ask(exchange, "classification")
    groups = [ask(exchange, "classification", group=letter) for letter in "aBgZ"]
    assert sum(map(len, groups)) == len(everything) == 80
    assert {row["shareGroupId"]["name"] for row in groups[0]} == {"A"}
    assert everything[0]["companyId"]["sectorMaster"]["sectorDescription"] == "Commercial Banks"
    assert {row["name"] for row in ask(exchange, "share-groups")} == set("ABGZ")
    assert ask(exchange, "security-classification", symbol="NABIL") == everything[0]


def test_members_are_searched_with_all_criteria_of_the_exchanges_form(exchange):
    assert ask(exchange, "dealers") == ask(exchange, "dealers", name="dealer")
    rows = ask(exchange, "dealers", name="Dealer 90", code=903, province="3")
    assert [row["memberCode"] for row in rows] == [903]
    searches = [request for request in exchange.requests if request.method == "POST" and "/member" in request.path]
    assert searches[-1].path == "/api/nots/member/dealer?page=0&size=500"
    assert searches[-1].body == {
        "memberName": "Dealer 90",
        "memberCode": "903",
        "contactPerson": "",
        "contactNumber": "",
        "provinceId": 3,
        "districtId": 0,
        "municipalityId": 0,
    }
    assert ask(exchange, "dealers", district=99) == []
    assert [str(row["memberCode"]) for row in ask(exchange, "brokers", code=7)] == ["7"]
    assert len(searches) == 2, "a list without criteria is read by GET"


def test_a_day_without_a_session_is_replaced_by_the_last_one_where_the_exchange_needs_a_day(exchange):
    day = ask(exchange, "market-status")["asOf"][:10]
    assert ask(exchange, "margin-trades")["totalAmountInvested"] == 0.0
    assert exchange.paths()[-1] == f"/api/margin/trades-report?businessDate={day}"
    ask(exchange, "margin-trades", date="2026-04-02")
    assert exchange.paths()[-1] == "/api/margin/trades-report?businessDate=2026-04-02"


def test_reports_are_read_by_the_name_of_their_category(exchange):
    assert len(ask(exchange, "exchange-reports", category="monthly")) == 10
    assert exchange.paths()[-1].startswith("/api/web/report/reportByCategory/2?")
    assert ask(exchange, "exchange-reports", category="other") == []
    assert len(ask(exchange, "report-types")) == 5


@pytest.mark.parametrize(("sort", "sent"), [("lowprice", "lowPrice,asc"), ("lowPrice, DESC", "lowPrice,desc")])
def test_prices_come_in_the_order_of_a_column(exchange, sort, sent):
    prices = [row["lowPrice"] for row in ask(exchange, "today-price", sort=sort)]
    assert len(prices) == 80
    assert prices == sorted(prices, reverse=sent.endswith("desc"))
    assert f"sort={sent.replace(',', '%2C')}" in exchange.paths()[-1]


def test_a_history_can_be_read_for_one_day(exchange):
    history = ask(exchange, "price-page", symbol="NABIL", sort="businessDate,asc")
    assert [row["businessDate"] for row in history] == sorted(row["businessDate"] for row in history)
    assert ask(exchange, "price-page", symbol="NABIL", date=history[7]["businessDate"]) == [history[7]]


@pytest.mark.parametrize("action", ["listing", "quote", "security-classification"])
def test_an_id_that_is_not_listed_is_unknown(exchange, action):
    with pytest.raises(TaskFailed, match="the exchange knows no security of this id") as caught:
        ask(exchange, action, symbol=424_242)
    assert caught.value.code == "NOT_FOUND"


def test_a_quote_and_a_listing_have_the_keys_that_clients_read(exchange):
    keys = {"receivedDateTime", "securityId", "lastTradedPrice", "openPrice", "highPrice", "lowPrice"}
    assert ask(exchange, "quote", symbol="NABIL").keys() == keys
    assert ask(exchange, "listing", symbol="nabil")["security"]["symbol"] == "NABIL"
    assert len(ask(exchange, "company-directory", page=1)["companies"]["content"]) == 20


def test_files_of_all_names_are_one_path_so_that_two_refused_ones_do_not_mean_the_address(exchange):
    assert kind_of("/api/nots/news/notice/fetchFiles/a.pdf") == kind_of("/api/nots/news/notice/fetchFiles/1-2%2Fb.pdf?x=1")
    page = "<html>403 Forbidden</html>"
    for name in ("a.pdf", "b.pdf"):
        exchange.plan(f"/api/nots/news/notice/fetchFiles/{name}", reply(403, page, "text/html"))
    actions = NepseActions(exchange, exchange.clock).by_name()
    for name in ("a.pdf", "b.pdf"):
        with pytest.raises(TaskFailed) as caught:
            next(actions["notice-file"]({"name": name}))
        assert (caught.value.code, caught.value.cool_down_s) == ("BLOCKED", None)
        exchange.now += 6.0


@pytest.mark.parametrize("action", ["margin-list", "promoters", "investor-awareness"])
def test_a_list_is_read(exchange, action):
    assert json.dumps(ask(exchange, action)).startswith('[{"id": ')
