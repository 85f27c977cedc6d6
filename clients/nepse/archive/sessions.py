"""Which days had a session, which one is the last that is over, and the totals of each. Pure.

The exchange's list of sessions says it, never a fixed week: its trading days have changed before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import fsum
from typing import Any

from hulak.bus.errors import TaskFailed

CLOSED, OPEN = "CLOSE", "OPEN"
TOTALS = {  # key of a session in summary-history -> key of a security's row in today-price, whose sum it is
    "totalTransactions": "totalTrades",
    "totalTradedShares": "totalTradedQuantity",
    "totalTurnover": "totalTradedValue",
}
SHEET_TOTALS = {"totalTransactions": "totalTrades", "totalTradedShares": "totalQty", "totalTurnover": "totalAmount"}
MOST_OFF = 0.005  # of each row's amount, by rounding


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions that are over, of about the last year."""

    totals: Mapping[date, Mapping[str, Any]]  # by day; empty for a session that the list has not yet
    last: date

    @property
    def first(self) -> date:
        """The oldest session that the exchange lists."""
        return min(self.totals)


def read_sessions(status: Any, history: Any, today: date) -> Sessions:
    """Return the sessions that are over.

    Args:
        status: the answer of market-status: `isOpen`, and `asOf`, the time of the newest data: in a session now, else its end.
        history: the answer of summary-history.
        today: the day in Nepal.
    Raises:
        TaskFailed: BAD_ANSWER, it is not that, or there is no session.
    """
    as_of = day_of(status, "asOf")
    if as_of is None:
        raise TaskFailed("BAD_ANSWER", "market-status was answered without a day in asOf, wanted one such as 2026-04-24T15:00:00")
    state = status.get("isOpen")
    begins = as_of if state == OPEN else today  # the first day whose session may not be over
    over = state == CLOSED or as_of < begins
    totals: dict[date, Mapping[str, Any]] = {as_of: {}} if over else {}
    for row in history if isinstance(history, list) else []:
        day = day_of(row, "businessDate")
        if day is not None and (day < begins if state != CLOSED else day <= as_of):
            totals[day] = row
    if not totals:
        raise TaskFailed("BAD_ANSWER", "summary-history was answered without a session that is over, wanted those of a year")
    return Sessions(totals, max(totals))


def day_of(row: Any, key: str) -> date | None:
    """Return the day of a row; None if it has none."""
    try:
        return date.fromisoformat(row[key][:10])
    except (TypeError, KeyError, ValueError):
        return None


def differences(keys: Mapping[str, str], rows: Sequence[Mapping[str, Any]], totals: Mapping[str, Any]) -> list[str]:
    """Compare the sums of rows with the totals of their session.

    Args:
        keys: `TOTALS` or `SHEET_TOTALS`: name of a total -> name of the rows' figure.
        rows: all of them.
        totals: of the session.
    Returns:
        a text for each total that differs by more than rounding; totals and figures that are missing are not compared.
    """
    texts = []
    for name, key in keys.items():
        total, figures = totals.get(name), [row.get(key) for row in rows]
        if not all(is_number(value) for value in (total, *figures)):
            continue
        seen, wanted = round(fsum(figures), 2), float(total or 0)  # type: ignore[arg-type]
        if abs(seen - wanted) > (MOST_OFF * len(rows) + 1e-12 * wanted if name == "totalTurnover" else 0):
            texts.append(f"{key} has the sum {seen:,.15g}, {name} of the session is {wanted:,.15g}")
    return texts


def is_number(value: Any) -> bool:
    """Return whether a value is a number."""
    return type(value) in (int, float)
