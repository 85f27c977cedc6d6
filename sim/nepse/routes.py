"""The routes of the exchange's interface: path, body id and resource."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hulak.sim.nepse.bulletins import Bulletins
from hulak.sim.nepse.exchange import Exchange, nepal_date
from hulak.sim.nepse.listing import MAIN_INDICES, SUB_INDICES
from hulak.sim.nepse.market_data import Market
from hulak.sim.nepse.news import News
from hulak.sim.nepse.pages import between, natural, ordered, page_of
from hulak.sim.nepse.plain import EMPTY, FAILS_ON_GET, NO_SUCH_DAY
from hulak.sim.nepse.securities import Securities


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request."""

    number: int  # the id in the path; 0 without one
    word: str  # the word in the path; "" without one
    query: Mapping[str, str]
    now_s: float  # the exchange's clock
    body: Mapping[str, Any] = field(default_factory=dict)  # of a POST


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table."""

    method: str
    pattern: re.Pattern[str]
    formula: str | None  # of the body id: "raw", "index-graph", "today-price", "floor-sheet"; None: no body id
    resource: Callable[[Call], Any]  # returns a JSON value, Plain, or None for 404


def make_routes(exchange: Exchange, market_id: int) -> tuple[Route, ...]:
    """Return the table of an exchange; a path below /api/nots matches at most one row."""
    market, securities = Market(exchange, market_id), Securities(exchange)
    return (
        *_reads(exchange, market, securities),
        *_bulletins(exchange, Bulletins(exchange)),
        *_news(News(exchange)),
        *_posts(exchange, market, securities),
        *_wrong_methods(),
    )


def _get(path: str, resource: Callable[[Call], Any]) -> Route:
    return Route("GET", re.compile(f"/api/nots{path}/?"), None, resource)


def _web(path: str, resource: Callable[[Call], Any]) -> Route:
    """Return the route of a resource of the site's texts, beside /api/nots."""
    return Route("GET", re.compile(f"/api/web{path}/?"), None, resource)


def _post(path: str, formula: str, resource: Callable[[Call], Any]) -> Route:
    return Route("POST", re.compile(f"/api/nots{path}/?"), formula, resource)


def _all(call: Call) -> bool:
    return call.query.get("all", "true") != "false"


def _page(rows: list[dict[str, Any]] | None, call: Call) -> dict[str, Any] | None:
    return None if rows is None else page_of(ordered(rows, call.query), call.query)


def _known_index(call: Call, default: int = 58) -> int | None:
    text = call.query.get("indexCode", str(default))
    index_id = call.number or (int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0)
    return index_id if index_id in SUB_INDICES or index_id in MAIN_INDICES else None


def _reads(exchange: Exchange, market: Market, securities: Securities) -> tuple[Route, ...]:
    def depth(call: Call) -> Any:
        return securities.depth(call.number, call.now_s) if exchange.state(call.now_s) == "OPEN" else EMPTY

    def index_history(call: Call) -> Any:
        index_id = _known_index(call)
        return None if index_id is None else page_of(market.history(index_id, call.now_s), call.query)

    def snapshot(table: Callable[[float], Any]) -> Callable[[Call], Any]:
        return lambda call: table(exchange.snapshot_s(call.now_s))

    def holidays(call: Call) -> Any:
        year = natural(call.query.get("year"), nepal_date(call.now_s).year)
        return securities.holidays(year, call.now_s) if 0 < year < 10_000 else []

    number = r"/(?P<number>\d{1,9})"
    return (
        _get("", snapshot(market.sub_indices)),
        _get("/nepse-data/market-open", lambda call: market.status(call.now_s)),
        _get("/market-summary", lambda call: market.summary(call.now_s)),
        _get("/lives-market", snapshot(market.live)),
        _get(f"/securityDailyTradeStat{number}", lambda call: market.ticker(call.now_s, call.number)),
        _get(r"/top-ten/(?P<word>[a-z-]+)", lambda call: market.top(call.word, call.now_s, everything=_all(call))),
        _get("/nepse-data/supplydemand", lambda call: market.supply_demand(call.now_s, everything=_all(call))),
        _get("/nepse-index", snapshot(market.indices)),
        _get("/index", lambda _: market.index_directory()),
        _get(f"/index/history{number}", index_history),
        _get("/security", lambda call: securities.security_list(call.query)),
        _get("/company/list", lambda _: securities.company_list()),
        _get(f"/security{number}", lambda call: securities.short_detail(call.number, call.now_s)),
        _get(f"/nepse-data/marketdepth(-ol)?{number}", depth),
        _get(
            f"/market/history/security{number}",
            lambda call: _page(_between(securities.history(call.number, call.now_s), call), call),
        ),
        _get(
            f"/market/security/price{number}",
            lambda call: _page(_between(securities.price_page(call.number, call.query, call.now_s), call), call),
        ),
        _get("/holiday/list", holidays),
    )


