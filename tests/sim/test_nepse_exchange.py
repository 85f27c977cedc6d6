"""The simulated exchange's data: the recorded shapes, and totals that agree with what they are totals of."""

from datetime import date

import pytest
from vectors import vectors

from hulak.sim.nepse.bulletins import Bulletins
from hulak.sim.nepse.exchange import Exchange, nepal_text
from hulak.sim.nepse.market_data import TOP_LISTS, Market
from hulak.sim.nepse.news import News
from hulak.sim.nepse.pages import page_of
from hulak.sim.nepse.securities import Securities

NOON = 1_775_110_500.0  # Thursday 2026-04-02 12:00 in Nepal
EVENING = NOON + 6 * 3600
TOTALS = ("totalAmount", "totalQty", "totalTrades")


@pytest.fixture(scope="module")
def exchange():
    return Exchange(seed=3, hours="clock", trades_per_day=2000)


@pytest.fixture(scope="module")
def market(exchange):
    return Market(exchange, 80)


@pytest.fixture(scope="module")
def papers(exchange):
    return Securities(exchange)


def recorded(name):
    """Return the shape of a response: objects with the kinds of their values, a list with the shape of its rows."""
    return vectors("nepse_shapes")["shapes"][name]


KINDS = {"number": {int, float}, "text": {str}, "flag": {bool}}


def same_shape(ours, theirs):
    """Equal keys, and equal kinds of values where neither is null, all the way down."""
    if ours is None:
        return
    match theirs:
        case dict():
            assert set(theirs) <= set(ours), set(theirs) - set(ours)
            for key, value in theirs.items():
                same_shape(ours[key], value)
        case [row]:
            assert isinstance(ours, list)
            for item in ours:
                same_shape(item, row)
        case str():
            assert type(ours) in KINDS[theirs], (ours, theirs)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("open_2026-04-02/market_status", lambda market, _: market.status(NOON)),
        ("closed_2025-10-30/market_status", lambda market, _: market.status(EVENING)),
        ("closed_2026-04-24/market_summary", lambda market, _: market.summary(EVENING)),
        ("open_2026-04-02/live_market", lambda market, _: market.live(NOON)),
        ("open_2026-04-02/price_volume", lambda market, _: market.ticker(NOON)),
        ("open_2026-04-02/nepse_index", lambda market, _: market.indices(NOON)),
        ("closed_2025-10-30/sub_indices", lambda market, _: market.sub_indices(EVENING)),
        ("closed_2026-04-24/index_directory", lambda market, _: market.index_directory()),
        ("open_2026-04-02/index_history_row", lambda market, _: market.history(58, NOON)),
        (
            "closed_2026-04-24/top_ten_top-gainer_all_true",
            lambda market, _: market.top("top-gainer", NOON, everything=True),
        ),
        (
            "closed_2026-04-24/top_ten_turnover_all_true",
            lambda market, _: market.top("turnover", NOON, everything=False),
        ),
        ("closed_2026-04-24/top_ten_trade_all_true", lambda market, _: market.top("trade", NOON, everything=False)),
        (
            "closed_2026-04-24/top_ten_transaction_all_true",
            lambda market, _: market.top("transaction", NOON, everything=False),
        ),
        ("closed_2025-10-30/security_list", lambda _, papers: papers.security_list({})),
        ("closed_2026-04-24/company_list", lambda _, papers: papers.company_list()),
        ("open_2026-04-02/floor_sheet_row", lambda _, papers: papers.floor_sheet({}, NOON)["floorsheets"]["content"]),
        (
            "closed_2025-10-30/floor_sheet_rows",
            lambda _, papers: papers.floor_sheet({}, EVENING)["floorsheets"]["content"],
        ),
        ("open_2026-04-02/company_details", lambda _, papers: papers.detail(131, NOON)),
        ("open_2026-04-02/market_depth", lambda _, papers: papers.depth(131, NOON)),
        ("open_2026-04-02/price_history_row", lambda _, papers: papers.history(131, NOON)),
        ("open_2026-04-02/scrip_history_graph", lambda _, papers: papers.history(131, NOON)),
        ("open_2026-04-02/scrip_intraday_graph", lambda _, papers: papers.intraday(131, NOON)),
    ],
)
def test_each_resource_has_the_recorded_shape(name, ours, market, papers):
    theirs, ours = recorded(name), ours(market, papers)
    assert type(ours) is type(theirs)
    assert len(ours) > 0
    same_shape(ours, theirs)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("closed_2026-04-24/market_summary_history", lambda bulletins, _: bulletins.summary_history(EVENING)),
        ("closed_2026-04-24/disclosure", lambda _, news: news.disclosures(EVENING)),
        ("closed_2026-04-24/notices_content", lambda _, news: news.notices(EVENING)),
        ("open_2026-04-02/corporate_action_row", lambda bulletins, _: bulletins.actions(131)),
        ("open_2026-04-02/dividend_row", lambda bulletins, _: bulletins.applications("dividend", 131)),
    ],
)
def test_each_bulletin_has_the_recorded_shape(name, ours, exchange):
    theirs, ours = recorded(name), ours(Bulletins(exchange), News(exchange))
    assert all(ours if isinstance(theirs, list) else (ours[key] for key in theirs))
    same_shape(ours, theirs)


