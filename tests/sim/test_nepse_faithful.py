"""The simulated exchange behaves as newer public clients saw the real one: a test for each observation."""

from datetime import date, timedelta

import pytest

from hulak.sim.nepse.exchange import HOLIDAYS, SESSIONS_SERVED, Exchange, close_time, is_session, past_sessions
from hulak.sim.nepse.listing import MAIN_INDICES, SECTORS, SUB_INDICES
from hulak.sim.nepse.market_data import Market
from hulak.sim.nepse.plain import EMPTY, FAILS_ON_GET, NO_SUCH_DAY
from hulak.sim.nepse.routes import Call, find, make_routes

NOON = 1_775_110_500.0  # Thursday 2026-04-02 12:00 in Nepal
OPENING, EVENING = NOON - 3600, NOON + 6 * 3600
PRICES = ("/api/nots/nepse-data/today-price", "/api/nots/nepse-data/todays-price/")


class Site:
    """The routes of an exchange, to be asked at any time."""

    def __init__(self, hours="clock", companies=80):
        self.exchange = Exchange(3, hours, companies=companies, trades_per_day=2000)
        self.routes = make_routes(self.exchange, 80)

    def ask(self, path, now_s=NOON, method="GET", **query):
        route, number, word = find(self.routes, method, path)
        return route.resource(Call(number, word, {key: str(value) for key, value in query.items()}, now_s))

    def post(self, path, now_s=NOON, **query):
        return self.ask(path, now_s, "POST", **query)


@pytest.fixture(scope="module")
def site():
    return Site()


@pytest.mark.parametrize("path", PRICES)
@pytest.mark.parametrize("day", ["2024-01-02", "2025-03-31", "2026-04-03", "2026-13-45", "x"])
def test_a_day_that_is_not_served_is_refused_with_the_exchanges_text(site, path, day):
    assert site.post(path, businessDate=day) is NO_SUCH_DAY
    assert (NO_SUCH_DAY.status, NO_SUCH_DAY.body) == (500, b"Searched Date is not valid.")


def test_daily_figures_of_a_day_that_is_not_served_are_refused_too(site):
    assert site.ask("/api/nots/securityDailyTradeDto/business-date/2024-01-02") is NO_SUCH_DAY
    assert site.ask("/api/nots/securityDailyTradeDto/business-date/2026-04-01")["content"]


def test_the_oldest_session_is_served_and_a_day_without_a_session_is_empty(site):
    oldest = past_sessions(date(2026, 4, 2))[-1]
    rows = site.post(PRICES[1], businessDate=oldest)
    assert [row["businessDate"] for row in rows] == [oldest.isoformat()] * 80
    assert site.post(PRICES[1], businessDate=oldest - timedelta(days=1)) is NO_SUCH_DAY
    assert site.post(PRICES[0], businessDate="2026-03-28")["content"] == [], "a Saturday"
    assert len(past_sessions(date(2026, 4, 2))) == SESSIONS_SERVED


@pytest.mark.parametrize(
    ("seconds", "rows", "named"),
    [
        (-1800.1, 0, 0),  # before the pre-open session
        (-1200.0, 80, 0),
        (29.9, 80, 0),  # the table of 10:59 is still the newest one
        (30.0, 80, 80),
        (4 * 3600 - 0.1, 80, 80),
        (4 * 3600, 0, 0),  # the moment the session ends
    ],
)
def test_the_live_market_is_empty_when_closed_and_has_no_symbols_before_the_opening(site, seconds, rows, named):
    live = site.ask("/api/nots/lives-market", OPENING + seconds)
    assert len(live) == rows
    assert sum(row["symbol"] is not None for row in live) == named
    assert len({frozenset(row) for row in live}) <= 1, "the same keys in every row"


@pytest.mark.parametrize("path", ["/api/nots/lives-market", "/api/nots/nepse-index", "/api/nots"])
def test_tables_are_made_once_a_minute_and_served_half_a_minute_later(site, path):
    seconds = range(-30, 91, 2)
    tables = [site.ask(path, NOON + second) for second in seconds]
    changed = [second for second, before, after in zip(seconds[1:], tables, tables[1:], strict=False) if before != after]
    assert changed == [30, 90]


def test_a_snapshot_has_no_trade_after_its_minute(site):
    live = site.ask("/api/nots/lives-market", NOON + 89.9)
    assert max(row["lastUpdatedDateTime"] for row in live) < "2026-04-02 12:00:00"
    assert site.ask("/api/nots/nepse-index", NOON + 89.9)[0]["generatedTime"] == "2026-04-02T12:00:00"


def test_the_floor_sheet_and_the_status_follow_single_trades(site):
    newest = site.post("/api/nots/nepse-data/floorsheet", size=1)["floorsheets"]["content"][0]
    assert site.ask("/api/nots/nepse-data/market-open")["asOf"] == newest["tradeTime"] > "2026-04-02T11:59"


