"""The methods of both clients about securities, companies and trades.

Rows are in the exchange's form. Every method raises as `NepseMethods.call` does; a security is given by its symbol or the
exchange's id, one that is no longer listed by its id only.
"""

from typing import Any

from hulak.clients.nepse.base import NepseMethods, Row, Rows, Security


class SecurityMethods(NepseMethods):
    """Each is one action of the service `nepse`, of the same name."""

    async def get_securities(self, *, delisted: bool = False, promoters: bool = True) -> Rows:
        """Return every security: `id`, `symbol`, `securityName`, `name`, `activeStatus`."""
        return list(await self.call("securities", delisted=delisted, promoters=promoters))

    async def get_securities_plain(self) -> Any:
        """Return the exchange's other list of securities, whose symbols are all None."""
        return await self.call("securities-plain")

    async def get_company_list(self) -> Rows:
        """Return every company: `id`, `symbol`, `companyName`, `sectorName`, `status`, ...; read once a day."""
        return list(await self.call("company-list"))

    async def get_sectors(self) -> Any:
        """Return the sectors; read once a day; its shape was never recorded."""
        return await self.call("sectors")

    async def get_security_detail(self, security: Security) -> Row:
        """Return `securityMcsData` (prices) and `securityData` (identity)."""
        return dict(await self.call("security-detail", symbol=security))

    async def get_company_details(self, security: Security) -> Row:
        """Return `securityDailyTradeDto`, `security`, `stockListedShares`, `paidUpCapital`, `marketCapitalization`, ...."""
        return dict(await self.call("company-details", symbol=security))

    async def get_security_profile(self, security: Security) -> Any:
        """Return the profile of a company; its shape was never recorded."""
        return await self.call("security-profile", symbol=security)

    async def get_board_of_directors(self, security: Security) -> Any:
        """Return the board of a company; its shape was never recorded."""
        return await self.call("board-of-directors", symbol=security)

    async def get_corporate_actions(self, security: Security) -> Any:
        """Return bonus and right shares: rows of `fiscalYear`, `bonusPercentage`, `rightPercentage`, `cashDividend`, ...."""
        return await self.call("corporate-actions", symbol=security)

    async def get_reports(self, security: Security) -> Any:
        """Return the reports of a company; its shape was never recorded."""
        return await self.call("reports", symbol=security)

    async def get_agm(self, security: Security) -> Any:
        """Return the general meetings of a company; its shape was never recorded."""
        return await self.call("agm", symbol=security)

    async def get_dividend(self, security: Security) -> Any:
        """Return the dividends of a company: rows of `id`, `modifiedDate`, `companyNews`, ...."""
        return await self.call("dividend", symbol=security)

    async def get_company_news(self, security: Security) -> Any:
        """Return the news of a company; its shape was never recorded."""
        return await self.call("company-news", symbol=security)

    async def get_market_depth(self, security: Security) -> Row | None:
        """Return `totalBuyQty`, `totalSellQty` and `marketDepth` (five levels each side); None when closed."""
        depth = await self.call("market-depth", symbol=security)
        return None if depth is None else dict(depth)

    async def get_market_depth_odd_lots(self, security: Security) -> Row | None:
        """Return the order book of odd lots, as `get_market_depth`."""
        depth = await self.call("market-depth-odd-lots", symbol=security)
        return None if depth is None else dict(depth)

    async def get_price_history(self, security: Security, start: str | None = None, end: str | None = None) -> Rows:
        """Return a security day by day, newest first, within ISO dates: `businessDate`, `closePrice`, ...; about a year."""
        return list((await self.whole("price-history", symbol=security, start=start, end=end))["rows"])

    async def get_price_page(self, security: Security, date: str | None = None, *, sort: str | None = None) -> Rows:
        """Return a security day by day, or on one day (ISO), from the exchange's other list; `sort` as "closePrice,desc"."""
        return list((await self.whole("price-page", symbol=security, date=date, sort=sort))["rows"])

    async def get_scrip_intraday(self, security: Security) -> Rows:
        """Return the trades of a security in the session: `contractQuantity`, `contractRate`, `time`."""
        return list(await self.call("scrip-intraday", symbol=security))

    async def get_scrip_history(self, security: Security) -> Rows:
        """Return a security day by day, oldest first: `businessDate`, `openPrice`, `closePrice`, ...."""
        return list(await self.call("scrip-history", symbol=security))

    async def get_today_price(
        self, date: str | None = None, security: Security | None = None, *, sort: str | None = None
    ) -> Rows:
        """Return the prices of a day (ISO), by default of the last session; `closePrice` is None while open.

        Args:
            date: the business day.
            security: only this one.
            sort: a column, as "closePrice" or "closePrice,desc".
        """
        return list((await self.whole("today-price", date=date, symbol=security, sort=sort))["rows"])

    async def get_todays_price(self, date: str | None = None) -> Any:
        """Return the prices of a day in one answer; its shape was never recorded."""
        return await self.call("todays-price", date=date)

    async def get_floor_sheet(
        self,
        security: Security | None = None,
        *,
        contract: int | None = None,
        buyer: int | None = None,
        seller: int | None = None,
    ) -> Row:
        """Return every contract of the last session, or of a security, a contract, a broker: `rows` and totals, as `whole`."""
        return await self.whole("floor-sheet", symbol=security, contract=contract, buyer=buyer, seller=seller)

    async def get_newest_trades(self, pages: int = 1) -> Rows:
        """Return the newest contracts of the last session, newest first, at most 500 a page."""
        return list((await self.call("newest-trades", pages=pages))["rows"])

    async def get_company_floor_sheet(self, security: Security, date: str | None = None) -> Row:
        """Return every contract of a security; the exchange refuses it (BLOCKED) since 2026, use `get_floor_sheet`."""
        return await self.whole("company-floor-sheet", symbol=security, date=date)

    async def get_day_trades(self, date: str) -> Rows:
        """Return the daily figures of every security on a day (ISO)."""
        return list((await self.whole("day-trades", date=date))["rows"])