def test_bulletins_of_an_id_that_is_not_listed_are_none(exchange):
    bulletins = Bulletins(exchange)
    assert [bulletins.profile(1), bulletins.board(1), bulletins.actions(1), bulletins.applications("agm", 1)] == [None] * 4
    assert bulletins.day_trades("2026-13-45") is None


def test_the_summary_history_has_the_sessions_newest_first(exchange):
    days = [row["businessDate"] for row in Bulletins(exchange).summary_history(EVENING)]
    assert days[0] == "2026-04-02"
    assert days == sorted(set(days), reverse=True)
    assert all(date.fromisoformat(day).weekday() < 5 for day in days)


def test_a_today_price_row_has_the_recorded_shape(papers):
    theirs = recorded("open_2026-04-02/today_price")["content"][0]
    same_shape(papers.today_price({}, NOON)[0], theirs)


def test_the_prices_of_a_past_day_are_those_of_the_history(papers):
    history = papers.history(131, NOON)[3]
    rows = papers.today_price({"businessDate": history["businessDate"]}, NOON)
    assert len(rows) == 80
    assert history.items() <= rows[0].items()
    today = papers.today_price({}, EVENING)[0]
    same_shape(rows[0], {key: "text" if isinstance(value, str) else "number" for key, value in today.items()})
    assert papers.today_price({"businessDate": history["businessDate"], "securityId": "131"}, NOON) == rows[:1]
    assert papers.today_price({"businessDate": "2026-04-05"}, NOON) == [], "a Sunday"


def test_order_book_and_details_have_the_recorded_inner_shapes(papers):
    theirs = recorded("open_2026-04-02/market_depth")["marketDepth"]
    ours = papers.depth(131, NOON)["marketDepth"]
    for side in ("buyMarketDepthList", "sellMarketDepthList"):
        assert len(ours[side]) == 5
        same_shape(ours[side][0], theirs[side][0])
    details = recorded("open_2026-04-02/company_details")
    same_shape(papers.detail(131, NOON)["securityDailyTradeDto"], details["securityDailyTradeDto"])
    same_shape(papers.detail(131, NOON)["security"], details["security"])


def test_the_same_seed_gives_the_same_day_and_another_seed_another(exchange):
    again, other = (Exchange(seed, "clock", trades_per_day=2000) for seed in (3, 4))
    assert again.companies == exchange.companies
    assert again.trades(NOON) == exchange.trades(NOON)
    assert other.companies != exchange.companies


def test_companies_have_unique_ids_and_symbols_and_nabil_is_131(exchange):
    assert len(exchange.companies) == 80
    assert len({company.id for company in exchange.companies}) == 80
    assert len({company.symbol for company in exchange.companies}) == 80
    assert exchange.by_id[131].symbol == "NABIL"


def test_trades_only_appear_with_time_and_never_change(exchange):
    earlier, later = exchange.trades(NOON), exchange.trades(NOON + 600)
    assert len(earlier) < len(later)
    assert later[: len(earlier)] == earlier
    assert all(trade.time_s <= NOON for trade in earlier)
    assert [trade.number for trade in later] == sorted({trade.number for trade in later})


def test_floor_sheet_prices_and_summary_have_the_same_totals(market, papers):
    sheet = papers.floor_sheet({"size": "500"}, EVENING)
    rows = papers.today_price({}, EVENING)
    summary = [row["value"] for row in market.summary(EVENING)]
    assert sheet["totalTrades"] == sum(row["totalTrades"] for row in rows) == summary[2] == 2000
    assert sheet["totalQty"] == sum(row["totalTradedQuantity"] for row in rows) == summary[1]
    assert sheet["totalAmount"] == pytest.approx(sum(row["totalTradedValue"] for row in rows)) == summary[0]