def _between(rows: list[dict[str, Any]] | None, call: Call) -> list[dict[str, Any]] | None:
    return None if rows is None else between(rows, call.query)


def _bulletins(exchange: Exchange, bulletins: Bulletins) -> tuple[Route, ...]:
    def day_trades(call: Call) -> Any:
        return _page(bulletins.day_trades(call.word), call) if exchange.serves(call.word, call.now_s) else NO_SUCH_DAY

    number = r"/(?P<number>\d{1,9})"
    return (
        _get("/market-summary-history", lambda call: bulletins.summary_history(call.now_s)),
        _get("/nepse-data/marcapbydate", lambda call: bulletins.market_caps(call.query, call.now_s)),
        _get("/nepse-data/trading-average", lambda call: bulletins.averages(call.query, call.now_s)),
        _get("/sectorwise", lambda _: bulletins.sectorwise()),
        _get("/sector", lambda _: bulletins.sectors()),
        _get("/member", lambda call: page_of(bulletins.members(), call.query)),
        _get("/securities", lambda _: bulletins.securities_plain()),
        _get(r"/securityDailyTradeDto/business-date/(?P<word>[0-9-]{10})", day_trades),
        _get(f"/security/profile{number}", lambda call: bulletins.profile(call.number)),
        _get(f"/security/boardOfDirectors{number}", lambda call: bulletins.board(call.number)),
        _get(f"/security/corporate-actions{number}", lambda call: bulletins.actions(call.number)),
        _get(
            f"/application/(?P<word>reports|agm|dividend|company-news){number}",
            lambda call: bulletins.applications(call.word, call.number),
        ),
        _get("/holiday/year", lambda call: bulletins.holiday_years(call.now_s)),
        _web("/info-officer", lambda _: bulletins.officers()),
    )


def _news(news: News) -> tuple[Route, ...]:
    return (
        _get("/news/companies/disclosure", lambda call: news.disclosures(call.now_s)),
        _get("/news/notice/all", lambda call: page_of(news.notices(call.now_s), call.query)),
        _get("/news/media/news-and-alerts", lambda call: news.alerts(call.now_s)),
        _get("/news/media/company-news", lambda call: news.company_news(call.now_s)),
        _get("/news/press-release", lambda call: page_of(news.press_releases(call.now_s), call.query)),
        _web("/notice", lambda call: news.notices(call.now_s)),
    )


def _posts(exchange: Exchange, market: Market, securities: Securities) -> tuple[Route, ...]:
    def index_graph(call: Call) -> Any:
        index_id, first, last = _known_index(call), call.query.get("startDate", ""), call.query.get("endDate", "")
        if index_id is None:
            return None
        if first or last:
            return market.graph_between(index_id, first, last or "9", call.now_s)
        return market.graph(index_id, call.now_s)

    def prices(call: Call) -> Any:
        day = call.query.get("businessDate", "")
        served = not day or exchange.serves(day, call.now_s)
        return securities.today_price(call.query, call.now_s) if served else NO_SUCH_DAY

    def prices_page(call: Call) -> Any:
        rows = prices(call)
        return rows if rows is NO_SUCH_DAY else _page(rows, call)

    def oldest_first(call: Call) -> Any:
        rows = securities.history(call.number, call.now_s)
        return None if rows is None else rows[::-1]

    number = r"/(?P<number>\d{1,9})"
    return (
        _post(f"/graph/index(?:{number})?", "index-graph", index_graph),
        _post("/nepse-data/today-price", "today-price", prices_page),
        _post("/nepse-data/todays-price", "today-price", prices),
        _post("/nepse-data/floorsheet", "floor-sheet", lambda call: securities.floor_sheet(call.query, call.now_s)),
        _post(f"/security{number}", "raw", lambda call: securities.detail(call.number, call.now_s)),
        _post(f"/market/graphdata/daily{number}", "raw", lambda call: securities.intraday(call.number, call.now_s)),
        _post(f"/market/graphdata{number}", "raw", oldest_first),
    )


def _wrong_methods() -> tuple[Route, ...]:
    number = r"/(?P<number>\d{1,9})"
    return (
        _get("/nepse-data/todays?-price", lambda _: []),
        _get(f"/market/graphdata(/daily)?{number}", lambda _: FAILS_ON_GET),
    )


def find(routes: tuple[Route, ...], method: str, path: str) -> tuple[Route, int, str] | None:
    """Return the row of a request.

    Args:
        routes: result of `make_routes`.
        method: "GET" or "POST".
        path: without query.
    Returns:
        the row, the id and the word in the path; None for an unknown path.
    """
    for route in routes:
        match = route.pattern.fullmatch(path) if route.method == method else None
        if match is not None:
            groups = match.groupdict()
            return route, int(groups.get("number") or 0), groups.get("word") or ""
    return None
