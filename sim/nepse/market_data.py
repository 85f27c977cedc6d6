"""Market-wide resources of the simulated exchange, in publicly recorded shapes."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache
from typing import Any

from hulak.sim.nepse.exchange import (
    SESSIONS_SERVED,
    Exchange,
    Quote,
    close_time,
    nepal_text,
    past_sessions,
    percent,
    previous_session,
)
from hulak.sim.nepse.listing import MAIN_INDICES, SECTORS, SUB_INDICES
from hulak.sim.nepse.pages import Rows


class Market:
    """Market-wide resources.

    Args:
        exchange: the exchange with the trades.
        market_id: `id` of market-open, 0..99; that of the real exchange was always 80.
    """

    def __init__(self, exchange: Exchange, market_id: int) -> None:
        self._exchange = exchange
        self._market_id = market_id
        self._values_on = lru_cache(maxsize=SESSIONS_SERVED * 20)(self._value_on)

    def status(self, now_s: float) -> dict[str, Any]:
        """market-open: `isOpen`, `asOf`, `id`; `asOf` is the time of the newest contract while open."""
        state, as_of = self._exchange.state(now_s), self._exchange.as_of(now_s)
        if state == "OPEN":
            as_of = self._exchange.newest_s(now_s)
        return {"isOpen": state, "asOf": nepal_text(as_of), "id": self._market_id}

    def summary(self, now_s: float) -> Rows:
        """market-summary: four rows while open, six when closed."""
        quotes = [quote for quote in self._exchange.quotes(now_s).values() if quote.trades]
        rows: list[tuple[str, float]] = [
            ("Total Turnover Rs:", round(sum(quote.value for quote in quotes), 2)),
            ("Total Traded Shares", float(sum(quote.quantity for quote in quotes))),
            ("Total Transactions", float(sum(quote.trades for quote in quotes))),
            ("Total Scrips Traded", float(len(quotes))),
        ]
        if self._exchange.state(now_s) == "CLOSE":
            worth = sum(quote.last * quote.company.shares for quote in quotes)
            rows.append(("Total Market Capitalization Rs:", round(worth, 2)))
            rows.append(("Total Float Market Capitalization Rs:", round(worth / 3, 2)))
        return [{"detail": detail, "value": value} for detail, value in rows]

    def live(self, now_s: float) -> Rows:
        """lives-market: one row per company; the id is a text and the time has a space.

        It is empty when closed; between the begin of the pre-open session and the opening, no row has a symbol.
        """
        state = self._exchange.state(now_s)
        if state == "CLOSE":
            return []
        return self._live_rows(now_s) if state == "OPEN" else [self._unopened(quote) for quote in self._traded(now_s)]

    def _unopened(self, quote: Quote) -> dict[str, Any]:
        prices = dict.fromkeys(("openPrice", "highPrice", "lowPrice", "lastTradedPrice", "averageTradedPrice"), 0.0)
        counts = dict.fromkeys(("totalTradeQuantity", "totalTradeValue", "lastTradedVolume", "percentageChange"), 0)
        security = {"securityId": str(quote.company.id), "securityName": None, "symbol": None, "indexId": 58}
        return {**security, **prices, **counts, "lastUpdatedDateTime": None, "previousClose": quote.last}

    def _live_rows(self, now_s: float) -> Rows:
        return [
            {
                "securityId": str(quote.company.id),
                "securityName": quote.company.name,
                "symbol": quote.company.symbol,
                "indexId": 58,
                "openPrice": quote.open,
                "highPrice": quote.high,
                "lowPrice": quote.low,
                "totalTradeQuantity": quote.quantity,
                "totalTradeValue": round(quote.value, 2),
                "lastTradedPrice": quote.last,
                "percentageChange": quote.change_percent,
                "lastUpdatedDateTime": nepal_text(quote.time_s, " "),
                "lastTradedVolume": quote.last_quantity,
                "previousClose": quote.previous,
                "averageTradedPrice": round(quote.value / quote.quantity, 2),
            }
            for quote in self._traded(now_s)
        ]

    def ticker(self, now_s: float, index_id: int = 58) -> Rows:
        """securityDailyTradeStat: the companies of an index, none of an unknown one; closePrice is null while open."""
        closed = self._exchange.state(now_s) == "CLOSE"
        members = {company.id for company in self._exchange.members_of(index_id)}
        return [
            {
                "securityId": str(quote.company.id),
                "securityName": quote.company.name,
                "symbol": quote.company.symbol,
                "indexId": index_id,
                "totalTradeQuantity": quote.quantity,
                "lastTradedPrice": quote.last,
                "percentageChange": quote.change_percent,
                "previousClose": quote.previous,
                "closePrice": quote.last if closed else None,
            }
            for quote in self._traded(now_s)
            if quote.company.id in members
        ]

    def top(self, kind: str, now_s: float, *, everything: bool) -> Rows | None:
        """top-ten: ten rows or all, best first; None for an unknown list."""
        order = TOP_LISTS.get(kind)
        if order is None:
            return None
        wanted, key, row = order
        quotes = sorted((quote for quote in self._traded(now_s) if wanted(quote)), key=key)
        return [row(quote) for quote in (quotes if everything else quotes[:10])]

    def supply_demand(self, now_s: float, *, everything: bool) -> dict[str, Rows]:
        """supplydemand: supply and demand of five companies each, or ten."""
        quotes = sorted(self._traded(now_s), key=lambda quote: -quote.quantity)[: 20 if everything else 10]
        rows = [
            {
                "totalQuantity": quote.last_quantity * 10,
                "totalOrder": quote.trades % 9 + 1,
                "securityId": quote.company.id,
                "symbol": quote.company.symbol,
                "securityName": quote.company.name,
            }
            for quote in quotes
        ]
        return {"supplyList": rows[::2], "demandList": rows[1::2]}

    def indices(self, now_s: float) -> Rows:
        """nepse-index: the four main indices; `close` is that of the previous session."""
        rows = []
        for index_id, (_, name) in sorted(MAIN_INDICES.items()):
            values = [value for _, value in self.graph(index_id, now_s)]
            current, before = values[-1], self._value_before(index_id, now_s)
            closed = self._exchange.state(now_s) == "CLOSE"
            rows.append(
                {
                    "id": index_id,
                    "auditId": None,
                    "exchangeIndexId": None,
                    "generatedTime": nepal_text(self._exchange.as_of(now_s)),
                    "index": name,
                    "close": before,
                    "high": max(values),
                    "low": min(values),
                    "previousClose": current if closed else before,
                    "change": round(current - before, 2),
                    "perChange": percent(current - before, before),
                    "fiftyTwoWeekHigh": round(before * 1.2, 2),
                    "fiftyTwoWeekLow": round(before * 0.8, 2),
                    "currentValue": current,
                },
            )
        return rows

    def sub_indices(self, now_s: float) -> Rows:
        """The bare /api/nots: thirteen rows."""
        prices = {quote.company.id: quote.last or quote.previous for quote in self._exchange.quotes(now_s).values()}
        rows = []
        for index_id, (_, name) in SUB_INDICES.items():
            current, before = self._exchange.value_of(index_id, prices), self._value_before(index_id, now_s)
            rows.append(
                {
                    "id": index_id,
                    "index": name,
                    "change": round(current - before, 2),
                    "perChange": percent(current - before, before),
                    "currentValue": current,
                },
            )
        return rows

    def graph(self, index_id: int, now_s: float) -> list[list[float]]:
        """graph/index: [seconds since 1970, value] per minute; the first point three times, as in the original."""
        quotes = self._exchange.quotes(now_s)
        prices = {security_id: quote.previous for security_id, quote in quotes.items()}
        scale = self._exchange.scale_of(index_id)
        worth = sum(prices[company.id] * company.shares for company in self._exchange.members_of(index_id))
        members = {company.id for company in self._exchange.members_of(index_id)}
        by_minute: dict[int, float] = {}
        for trade in self._exchange.trades(now_s):
            if trade.company.id in members:
                worth += (trade.rate - prices[trade.company.id]) * trade.company.shares
                prices[trade.company.id] = trade.rate
            by_minute[int(trade.time_s // 60) * 60] = round(worth * scale, 2)
        points: list[list[float]] = [[minute, value] for minute, value in by_minute.items()]
        return [list(points[0]), list(points[0]), *points]

    def graph_between(self, index_id: int, first: str, last: str, now_s: float) -> list[list[float]]:
        """graph/index with dates: [seconds since 1970, closing value] per session, oldest first, then the value of today.

        Args:
            index_id: a key of SUB_INDICES or MAIN_INDICES.
            first, last: days as 2026-04-24, both included.
            now_s: the exchange's clock.
        """
        today = self._exchange.session_day(now_s)
        days = [day for day in reversed(past_sessions(today)) if first <= day.isoformat() <= last]
        points: list[list[float]] = [[close_time(day), self._values_on(index_id, day)] for day in days]
        if first <= today.isoformat() <= last:
            points.append([self._exchange.as_of(now_s), self.graph(index_id, now_s)[-1][1]])
        return points

    def history(self, index_id: int, now_s: float) -> Rows:
        """index/history: one row per session of the last year, newest first."""
        rows = []
        for day in past_sessions(self._exchange.session_day(now_s)):
            earlier = previous_session(day)
            close, opened = self._values_on(index_id, day), self._values_on(index_id, earlier)
            rows.append(
                {
                    "businessDate": day.isoformat(),
                    "closingIndex": close,
                    "openIndex": opened,
                    "highIndex": max(close, opened),
                    "lowIndex": min(close, opened),
                    "turnoverValue": round(close * 1_700_000, 2),
                    "turnoverVolume": int(close * 4_000),
                    "totalTransaction": int(close * 30),
                    "absChange": round(close - opened, 2),
                    "percentageChange": percent(close - opened, opened),
                },
            )
        return rows

    def index_directory(self) -> Rows:
        """index: all seventeen indices."""
        sectors = {index_id: (sector, regulator) for sector, (regulator, index_id, _) in SECTORS.items()}
        rows = []
        for index_id, (code, name) in sorted((SUB_INDICES | MAIN_INDICES).items()):
            sector, regulator = sectors.get(index_id, (None, None))
            master = {
                "id": index_id - 14,
                "sectorDescription": sector,
                "activeStatus": "A",
                "regulatoryBody": regulator,
            }
            rows.append(
                {
                    "id": index_id,
                    "indexCode": code,
                    "indexName": name,
                    "description": name,
                    "sectorMaster": master if sector else None,
                    "activeStatus": "A",
                    "keyIndexFlag": "Y" if index_id in MAIN_INDICES else "N",
                    "baseYearMarketCapitalization": 77_000.0 + index_id,
                },
            )
        return rows

    def _traded(self, now_s: float) -> Iterator[Quote]:
        return (quote for quote in self._exchange.quotes(now_s).values() if quote.trades)

    def _value_before(self, index_id: int, now_s: float) -> float:
        return self._values_on(index_id, previous_session(self._exchange.session_day(now_s)))

    def _value_on(self, index_id: int, day: date) -> float:
        return self._exchange.value_of(index_id, self._exchange.closes_on(day))


def _mover(quote: Quote) -> dict[str, Any]:
    return {
        "symbol": quote.company.symbol,
        "ltp": quote.last,
        "cp": None,
        "pointChange": quote.change,
        "percentageChange": quote.change_percent,
        "securityName": quote.company.name,
        "securityId": quote.company.id,
    }


def _total(quote: Quote, **values: float) -> dict[str, Any]:
    security = {"securityName": quote.company.name, "securityId": quote.company.id}
    return {"symbol": quote.company.symbol, **values, "closingPrice": quote.last, **security}


def _shares(quote: Quote) -> dict[str, Any]:
    return _total(quote, shareTraded=quote.quantity)


def _turnover(quote: Quote) -> dict[str, Any]:
    return _total(quote, turnover=round(quote.value, 2))


def _contracts(quote: Quote) -> dict[str, Any]:
    return {
        "securityId": quote.company.id,
        "totalTrades": quote.trades,
        "lastTradedPrice": quote.last,
        "securityName": quote.company.name,
        "symbol": quote.company.symbol,
    }


def _any(_: Quote) -> bool:
    return True


TopList = tuple[Callable[[Quote], bool], Callable[[Quote], float], Callable[[Quote], dict[str, Any]]]
TOP_LISTS: dict[str, TopList] = {  # name -> filter, sort key, row
    "top-gainer": (lambda quote: quote.change > 0, lambda quote: -quote.change_percent, _mover),
    "top-loser": (lambda quote: quote.change < 0, lambda quote: quote.change_percent, _mover),
    "turnover": (_any, lambda quote: -quote.value, _turnover),
    "trade": (_any, lambda quote: -quote.quantity, _shares),
    "trade-qty": (_any, lambda quote: -quote.quantity, _shares),
    "transaction": (_any, lambda quote: -quote.trades, _contracts),
}