def test_all_pages_of_a_floor_sheet_hold_each_contract_once(papers):
    numbers = []
    for page in range(4):
        sheet = papers.floor_sheet({"page": str(page), "size": "500"}, EVENING)["floorsheets"]
        numbers += [row["contractId"] for row in sheet["content"]]
        assert sheet["last"] == (page == 3)
    assert numbers == sorted(set(numbers), reverse=True)
    assert len(numbers) == 2000


def test_a_floor_sheet_can_be_asked_for_one_company(papers):
    sheet = papers.floor_sheet({"stockId": "131", "sort": "contractId,asc"}, EVENING)
    rows = sheet["floorsheets"]["content"]
    assert {row["stockSymbol"] for row in rows} == {"NABIL"}
    assert [row["contractId"] for row in rows] == sorted(row["contractId"] for row in rows)
    assert sheet["floorsheets"]["totalElements"] == papers.today_price({"securityId": "131"}, EVENING)[0]["totalTrades"]
    whole = papers.floor_sheet({}, EVENING)
    assert [sheet[key] for key in TOTALS] == [whole[key] for key in TOTALS], "the totals are always those of the market"


@pytest.mark.parametrize("kind", sorted(TOP_LISTS))
def test_a_top_list_is_ten_rows_of_the_full_one(kind, market):
    full = market.top(kind, EVENING, everything=True)
    assert market.top(kind, EVENING, everything=False) == full[:10]


def test_an_index_graph_begins_with_three_equal_points_and_ends_with_the_index_of_now(market):
    points = market.graph(58, NOON)
    assert points[0] == points[1] == points[2]
    assert [time for time, _ in points[2:]] == sorted({time for time, _ in points[2:]})
    main = {row["id"]: row for row in market.indices(NOON)}
    assert points[-1][1] == main[58]["currentValue"]


def test_a_closed_market_has_brokers_and_closing_prices_and_an_open_one_does_not(papers):
    now, later = (papers.floor_sheet({}, time_s)["floorsheets"]["content"][0] for time_s in (NOON, EVENING))
    assert now["buyerMemberId"] is None
    assert isinstance(later["buyerMemberId"], str)
    assert papers.today_price({}, NOON)[0]["closePrice"] is None
    assert papers.today_price({}, EVENING)[0]["closePrice"] > 0


@pytest.mark.parametrize(
    ("nepal", "state", "day"),
    [
        ("2026-04-02T10:29:59", "CLOSE", date(2026, 4, 1)),
        ("2026-04-02T10:30:00", "Pre Open", date(2026, 4, 1)),
        ("2026-04-02T10:45:00", "Pre Open CLOSE", date(2026, 4, 1)),
        ("2026-04-02T11:00:00", "OPEN", date(2026, 4, 2)),
        ("2026-04-02T15:00:00", "CLOSE", date(2026, 4, 2)),
        ("2026-04-04T12:00:00", "CLOSE", date(2026, 4, 3)),  # a Saturday
        ("2026-04-06T09:00:00", "CLOSE", date(2026, 4, 3)),  # Monday, before the session
    ],
)
def test_the_clock_decides_when_there_is_a_session(nepal, state, day, exchange):
    seconds = NOON + (int(nepal[8:10]) - 2) * 86_400
    hours, minutes, rest = (int(part) for part in nepal[11:].split(":"))
    seconds += (hours - 12) * 3600 + minutes * 60 + rest
    assert nepal_text(seconds) == nepal
    assert exchange.state(seconds) == state
    assert exchange.session_day(seconds) == day


@pytest.mark.parametrize("hours", ["open", "closed"])
def test_an_exchange_held_open_or_closed_has_trades_at_any_time(hours):
    held = Exchange(seed=1, hours=hours, companies=20, trades_per_day=100)
    for quarter in range(0, 8 * 96, 7):
        now = NOON + quarter * 900
        assert held.state(now) == ("OPEN" if hours == "open" else "CLOSE")
        assert all(quote.trades for quote in held.quotes(now).values())
        assert held.as_of(now) <= now


@pytest.mark.parametrize(
    ("query", "number", "size", "count"),
    [
        ({}, 0, 20, 20),
        ({"page": "2", "size": "20"}, 2, 20, 5),
        ({"page": "9", "size": "20"}, 9, 20, 0),
        ({"size": "100000"}, 0, 500, 45),
        ({"size": "0"}, 0, 1, 1),
        ({"page": "-1", "size": "x"}, 0, 20, 20),
    ],
)
def test_a_page_is_cut_as_spring_does(query, number, size, count):
    page = page_of([{"n": n} for n in range(45)], query)
    assert (page["number"], page["size"], page["numberOfElements"]) == (number, size, count)
    assert page["totalElements"] == 45
    assert len(page["content"]) == count
    assert page["empty"] == (count == 0)
