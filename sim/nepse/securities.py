"""Resources of single securities and trades of the simulated exchange, in publicly recorded shapes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hulak.sim.nepse.exchange import Exchange, Quote, Trade, nepal_date, nepal_text, previous_session
from hulak.sim.nepse.listing import SECTORS, Company
from hulak.sim.nepse.pages import Rows, page_of

SESSIONS_PER_YEAR = 240


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
                "companyEmail": f"info@{company.symbol.lower()}.example",
                "website": f"https://{company.symbol.lower()}.example",
                "sectorName": company.sector,
                "regulatoryBody": SECTORS[company.sector][0],
                "instrumentType": "Mutual Funds" if company.sector == "Mutual Fund" else "Equity",
            }
            for company in self._exchange.companies
        ]

    def today_price(self, query: Mapping[str, str], now_s: float) -> Rows:
        """today-price: one row per company with trades; closePrice is null while open. Any day of the last year."""
        closed = self._exchange.state(now_s) == "CLOSE"
        wanted, day = query.get("securityId", ""), query.get("businessDate", "")
        if day not in {"", self._exchange.session_day(now_s).isoformat()}:
            companies = [company for company in self._exchange.companies if wanted in {"", str(company.id)}]
            return [
                _past(company, row)
                for company in companies
                for row in self.history(company.id, now_s) or []
                if row["businessDate"] == day
            ]
        return [
            self._price(quote, now_s, closed=closed)
            for quote in self._exchange.quotes(now_s).values()
            if quote.trades and wanted in {"", str(quote.company.id)}
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
        """floorsheet: a page of the contracts that match the filter, with their totals."""
        trades = [trade for trade in self._exchange.trades(now_s) if _passes(trade, query)]
        if not query.get("sort", "contractId,desc").lower().endswith(",asc"):
            trades.reverse()
        closed = self._exchange.state(now_s) == "CLOSE"
        page = page_of(trades, query)
        page["content"] = [_contract(trade, closed=closed) for trade in page["content"]]
        return {
            "totalAmount": round(sum(trade.quantity * trade.rate for trade in trades), 2),
            "totalQty": sum(trade.quantity for trade in trades),
            "totalTrades": len(trades),
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
        return {"securityMcsData": self._daily(quote, now_s), "securityData": _security(quote.company)}

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
        day = previous_session(self._exchange.session_day(now_s))
        for _ in range(SESSIONS_PER_YEAR):
            earlier = previous_session(day)
            close, opened = self._exchange.close_of(company, day), self._exchange.close_of(company, earlier)
            quantity = 10 * (company.id * day.toordinal() % 5000 + 50)
            rows.append(
                {
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
                    "totalTrades": quantity // 60 + 1,
                },
            )
            day = earlier
        return rows

    def holidays(self, now_s: float) -> Rows:
        """holiday/list: one invented holiday, in ten days."""
        day = nepal_date(now_s) + timedelta(days=10)
        return [{"id": 1, "holidayDate": day.isoformat(), "holidayDescription": "A holiday of the simulation"}]


def _past(company: Company, row: dict[str, Any]) -> dict[str, Any]:
    name = {"securityId": company.id, "symbol": company.symbol, "securityName": company.name}
    average = round(row["totalTradedValue"] / row["totalTradedQuantity"], 2)
    ended = {"lastUpdatedTime": f"{row['businessDate']}T15:00:00", "lastUpdatedPrice": row["closePrice"]}
    worth = round(row["closePrice"] * company.shares / 1e6, 2)
    return {"id": None, **name, **row, **ended, "averageTradedPrice": average, "marketCapitalization": worth}


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


def _passes(trade: Trade, query: Mapping[str, str]) -> bool:
    fields = {
        "stockId": trade.company.id,
        "contractNo": trade.number,
        "buyerBroker": trade.buyer,
        "sellerBroker": trade.seller,
    }
    return all(not query.get(key) or query[key] == str(value) for key, value in fields.items())


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
