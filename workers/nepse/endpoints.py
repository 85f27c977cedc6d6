"""Every resource of the exchange as a row: the action that reads it, its arguments, and the form of a valid answer.

Paths and shapes are those of `endpoint`; further rows are in `directories`.
"""

from hulak.workers.nepse.arguments import Argument, Kind
from hulak.workers.nepse.directories import DIRECTORIES, DOWNLOADS, MEMBERS
from hulak.workers.nepse.endpoint import ALL, DAY, END, FIRST, INDEX, NTH, PAGE, START, SYMBOL, UP_TO, Endpoint, Shape
from hulak.workers.nepse.tokens import floor_sheet_id, index_graph_id, raw_id, today_price_id

_FIGURES = ("openPrice", "highPrice", "lowPrice", "closePrice", "totalTradedQuantity", "totalTradedValue", "totalTrades")
SORT_PRICES = Argument("sort", Kind.SORT, "the order of the rows", "sort", words=("symbol", "securityName", *_FIGURES))
SORT_HISTORY = Argument("sort", Kind.SORT, "the order of the rows", "sort", words=("businessDate", *_FIGURES))


def _top(name: str, path: str, what: str) -> Endpoint:
    return Endpoint(f"top-{name}", f"the securities with {what}, the first ten", f"/top-ten/{path}", arguments=(ALL,))


def _of(action: str, what: str, path: str, shape: Shape = Shape.ANY) -> Endpoint:
    return Endpoint(action, what, path, shape, (SYMBOL,))


MARKET = (
    Endpoint("summary", "turnover, shares, transactions and scrips of the session", "/market-summary/"),
    Endpoint("summary-history", "the summary of each session of the last year", "/market-summary-history"),
    Endpoint(
        "price-volume",
        "price and volume of every security of an index",
        "/securityDailyTradeStat/{index}",
        arguments=(Argument("index", Kind.INDEX, "the index", default=58),),
    ),
    Endpoint("live-market", "every security that trades today; empty when closed", "/lives-market"),
    Endpoint(
        "supply-demand",
        "the largest supply and demand",
        "/nepse-data/supplydemand",
        Shape.OBJECT,
        (Argument("all", Kind.FLAG, "the whole lists", "all", default=True),),
    ),
    _top("gainers", "top-gainer", "the highest gains"),
    _top("losers", "top-loser", "the highest losses"),
    _top("turnover", "turnover", "the highest turnover"),
    _top("trades", "trade", "the most shares traded"),
    _top("transactions", "transaction", "the most transactions"),
    _top("quantity", "trade-qty", "the highest quantity traded"),
    Endpoint("nepse-index", "the four main indices", "/nepse-index"),
    Endpoint("sub-indices", "the thirteen indices of sectors", ""),
    Endpoint("index-directory", "every index with its code", "/index", daily=True),
    Endpoint("index-history", "an index day by day, newest first", "/index/history/{index}", Shape.PAGES, (INDEX, *PAGE)),
    Endpoint(
        "index-graph",
        "an index of the session, minute by minute",
        "/graph/index/{index}",
        arguments=(INDEX,),
        formula=index_graph_id,
    ),
    Endpoint(
        "index-graph-range",
        "an index between two days, as points",
        "/graph/index",
        arguments=(Argument("index", Kind.INDEX, "the index", "indexCode", required=True), START, END),
        formula=index_graph_id,
    ),
    Endpoint("sectorwise", "the sectors' table, which the exchange no longer fills", "/sectorwise", Shape.ANY, (DAY,)),
    Endpoint("market-caps", "the market's capitalization day by day", "/nepse-data/marcapbydate/", Shape.ANY, (NTH,)),
    Endpoint(
        "trading-average",
        "averages of trading over some days",
        "/nepse-data/trading-average",
        Shape.ANY,
        (
            Argument("days", Kind.NUMBER, "over how many", "nDays", default=120, low=1, high=400),
            DAY,
            Argument("symbol", Kind.SECURITY, "only this security", "stockId"),
        ),
    ),
    Endpoint(
        "holidays",
        "the holidays of a year",
        "/holiday/list",
        arguments=(Argument("year", Kind.YEAR, "which; this one in Nepal if none is given", "year"),),
        daily=True,
    ),
    Endpoint("holiday-years", "the years whose holidays are known", "/holiday/year", Shape.ANY, daily=True),
)

