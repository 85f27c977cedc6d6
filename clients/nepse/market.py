"""The methods of both clients about the market as a whole: indices, totals, top lists, news.

Rows are in the exchange's form. Every method raises as `NepseMethods.call` does.
"""

from typing import Any

from hulak.clients.nepse.base import Index, NepseMethods, Row, Rows, Security


class MarketMethods(NepseMethods):
    """Each is one action of the service `nepse`, of the same name."""

    async def get_summary(self) -> Rows:
        """Return the session's totals as rows of `detail` and `value`; four while open, six when closed."""
        return list(await self.call("summary"))

    async def get_summary_history(self) -> Rows:
        """Return each session of the last year: `businessDate`, `totalTurnover`, `totalTradedShares`, ...."""
        return list(await self.call("summary-history"))

    async def get_price_volume(self, index: Index = 58) -> Rows:
        """Return price and volume of each security; `securityId` is a text, `closePrice` None while open."""
        return list(await self.call("price-volume", index=index))

    async def get_live_market(self) -> Rows:
        """Return each security that trades today; empty when closed."""
        return list(await self.call("live-market"))

    async def get_supply_demand(self, *, all_rows: bool = True) -> Row:
        """Return `supplyList` and `demandList`, rows of `symbol`, `totalQuantity`, `totalOrder`."""
        return dict(await self.call("supply-demand", all=all_rows))

    async def get_top_gainers(self, *, all_rows: bool = False) -> Rows:
        """Return the ten highest gains, or all: `symbol`, `ltp`, `pointChange`, `percentageChange`."""
        return list(await self.call("top-gainers", all=all_rows))

    async def get_top_losers(self, *, all_rows: bool = False) -> Rows:
        """Return the ten highest losses, or all; rows as in `get_top_gainers`."""
        return list(await self.call("top-losers", all=all_rows))

    async def get_top_turnover(self, *, all_rows: bool = False) -> Rows:
        """Return the ten highest turnovers, or all: `symbol`, `turnover`, `closingPrice`."""
        return list(await self.call("top-turnover", all=all_rows))

    async def get_top_trades(self, *, all_rows: bool = False) -> Rows:
        """Return the ten with most shares traded, or all: `symbol`, `shareTraded`, `closingPrice`."""
        return list(await self.call("top-trades", all=all_rows))

    async def get_top_transactions(self, *, all_rows: bool = False) -> Rows:
        """Return the ten with most transactions, or all: `symbol`, `totalTrades`, `lastTradedPrice`."""
        return list(await self.call("top-transactions", all=all_rows))

    async def get_top_quantity(self, *, all_rows: bool = False) -> Rows:
        """Return the ten with the highest quantity traded, or all."""
        return list(await self.call("top-quantity", all=all_rows))

    async def get_nepse_index(self) -> Rows:
        """Return the four main indices: `id`, `index`, `currentValue`, `change`, `perChange`, `close` (previous session)."""
        return list(await self.call("nepse-index"))

    async def get_sub_indices(self) -> Rows:
        """Return the indices of the thirteen sectors: `id`, `index`, `currentValue`, `change`, `perChange`."""
        return list(await self.call("sub-indices"))

    async def get_index_directory(self) -> Rows:
        """Return all seventeen indices: `id`, `indexCode`, `indexName`; read once a day."""
        return list(await self.call("index-directory"))

    async def get_index_history(self, index: Index) -> Rows:
        """Return an index day by day, newest first: `businessDate`, `closingIndex`, `openIndex`, ...."""
        return list((await self.whole("index-history", index=index))["rows"])

    async def get_index_graph(self, index: Index) -> list[list[float]]:
        """Return points of the session, `[seconds since 1970, value]`; the first ones come more than once."""
        return list(await self.call("index-graph", index=index))

    async def get_index_graph_range(self, index: Index, start: str | None = None, end: str | None = None) -> list[list[float]]:
        """Return points of an index between two ISO dates, as `get_index_graph`."""
        return list(await self.call("index-graph-range", index=index, start=start, end=end))

    async def get_sectorwise(self, date: str | None = None) -> Any:
        """Return the sectors' table, which the exchange no longer fills; its shape was never recorded."""
        return await self.call("sectorwise", date=date)

    async def get_market_caps(self, page: int | None = None) -> Any:
        """Return the market's capitalization day by day; its shape was never recorded."""
        return await self.call("market-caps", page=page)

    async def get_trading_average(self, days: int = 120, *, date: str | None = None, security: Security | None = None) -> Any:
        """Return averages of trading over some days; its shape was never recorded."""
        return await self.call("trading-average", days=days, date=date, symbol=security)

    async def get_holidays(self, year: int | None = None) -> Rows:
        """Return the holidays of a year, by default the current one in Nepal: `holidayDate`, `holidayDescription`."""
        return list(await self.call("holidays", year=year))

    async def get_holiday_years(self) -> Any:
        """Return the years whose holidays are known; its shape was never recorded."""
        return await self.call("holiday-years")

    async def get_disclosures(self) -> Row:
        """Return `exchangeMessages` and `companyNews`, the newest of each."""
        return dict(await self.call("disclosures"))

    async def get_notices(self, pages: int = 1) -> Rows:
        """Return the exchange's notices, newest first: `noticeHeading`, `noticeBody`, `noticeExpiryDate`, ...."""
        return list((await self.whole("notices", pages=pages))["rows"])

    async def get_alerts(self, page: int | None = None) -> Any:
        """Return news and alerts; its shape was never recorded."""
        return await self.call("alerts", page=page)

    async def get_media_news(self) -> Any:
        """Return news of companies in the media; its shape was never recorded."""
        return await self.call("media-news")

    async def get_press_releases(self, page: int | None = None) -> Any:
        """Return the exchange's press releases; its shape was never recorded."""
        return await self.call("press-releases", page=page)
