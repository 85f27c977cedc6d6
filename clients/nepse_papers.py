"""The methods of `NepseClient` about securities, companies and trades.

Rows are as the exchange gives them. Every method raises as `NepseCalls.call` does; of a security it takes the symbol or the
exchange's id, of one that is no longer listed only the id.
"""

from typing import Any

from clients.nepse_calls import NepseCalls, Row, Rows, Security


class PaperMethods(NepseCalls):
    """Each is one action of the service `nepse`, of the same name."""

    def get_securities(self, *, delisted: bool = False, promoters: bool = True) -> Rows:
        """Return every security: `id`, `symbol`, `securityName`, `name`, `activeStatus`."""
        return list(self.call("securities", delisted=delisted, promoters=promoters))

    def get_securities_plain(self) -> Any:
        """Return the exchange's other list of securities, whose symbols are all None."""
        return self.call("securities-plain")

    def get_company_list(self) -> Rows:
        """Return every company: `id`, `symbol`, `companyName`, `sectorName`, `status`, ...; read once a day."""
        return list(self.call("company-list"))

    def get_sectors(self) -> Any:
        """Return the sectors; read once a day; its shape was never recorded."""
        return self.call("sectors")

    def get_brokers(self) -> Rows:
        """Return the exchange's members; the rows' shape was never recorded."""
        return list(self.whole("brokers")["rows"])

    def get_security_detail(self, security: Security) -> Row:
        """Return `securityMcsData` (prices) and `securityData` (identity)."""
        return dict(self.call("security-detail", symbol=security))

    def get_company_details(self, security: Security) -> Row:
        """Return `securityDailyTradeDto`, `security`, `stockListedShares`, `paidUpCapital`, `marketCapitalization`, ...."""
        return dict(self.call("company-details", symbol=security))

    def get_security_profile(self, security: Security) -> Any:
        """Return the profile of a company; its shape was never recorded."""
        return self.call("security-profile", symbol=security)

    def get_board_of_directors(self, security: Security) -> Any:
        """Return the board of a company; its shape was never recorded."""
        return self.call("board-of-directors", symbol=security)

    def get_corporate_actions(self, security: Security) -> Any:
        """Return bonus and right shares: rows of `fiscalYear`, `bonusPercentage`, `rightPercentage`, `cashDividend`, ...."""
        return self.call("corporate-actions", symbol=security)

    def get_reports(self, security: Security) -> Any:
        """Return the reports of a company; its shape was never recorded."""
        return self.call("reports", symbol=security)

    def get_agm(self, security: Security) -> Any:
        """Return the general meetings of a company; its shape was never recorded."""
        return self.call("agm", symbol=security)

    def get_dividend(self, security: Security) -> Any:
        """Return the dividends of a company: rows of `id`, `modifiedDate`, `companyNews`, ...."""
        return self.call("dividend", symbol=security)

    def get_company_news(self, security: Security) -> Any:
        """Return the news of a company; its shape was never recorded."""
        return self.call("company-news", symbol=security)

    def get_market_depth(self, security: Security) -> Row | None:
        """Return `totalBuyQty`, `totalSellQty` and `marketDepth` (five levels each side); None when closed."""
        depth = self.call("market-depth", symbol=security)
        return None if depth is None else dict(depth)

    def get_market_depth_odd_lots(self, security: Security) -> Row | None:
        """Return the order book of odd lots, as `get_market_depth`."""
        depth = self.call("market-depth-odd-lots", symbol=security)
        return None if depth is None else dict(depth)

    def get_price_history(self, security: Security, start: str | None = None, end: str | None = None) -> Rows:
        """Return a security day by day, newest first, within ISO dates: `businessDate`, `closePrice`, ...; about a year."""
        return list(self.whole("price-history", symbol=security, start=start, end=end)["rows"])

    def get_price_page(self, security: Security) -> Rows:
        """Return a security day by day, the exchange's other list."""
        return list(self.whole("price-page", symbol=security)["rows"])

    def get_scrip_intraday(self, security: Security) -> Rows:
        """Return the trades of a security in the session: `contractQuantity`, `contractRate`, `time`."""
        return list(self.call("scrip-intraday", symbol=security))

    def get_scrip_history(self, security: Security) -> Rows:
        """Return a security day by day, oldest first: `businessDate`, `openPrice`, `closePrice`, ...."""
        return list(self.call("scrip-history", symbol=security))

    def get_today_price(self, date: str | None = None, security: Security | None = None) -> Rows:
        """Return the prices of a day (ISO), by default of the last session; `closePrice` is None while open."""
        return list(self.whole("today-price", date=date, symbol=security)["rows"])

    def get_todays_price(self, date: str | None = None) -> Any:
        """Return the prices of a day in one answer; its shape was never recorded."""
        return self.call("todays-price", date=date)

    def get_floor_sheet(
        self,
        security: Security | None = None,
        *,
        contract: int | None = None,
        buyer: int | None = None,
        seller: int | None = None,
    ) -> Row:
        """Return every contract of the last session, or of a security, a contract, a broker: `rows` and totals, as `whole`."""
        return self.whole("floor-sheet", symbol=security, contract=contract, buyer=buyer, seller=seller)

    def get_company_floor_sheet(self, security: Security, date: str | None = None) -> Row:
        """Return every contract of a security; the exchange refuses it (BLOCKED) since 2026, use `get_floor_sheet`."""
        return self.whole("company-floor-sheet", symbol=security, date=date)

    def get_day_trades(self, date: str) -> Rows:
        """Return the daily figures of every security on a day (ISO)."""
        return list(self.whole("day-trades", date=date)["rows"])