def test_prices_of_a_sub_index_are_those_of_its_sector(site):
    rows = site.ask("/api/nots/securityDailyTradeStat/51")
    banks = {company.symbol for company in site.exchange.companies if company.sector == "Commercial Banks"}
    assert {row["symbol"] for row in rows} == banks != set()
    assert {row["indexId"] for row in rows} == {51}
    assert len(site.ask("/api/nots/securityDailyTradeStat/58")) == 80
    assert site.ask("/api/nots/securityDailyTradeStat/131") == []


def test_an_index_graph_with_dates_is_a_range_of_closing_values(site):
    points = site.post("/api/nots/graph/index", indexCode=58, startDate="2026-03-30", endDate="2026-04-01")
    days = [date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1)]
    assert [at for at, _ in points] == [close_time(day) for day in days]
    history = {row["businessDate"]: row["closingIndex"] for row in site.ask("/api/nots/index/history/58", size=9)["content"]}
    assert [value for _, value in points] == [history[day.isoformat()] for day in days]
    until_now = site.post("/api/nots/graph/index", indexCode=58, startDate="2026-03-30")
    assert until_now[:3] == points
    assert until_now[3:] == [[NOON, site.post("/api/nots/graph/index/58")[-1][1]]]
    assert site.post("/api/nots/graph/index", indexCode=58, startDate="2020-01-01", endDate="2020-02-01") == []


def test_market_capitalizations_have_the_keys_that_clients_read(site):
    rows = site.ask("/api/nots/nepse-data/marcapbydate/")
    assert {tuple(row) for row in rows} == {("businessDate", "marCap", "senMarCap", "floatMarCap", "senFloatMarCap")}
    assert [row["businessDate"] for row in rows[:2]] == ["2026-04-02", "2026-04-01"]
    assert len({row["marCap"] for row in rows}) > 200
    assert site.ask("/api/nots/nepse-data/marcapbydate/", date="2026/04/01") == [rows[1]]


def test_the_sectors_table_has_16_rows_of_zeros(site):
    rows = site.ask("/api/nots/sectorwise")
    assert len(rows) == 16
    assert {row["sectorName"] for row in rows} > set(SECTORS)
    assert {(row["businessDate"], row["turnOverValues"], row["turnOverVolume"], row["totalTransaction"]) for row in rows} == {
        ("1970-01-01", 0, 0, 0)
    }


def test_trading_averages_are_those_of_the_history_and_of_one_security_if_wanted(site):
    path = "/api/nots/nepse-data/trading-average"
    assert len(site.ask(path)) == 80
    (row,) = site.ask(path, nDays=3, stockId=131)
    history = site.ask("/api/nots/market/history/security/131", size=3)["content"]
    assert row["closingPriceAverage"] == pytest.approx(sum(day["closePrice"] for day in history) / 3, abs=0.01)
    assert row["totalTradedShares"] == sum(day["totalTradedQuantity"] for day in history)
    assert row["totalTradedAmount"] == pytest.approx(sum(day["totalTradedValue"] for day in history))
    assert row["totalTrades"] == sum(day["totalTrades"] for day in history)
    assert row["weightedAverage"] == pytest.approx(row["totalTradedAmount"] / row["totalTradedShares"], abs=0.01)
    assert (row["symbol"], row["closePrice"], row["closingDate"]) == ("NABIL", history[0]["closePrice"], "2026-04-01")
    assert row["securityName"]
    assert site.ask(path, businessDate="2026-03-31", stockId=131)[0]["closingDate"] == "2026-03-31"
    assert site.ask(path, nDays="x", stockId=131) == site.ask(path, nDays=120, stockId=131)
    assert site.ask(path, businessDate="2019-01-01") == []


def test_members_are_92_with_numbers_for_codes(site):
    page = site.ask("/api/nots/member", size=500)
    assert page["totalElements"] == 92
    for row in page["content"]:
        assert type(row["memberCode"]) is int
        assert row["isDealer"] == "N"
        assert row["membershipTypeMaster"]["membershipType"] == "Stock Broker"
        assert row["provinceList"]
        assert row["districtList"]
        assert row["memberBranchMappings"]
        assert row["memberTMSLinkMapping"]["tmsLink"]


def test_alerts_and_news_are_thousands_of_rows_with_the_keys_that_clients_read(site):
    alerts, news = site.ask("/api/nots/news/media/news-and-alerts"), site.ask("/api/nots/news/media/company-news")
    assert (len(alerts), len(news)) == (1733, 8836)
    keys = "id messageBody messageTitle encryptedId expiryDate filePath remarks addedDate modifiedDate approvedDate"
    assert {tuple(row) for row in alerts} == {tuple(keys.split())}
    assert {"newsHeadline", "newsBody", "filePath"} <= set(news[0])
    for rows in (alerts, news):
        assert [row["addedDate"] for row in rows] == sorted((row["addedDate"] for row in rows), reverse=True)
        assert len({row["id"] for row in rows}) == len(rows)