SECURITIES = (
    Endpoint(
        "securities",
        "every security: id, symbol, name, status",
        "/security",
        arguments=(
            Argument("delisted", Kind.FLAG, "with those no longer listed", "nonDelisted", default=False, words=("true", "false")),
            Argument("promoters", Kind.FLAG, "with promoter shares", "nonPromoter", default=True, words=("true", "")),
        ),
    ),
    Endpoint(
        "securities-plain", "the exchange's other list of securities, without symbols", "/securities", Shape.ANY, daily=True
    ),
    Endpoint("company-list", "every company: sector, regulator, status", "/company/list", daily=True),
    Endpoint("sectors", "the sectors", "/sector", Shape.ANY, daily=True),
    _of("security-detail", "price and identity of a security", "/security/{symbol}", Shape.OBJECT),
    Endpoint(
        "company-details",
        "price, capital and shares of a security",
        "/security/{symbol}",
        Shape.OBJECT,
        (SYMBOL,),
        raw_id,
    ),
    _of("security-profile", "the profile of a company", "/security/profile/{symbol}"),
    _of("board-of-directors", "the board of a company", "/security/boardOfDirectors/{symbol}"),
    _of("corporate-actions", "bonus and right shares of a company", "/security/corporate-actions/{symbol}"),
    _of("reports", "the reports of a company", "/application/reports/{symbol}"),
    _of("agm", "the general meetings of a company", "/application/agm/{symbol}"),
    _of("dividend", "the dividends of a company", "/application/dividend/{symbol}"),
    _of("company-news", "the news of a company", "/application/company-news/{symbol}"),
    Endpoint(
        "market-depth",
        "the best five bids and offers of a security; none when closed",
        "/nepse-data/marketdepth/{symbol}",
        Shape.OBJECT,
        (SYMBOL,),
        empty=True,
    ),
    Endpoint(
        "market-depth-odd-lots",
        "the best bids and offers of odd lots; none when closed",
        "/nepse-data/marketdepth-ol/{symbol}",
        Shape.OBJECT,
        (SYMBOL,),
        empty=True,
    ),
    Endpoint(
        "price-history",
        "a security day by day, newest first",
        "/market/history/security/{symbol}",
        Shape.PAGES,
        (SYMBOL, START, END, *PAGE),
    ),
    Endpoint(
        "price-page",
        "a security day by day, the other list",
        "/market/security/price/{symbol}",
        Shape.PAGES,
        (SYMBOL, DAY, SORT_HISTORY, *PAGE),
    ),
    Endpoint(
        "scrip-intraday",
        "the trades of a security in the session",
        "/market/graphdata/daily/{symbol}",
        arguments=(SYMBOL,),
        formula=raw_id,
    ),
    Endpoint(
        "scrip-history", "a security day by day, oldest first", "/market/graphdata/{symbol}", arguments=(SYMBOL,), formula=raw_id
    ),
)

TRADES = (
    Endpoint(
        "today-price",
        "the prices of a day, page by page",
        "/nepse-data/today-price",
        Shape.PAGES,
        (DAY, Argument("symbol", Kind.SECURITY, "only this security", "securityId"), SORT_PRICES, *PAGE),
        today_price_id,
    ),
    Endpoint("todays-price", "the prices of a day, all at once", "/nepse-data/todays-price/", Shape.ANY, (DAY,), today_price_id),
    Endpoint(
        "floor-sheet",
        "every contract of the last session",
        "/nepse-data/floorsheet",
        Shape.SHEET,
        (
            Argument("symbol", Kind.SECURITY, "only this security", "stockId"),
            Argument("contract", Kind.NUMBER, "only this contract", "contractNo", low=1),
            Argument("buyer", Kind.NUMBER, "only this broker's purchases", "buyerBroker", low=1, high=9999),
            Argument("seller", Kind.NUMBER, "only this broker's sales", "sellerBroker", low=1, high=9999),
            *PAGE,
        ),
        floor_sheet_id,
        fixed="sort=contractId,asc",  # new contracts then come at the end, and do not shift pages during the read
    ),
    Endpoint(
        "newest-trades",
        "the contracts of the last session, newest first",
        "/nepse-data/floorsheet",
        Shape.SHEET,
        PAGE,
        floor_sheet_id,
        fixed="sort=contractId,desc",
    ),
    Endpoint(
        "company-floor-sheet",
        "every contract of a security; the exchange refuses it since 2026, use floor-sheet",
        "/security/floorsheet/{symbol}",
        Shape.SHEET,
        (SYMBOL, DAY, *PAGE),
        floor_sheet_id,
        fixed="sort=contractid,asc",
    ),
    Endpoint(
        "day-trades",
        "the daily figures of every security on a day",
        "/securityDailyTradeDto/business-date/{date}",
        Shape.PAGES,
        (Argument("date", Kind.DATE, "the business day", required=True), *PAGE),
    ),
)

NEWS = (
    Endpoint("disclosures", "the newest messages and company news", "/news/companies/disclosure", Shape.OBJECT),
    Endpoint("notices", "the exchange's notices, newest first", "/news/notice/all", Shape.PAGES, (FIRST, UP_TO)),
    Endpoint("alerts", "news and alerts", "/news/media/news-and-alerts", Shape.ANY, (NTH,)),
    Endpoint("media-news", "news of companies in the media", "/news/media/company-news", Shape.ANY),
    Endpoint("press-releases", "the exchange's press releases", "/news/press-release", Shape.ANY, (NTH,)),
    Endpoint("investor-awareness", "the exchange's texts for investors", "/news/media/investor-awareness", Shape.ANY),
)

ENDPOINTS = (*MARKET, *SECURITIES, *TRADES, *NEWS, *DIRECTORIES, *MEMBERS, *DOWNLOADS)

SESSION_ACTIONS = {
    "access-token": "a usable access token, decoded, with its age",
    "security-brief": "every listed security: id, symbol, name, status",
    "post-payload-id": "the body id of index graphs, and its token",
    "post-payload-id-floor-sheet": "the body id of the floor sheet, and its token",
    "symbol-id-map": "the exchange's id of every symbol",
    "market-status": "whether the market is open, and since when",
    "market-id": "the market's id",
    "salts": "the session's five salts, and its token",
}
