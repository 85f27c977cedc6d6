"""Resources of single securities and trades of the simulated exchange, in publicly recorded shapes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from hulak.sim.nepse.exchange import HOLIDAYS, Exchange, Quote, Trade, nepal_date, nepal_text, past_sessions, previous_session
from hulak.sim.nepse.listing import SECTORS, Company
from hulak.sim.nepse.pages import Rows, page_of


class Securities:
    """Resources of securities and trades.

    Args:
        exchange: the exchange with the trades.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def security_list(self, query: Mapping[str, str]) -> Rows:
        """security: the "security brief"; promoter shares follow their company, a delisted security is the last row."""
        rows = []
        for company in self._exchange.companies:
            rows.append(_brief(company.id, company.symbol, company.name))
            if company.sector == "Microfinance" and query.get("nonPromoter") != "true":
                rows.append(_brief(company.id + 100_000, f"{company.symbol}P", f"{company.name} Promoter Share"))
        if query.get("nonDelisted", "true") != "true":
            rows.append({**_brief(99, "GONE", "Gone Company Limited"), "activeStatus": "D"})
        return rows

    def company_list(self) -> Rows:
        """company/list: without promoter shares."""
        return [
            {
                "id": company.id,
                "companyName": company.name,
                "symbol": company.symbol,
                "securityName": company.name,
                "status": "A",
                "companyEmail": email_of(company),
                "website": f"https://{company.symbol.lower()}.example",
                "sectorName": company.sector,
                "regulatoryBody": SECTORS[company.sector][0],
                "instrumentType": "Mutual Funds" if company.sector == "Mutual Fund" else "Equity",
            }
            for company in self._exchange.companies
        ]

    def today_price(self, query: Mapping[str, str], now_s: float) -> Rows:
        """today-price: one row per company with trades; closePrice is null while open.

        Args:
            query: `securityId`, and `businessDate`, a day that the exchange serves; a day without a session has no rows.
            now_s: the exchange's clock.
        """
        closed = self._exchange.state(now_s) == "CLOSE"
        wanted, day = query.get("securityId", ""), query.get("businessDate", "")
        if day not in {"", self._exchange.session_day(now_s).isoformat()}:
            return self._past_prices(date.fromisoformat(day), wanted, now_s)
        return [
            self._price(quote, now_s, closed=closed)
            for quote in self._exchange.quotes(now_s).values()
            if quote.trades and wanted in {"", str(quote.company.id)}
        ]

    def _past_prices(self, day: date, wanted: str, now_s: float) -> Rows:
        if day not in past_sessions(self._exchange.session_day(now_s)):
            return []
        closes, opened = self._exchange.closes_on(day), self._exchange.closes_on(previous_session(day))
        return [
            _past(company, _session(company, day, closes[company.id], opened[company.id]))
            for company in self._exchange.companies
            if wanted in {"", str(company.id)}
        ]

    def _price(self, quote: Quote, now_s: float, *, closed: bool) -> dict[str, Any]:
        return {
            "id": None,
            "businessDate": self._exchange.session_day(now_s).isoformat(),
            "securityId": quote.company.id,
            "symbol": quote.company.symbol,
            "securityName": quote.company.name,
            "openPrice": quote.open,
            "highPrice": quote.high,
            "lowPrice": quote.low,
            "closePrice": quote.last if closed else None,
            "totalTradedQuantity": quote.quantity,
            "totalTradedValue": round(quote.value, 2),
            "previousDayClosePrice": quote.previous,
            "fiftyTwoWeekHigh": round(quote.company.first_price * 1.3, 1),
            "fiftyTwoWeekLow": round(quote.company.first_price * 0.75, 1),
            "lastUpdatedTime": nepal_text(quote.time_s),
            "lastUpdatedPrice": quote.last,
            "totalTrades": quote.trades,
            "averageTradedPrice": round(quote.value / quote.quantity, 2),
            "marketCapitalization": round(quote.last * quote.company.shares / 1e6, 2) if closed else None,
        }

    def floor_sheet(self, query: Mapping[str, str], now_s: float) -> dict[str, Any]:
        """floorsheet: a page of the contracts that match the filter; the totals are those of the whole market."""
        trades: Sequence[Trade] = self._exchange.trades(now_s)
        if any(query.get(key) for key in FILTERS):
            trades = [trade for trade in trades if _passes(trade, query)]
        if not query.get("sort", "contractId,desc").lower().endswith(",asc"):
            trades = trades[::-1]
        closed = self._exchange.state(now_s) == "CLOSE"
        quotes = self._exchange.quotes(now_s).values()
        page = page_of(trades, query)
        page["content"] = [_contract(trade, closed=closed) for trade in page["content"]]
        return {
            "totalAmount": round(sum(quote.value for quote in quotes), 2),
            "totalQty": sum(quote.quantity for quote in quotes),
            "totalTrades": sum(quote.trades for quote in quotes),
            "floorsheets": page,
        }

    def detail(self, security_id: int, now_s: float) -> dict[str, Any] | None:
        """POST security/{id}: None for an unlisted id, as in the methods below."""
        quote = self._exchange.quotes(now_s).get(security_id)
        if quote is None:
            return None
        company = quote.company
        return {
            "securityDailyTradeDto": self._daily(quote, now_s),
            "security": _security(company),
            "stockListedShares": float(company.shares),
            "paidUpCapital": company.shares * 100.0,
            "issuedCapital": company.shares * 100.0,
            "marketCapitalization": round(quote.last * company.shares, 2),
            "publicShares": company.shares * 49 // 100,
            "publicPercentage": 49.0,
            "promoterShares": float(company.shares - company.shares * 49 // 100),
            "promoterPercentage": 51.0,
            "updatedDate": nepal_text(self._exchange.as_of(now_s)),
            "securityId": company.id,
        }

    def short_detail(self, security_id: int, now_s: float) -> dict[str, Any] | None:
        """GET security/{id}."""
        quote = self._exchange.quotes(now_s).get(security_id)
        if quote is None:
            return None
        company = quote.company
        more = {"securityName": company.name, "activeStatus": "A", "email": email_of(company), "sector": company.sector}
        return {"securityMcsData": self._daily(quote, now_s), "securityData": _security(company) | more}

    def _daily(self, quote: Quote, now_s: float) -> dict[str, Any]:
        return {
            "securityId": str(quote.company.id),
            "openPrice": quote.open,
            "highPrice": quote.high,
            "lowPrice": quote.low,
            "totalTradeQuantity": quote.quantity,
            "totalTrades": quote.trades,
            "lastTradedPrice": quote.last,
            "previousClose": quote.previous,
            "businessDate": self._exchange.session_day(now_s).isoformat(),
            "closePrice": quote.last if self._exchange.state(now_s) == "CLOSE" else 0,
            "fiftyTwoWeekHigh": round(quote.company.first_price * 1.3, 1),
            "fiftyTwoWeekLow": round(quote.company.first_price * 0.75, 1),
            "lastUpdatedDateTime": nepal_text(quote.time_s),
        }

    def depth(self, security_id: int, now_s: float) -> dict[str, Any] | None:
        """marketdepth: five prices on each side of the last price."""
        quote = self._exchange.quotes(now_s).get(security_id)
        if quote is None:
            return None
        buys = [_order(quote, level, buy=True) for level in range(1, 6)]
        sells = [_order(quote, level, buy=False) for level in range(1, 6)]
        return {
            "totalBuyQty": sum(order["quantity"] for order in buys),
            "totalSellQty": sum(order["quantity"] for order in sells),
            "marketDepth": {"buyMarketDepthList": buys, "sellMarketDepthList": sells},
        }

    def intraday(self, security_id: int, now_s: float) -> Rows | None:
        """market/graphdata/daily: one point per trade."""
        if security_id not in self._exchange.by_id:
            return None
        return [
            {"contractQuantity": trade.quantity, "contractRate": trade.rate, "time": int(trade.time_s)}
            for trade in self._exchange.trades(now_s)
            if trade.company.id == security_id
        ]

    def history(self, security_id: int, now_s: float) -> Rows | None:
        """One row per session of the last year, newest first, with the keys of both history resources."""
        company = self._exchange.by_id.get(security_id)
        if company is None:
            return None
        rows = []
        today = self._exchange.session_day(now_s)
        for day in past_sessions(today):
            earlier = previous_session(day)
            close, opened = self._exchange.close_of(company, day), self._exchange.close_of(company, earlier)
            rows.append(_session(company, day, close, opened))
        return rows

    def price_page(self, security_id: int, query: Mapping[str, str], now_s: float) -> Rows | None:
        """market/security/price: the history, each row with the security; of one `businessDate` if it is given."""
        rows = self.history(security_id, now_s)
        if rows is None:
            return None
        day, company = query.get("businessDate", ""), self._exchange.by_id[security_id]
        return [{"security": _security(company), **row} for row in rows if day in {"", row["businessDate"]}]

    def holidays(self, year: int, now_s: float) -> Rows:
        """holiday/list: the holidays of a year; none of them is today while the exchange is held open."""
        days = [(date(year, *day), name) for day, name in HOLIDAYS.items()]
        if self._exchange.always_open:
            days = [(day, name) for day, name in days if day != nepal_date(now_s)]
        return [
            {"id": day.toordinal(), "holidayDate": day.isoformat(), "holidayDescription": name, "activeStatus": "A"}
            for day, name in days
        ]


def past_quantity(company: Company, day: date) -> int:
    """Return the shares of a company that were traded in a past session."""
    return 10 * (company.id * day.toordinal() % 5000 + 50)


def _session(company: Company, day: date, close: float, opened: float) -> dict[str, Any]:
    quantity = past_quantity(company, day)
    return {
        "businessDate": day.isoformat(),
        "openPrice": opened,
        "highPrice": max(close, opened),
        "lowPrice": min(close, opened),
        "previousDayClosePrice": opened,
        "fiftyTwoWeekHigh": round(company.first_price * 1.3, 1),
        "fiftyTwoWeekLow": round(company.first_price * 0.75, 1),
        "lastTradedPrice": close,
        "closePrice": close,
        "totalTradedQuantity": quantity,
        "totalTradedValue": round(quantity * close, 2),
        "totalTrades": past_trades(quantity),
    }


def past_trades(quantity: int) -> int:
    """Return the number of contracts for a quantity of a past session."""
    return quantity // 60 + 1


def _past(company: Company, row: dict[str, Any]) -> dict[str, Any]:
    name = {"securityId": company.id, "symbol": company.symbol, "securityName": company.name}
    average = round(row["totalTradedValue"] / row["totalTradedQuantity"], 2)
    ended = {"lastUpdatedTime": f"{row['businessDate']}T15:00:00", "lastUpdatedPrice": row["closePrice"]}
    worth = round(row["closePrice"] * company.shares / 1e6, 2)
    return {"id": None, **name, **row, **ended, "averageTradedPrice": average, "marketCapitalization": worth}


def email_of(company: Company) -> str:
    """Return the e-mail address of a company."""
    return f"info@{company.symbol.lower()}.example"


def _brief(security_id: int, symbol: str, name: str) -> dict[str, Any]:
    return {
        "id": security_id,
        "symbol": symbol,
        "securityName": name,
        "name": f"({symbol}) {name}",
        "activeStatus": "A",
    }


def _security(company: Company) -> dict[str, Any]:
    return {
        "id": company.id,
        "symbol": company.symbol,
        "isin": f"NPE{company.id:06d}SIM",
        "permittedToTrade": "Y",
        "listingDate": "2010-01-03",
        "instrumentType": {"id": 1, "code": "EQ", "description": "Equity"},
    }


def _order(quote: Quote, level: int, *, buy: bool) -> dict[str, Any]:
    step = -0.1 * level if buy else 0.1 * level
    return {
        "stockId": quote.company.id,
        "orderBookOrderPrice": round(quote.last + step, 1),
        "quantity": quote.last_quantity + 10 * level,
        "orderCount": level,
        "isBuy": 1 if buy else 2,
        "buy": buy,
        "sell": not buy,
    }


FILTERS: dict[str, Callable[[Trade], int]] = {  # of the floor sheet: parameter -> value of a trade
    "stockId": lambda trade: trade.company.id,
    "contractNo": lambda trade: trade.number,
    "buyerBroker": lambda trade: trade.buyer,
    "sellerBroker": lambda trade: trade.seller,
}


def _passes(trade: Trade, query: Mapping[str, str]) -> bool:
    return all(not query.get(key) or query[key] == str(value(trade)) for key, value in FILTERS.items())


def _contract(trade: Trade, *, closed: bool) -> dict[str, Any]:
    # brokers are null until the close
    return {
        "contractId": trade.number,
        "stockSymbol": trade.company.symbol,
        "buyerMemberId": str(trade.buyer) if closed else None,
        "sellerMemberId": str(trade.seller) if closed else None,
        "contractQuantity": trade.quantity,
        "contractRate": trade.rate,
        "contractAmount": round(trade.quantity * trade.rate, 2),
        "businessDate": nepal_text(trade.time_s)[:10],
        "tradeBookId": trade.number % 10**9,
        "stockId": trade.company.id,
        "buyerBrokerName": f"Broker {trade.buyer} Private Limited" if closed else None,
        "sellerBrokerName": f"Broker {trade.seller} Private Limited" if closed else None,
        "tradeTime": nepal_text(trade.time_s),
        "securityName": trade.company.name,
    }