def test_press_releases_are_lists_within_a_page(site):
    page = site.ask("/api/nots/news/press-release", page=1, size=20)
    assert page["totalElements"] == 30
    assert [len(row) for row in page["content"]] == [1] * 10
    assert page["content"][0][0]["noticeFilePath"].endswith(".pdf")


def test_dividends_and_reports_have_their_figures(site):
    for row in site.ask("/api/nots/application/dividend/131"):
        notice = row["companyNews"]["dividendsNotice"]
        assert {"fyName", "fyNameNepali"} <= set(notice["financialYear"])
        assert {"cashDividend", "bonusShare", "rightShare"} <= set(notice)
        assert row["fiscalReport"] is None
    for row in site.ask("/api/nots/application/reports/131"):
        report = row["fiscalReport"]
        assert {"peValue", "epsValue", "netWorthPerShare", "reportTypeMaster", "quarterMaster", "financialYear"} <= set(report)
        assert "dividendsNotice" not in row["companyNews"]
    for row in site.ask("/api/nots/application/agm/131"):
        assert row["fiscalReport"] is None


def test_a_security_has_its_name_status_address_and_sector(site):
    data = site.ask("/api/nots/security/131")["securityData"]
    wanted = {
        "securityName": "Nabil Bank Limited",
        "activeStatus": "A",
        "sector": "Commercial Banks",
        "email": "info@nabil.example",
    }
    assert wanted.items() <= data.items()


def test_holidays_are_those_of_the_year_and_the_exchange_is_closed_then(site):
    years = site.ask("/api/nots/holiday/year")
    assert {type(year) for year in years} == {int}
    assert years[-1] == 2026
    for year in years:
        days = [row["holidayDate"] for row in site.ask("/api/nots/holiday/list", year=year)]
        assert len(days) == len(HOLIDAYS)
        assert {day[:4] for day in days} == {str(year)}
    assert site.ask("/api/nots/holiday/list") == site.ask("/api/nots/holiday/list", year=2026)
    assert site.ask("/api/nots/holiday/list", year=0) == site.ask("/api/nots/holiday/list", year="99999") == []
    new_year = NOON + 12 * 86_400  # Tuesday 2026-04-14, noon
    assert site.exchange.state(new_year) == "CLOSE"
    assert site.exchange.session_day(new_year) == date(2026, 4, 13)
    assert not is_session(date(2026, 4, 14))


def test_an_exchange_that_is_held_open_does_not_list_today_as_a_holiday():
    held = Site("open", companies=20)
    new_year = NOON + 12 * 86_400
    days = [row["holidayDate"] for row in held.ask("/api/nots/holiday/list", new_year)]
    assert len(days) == len(HOLIDAYS) - 1
    assert held.exchange.state(new_year) == "OPEN"
    assert len(held.ask("/api/nots/lives-market", new_year)) == 20


def test_price_rows_carry_a_whole_security(site):
    page = site.ask("/api/nots/market/security/price/131", size=500)
    assert page["totalElements"] == 240
    assert {row["security"]["symbol"] for row in page["content"]} == {"NABIL"}
    day = site.ask("/api/nots/market/security/price/131", businessDate="2026-04-01")
    assert [row["businessDate"] for row in day["content"]] == ["2026-04-01"]
    assert site.ask("/api/nots/market/security/price/1") is None
    assert "security" not in site.ask("/api/nots/market/history/security/131")["content"][0]


def test_a_get_of_what_must_be_posted_fails_as_the_exchange_does(site):
    assert site.ask("/api/nots/market/graphdata/131") is site.ask("/api/nots/market/graphdata/daily/131") is FAILS_ON_GET
    assert (FAILS_ON_GET.status, FAILS_ON_GET.body) == (500, b"[]")
    assert [site.ask(path) for path in PRICES] == [[], []]


def test_texts_of_the_site_are_lists(site):
    assert site.ask("/api/web/notice/")[0]["noticeHeading"]
    assert site.ask("/api/web/info-officer")[0]["name"]
    assert find(site.routes, "GET", "/api/web/menu/") is None


@pytest.mark.parametrize("companies", [1, 3])
def test_an_index_without_companies_divides_by_nothing(companies):
    small = Site(companies=companies)
    for now_s in (OPENING - 600, NOON, EVENING):
        rows = small.ask("/api/nots", now_s)
        assert len(rows) == 13
        empty = [row for row in rows if not small.exchange.members_of(row["id"])]
        assert {(row["currentValue"], row["perChange"]) for row in empty} == {(0.0, 0.0)}
    for index_id in SUB_INDICES | MAIN_INDICES:
        assert len(small.ask(f"/api/nots/index/history/{index_id}", size=500)["content"]) == 240
        assert small.post(f"/api/nots/graph/index/{index_id}")


def test_depth_has_no_body_when_closed(site):
    assert site.ask("/api/nots/nepse-data/marketdepth/131", EVENING) is EMPTY
    assert Market(site.exchange, 7).status(EVENING) == {"isOpen": "CLOSE", "asOf": "2026-04-02T15:00:00", "id": 7}
