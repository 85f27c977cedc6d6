"""A third party's NEPSE client (nepsepy) works against the simulated exchange, with its own decoder and formulas."""

import base64
import json
import time

import pytest

from hulak.sim.nepse.exchange import nepal_date, previous_session
from hulak.sim.nepse.server import serve
from hulak.sim.nepse.tokens import body_id

nepsepy = pytest.importorskip("nepsepy", reason="the third party's client is in the extra 'test'")


class Hand:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def counting_market():
    """Find a market id for which prices and floor sheet want different body ids today (raw id ending in 4)."""
    day = nepal_date(time.time()).day
    return next(market for market in range(100) if body_id("raw", market, (), day) % 10 == 4)


@pytest.fixture(scope="module", params=[lambda: 80, counting_market], ids=["market 80", "a telling market"])
def exchange(request):
    hand = Hand()
    with serve(seed=9, clock=hand, market_id=request.param()) as running:
        running.hand = hand
        yield running


@pytest.fixture(scope="module")
def client(exchange):
    with nepsepy.NepseClient(base_url=exchange.url, min_interval=0) as made:
        yield made


def test_it_reads_the_market_status(client, exchange):
    status = client.market_status()
    assert status["isOpen"] == "OPEN"
    assert exchange.by_path["/assets/prod/css.wasm"] == 1


def test_it_reads_the_company_lists(client):
    assert {"symbol": "NABIL", "id": 131}.items() <= client.companies()[0].items()
    assert client.companies_list()[0]["companyName"] == "Nabil Bank Limited"


def test_it_reads_the_prices_of_the_day(client):
    page = client.today_price(page=2, size=30)
    assert page["number"] == 1
    assert len(page["content"]) == 30
    assert len(client.today_price_all()) == 80
    assert client.today_price(security_id=131)["content"][0]["symbol"] == "NABIL"


def test_it_reads_the_floor_sheet(client):
    sheet = client.floorsheets(page=1, size=500)
    assert sheet["totalTrades"] == sheet["floorsheets"]["totalElements"] > 0
    assert sheet["floorsheets"]["content"][0]["stockSymbol"]


def test_it_reads_index_graphs(client):
    assert client.index_intraday(58)[0] == client.index_intraday(58)[1]
    today = nepal_date(time.time())
    assert client.index_range(58, str(previous_session(today)), str(today))


def test_it_reads_details_and_graphs_of_a_company(client):
    assert client.company_info(131)["security"]["symbol"] == "NABIL"
    assert client.company_graph(131)[0]["closePrice"] > 0
    assert client.company_graph_intraday(131)
    assert client.security_detail(131)["securityData"]["id"] == 131


@pytest.mark.parametrize(
    "call",
    [
        "market_summary",
        "ticker",
        "live_market",
        "nepse_indices",
        "sub_indices",
        "indices_list",
        "index_history",
        "top_gainers",
        "top_losers",
        "top_turnover",
        "top_traded_shares",
        "top_transactions",
        "top_active",
        "supply_demand",
    ],
)
def test_it_reads_the_market_wide_lists(client, call):
    assert getattr(client, call)()


def test_it_reads_depth_and_history_of_a_company(client):
    assert client.market_depth(131)["totalBuyQty"] > 0
    assert client.odd_lot_depth(131)["totalSellQty"] > 0
    assert client.security_price_history(131)["content"]
    assert client.stock_trading_history(131, size=500)["totalElements"] == 240


@pytest.mark.parametrize(
    ("call", "given", "kind"),
    [
        ("market_summary_history", (), list),
        ("sector_summary", (), list),
        ("sectors", (), dict),
        ("securities", (), list),
        ("brokers", (), dict),
        ("market_cap_history", (), list),
        ("trading_average", (), list),
        ("security_profile", (131,), dict),
        ("board_of_directors", (131,), list),
        ("corporate_actions", (131,), list),
        ("financial_reports", (131,), list),
        ("agm", (131,), list),
        ("dividends", (131,), list),
        ("security_company_news", (131,), list),
        ("disclosures", (), dict),
        ("notices", (), dict),
        ("company_news_list", (), list),
        ("news_alerts", (), list),
        ("press_releases", (), dict),
        ("holiday_years", (), list),
        ("holidays", (2026,), list),
    ],
)
def test_it_reads_papers_and_news_in_the_kinds_it_expects(client, call, given, kind):
    value = getattr(client, call)(*given)
    assert isinstance(value, kind)
    assert value


@pytest.mark.parametrize(
    ("call", "given", "count"),
    [
        ("margin_companies", {}, None),
        ("debentures", {}, 68),
        ("debentures", {"instrument_type": "debenture"}, 77),
        ("share_groups", {}, 4),
        ("report_types", {}, 5),
        ("investor_awareness", {}, 3),
        ("classification", {"share_group": "Z", "size": 500}, None),
        ("promoters", {"page": 2}, 20),
        ("reports_by_category", {"category_id": 5}, 0),
        ("reports_by_category", {"category_id": 1, "page": 2, "size": 4}, 4),
        ("dealers", {}, 6),
        ("dealers", {"criteria": {"memberCode": 903}}, 1),
        ("brokers", {"criteria": {"memberName": "broker 7 "}}, 1),
        ("margin_trades", {}, 0),
    ],
)
def test_it_reads_directories(client, call, given, count):
    value = getattr(client, call)(**given)
    rows = value.get("content", value) if isinstance(value, dict) else value
    rows = rows.get("content") if isinstance(rows, dict) else rows
    assert len(rows) == count if count is not None else rows


def test_it_reads_listings_and_the_directory_of_companies(client):
    assert client.security_market_picture(131)["securityId"] == client.market_security(131)["security"]["id"] == 131
    assert client.companies_paged(page=2)["companies"]["number"] == 1


def test_it_saves_files(client):
    name = client.notices()["content"][0]["noticeFilePath"]
    assert client.fetch_notice_file(name).startswith(b"%PDF-")
    encrypted = [row["encryptedId"] for row in client.disclosures()["exchangeMessages"] if row["encryptedId"]]
    assert client.fetch_application_file(encrypted[0]).startswith(b"%PDF-")
    place = client.security_profile(131)["logoFilePath"]
    picture = client.security_file(place)
    packed = json.loads(client.security_image(place))["content"]
    assert base64.b64decode(packed + "=" * (-len(packed) % 4)) == picture
    assert client.export_stock_csv(131).count(b"\n") == 241


def test_its_expired_token_is_refreshed_and_its_body_id_made_with_the_new_salts(client, exchange):
    client.market_status()
    before = exchange.counts
    exchange.hand.now += 61.0
    assert client.floorsheets(size=5)
    made = exchange.counts - before
    assert made == {
        ("/api/nots/nepse-data/floorsheet", 401): 1,
        ("/api/authenticate/refresh-token", 200): 1,
        ("/api/nots/nepse-data/floorsheet", 200): 1,
    }


def test_it_opens_a_new_session_after_a_restart_of_the_exchange(client, exchange):
    client.market_status()
    exchange.forget_sessions()
    assert client.index_intraday(58)


def test_the_company_floor_sheet_is_blocked_as_it_is_in_the_wild(client):
    with pytest.raises(nepsepy.exceptions.AuthExpiredError, match="403"):
        client.security_floorsheet(131)
