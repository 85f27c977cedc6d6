"""market-summary-history of the simulated exchange: the totals of each session, which its securities add up to."""

from datetime import date
from typing import Any

from hulak.sim.nepse.exchange import Exchange
from hulak.sim.nepse.pages import Rows
from hulak.sim.nepse.securities import Securities


class SessionTotals:
    """The totals of the sessions of the last year.

    Args:
        exchange: the exchange with the trades.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._securities = Securities(exchange)
        self._before: tuple[date, Rows] | None = None  # the rows of the sessions before a day

    def rows(self, now_s: float) -> Rows:
        """Return a row for each session, newest first."""
        day = self._exchange.session_day(now_s)
        traded = [quote for quote in self._exchange.quotes(now_s).values() if quote.trades]
        newest = _row(
            day.isoformat(),
            sum(quote.value for quote in traded),
            sum(quote.quantity for quote in traded),
            sum(quote.trades for quote in traded),
            len(traded),
        )
        if self._before is None or self._before[0] != day:
            self._before = day, self._add_up(now_s)
        return [newest, *self._before[1]]

    def _add_up(self, now_s: float) -> Rows:
        histories = [self._securities.history(company.id, now_s) or [] for company in self._exchange.companies]
        return [
            _row(
                rows[0]["businessDate"],
                sum(row["totalTradedValue"] for row in rows),
                sum(row["totalTradedQuantity"] for row in rows),
                sum(row["totalTrades"] for row in rows),
                len(rows),
            )
            for rows in zip(*histories, strict=True)
        ]


def _row(day: str, turnover: float, shares: int, transactions: int, scrips: int) -> dict[str, Any]:
    return {
        "businessDate": day,
        "totalTurnover": round(turnover, 2),
        "totalTradedShares": shares,
        "totalTransactions": transactions,
        "tradedScrips": scrips,
    }
