"""The lists of the exchange as the page shows them, made of the answers of NEPSE workers. Pure. PROTOCOL.md section 12.2.

Rows and values of another form than the exchange's are left out: a list that it changes is shown without them.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, NamedTuple

MOST_ROWS = 20
LONGEST = 100  # characters of a name
DEPTH = 5  # prices of each side of a book


class Source(NamedTuple):
    """The action of the service `nepse` that a list is made of."""

    action: str
    args: dict[str, Any]


SOURCES = {
    "indices": Source("nepse-index", {}),
    "sectors": Source("sub-indices", {}),
    "summary": Source("summary", {}),
    "breadth": Source("price-volume", {}),
    "gainers": Source("top-gainers", {}),
    "losers": Source("top-losers", {}),
    "turnover": Source("top-turnover", {}),
    "quantity": Source("top-quantity", {}),
    "book": Source("market-depth", {}),
}
COLUMNS = {  # of a list -> of our rows, the names that the exchange's rows may have
    "indices": {"name": ("index",), "value": ("currentValue",), "change": ("change",), "percent": ("perChange",)},
    "gainers": {"symbol": ("symbol",), "price": ("ltp",), "change": ("pointChange",), "percent": ("percentageChange",)},
    "turnover": {"symbol": ("symbol",), "price": ("closingPrice",), "amount": ("turnover",)},
    "quantity": {"symbol": ("symbol",), "price": ("closingPrice",), "amount": ("shareTraded",)},
    "summary": {"name": ("detail",), "value": ("value",)},
    "book": {"price": ("orderBookOrderPrice",), "quantity": ("quantity",), "orders": ("orderCount",)},
}
COLUMNS |= {"sectors": COLUMNS["indices"], "losers": COLUMNS["gainers"]}


def shown(what: str, answer: Any) -> Any:
    """Return a list of the page.

    Args:
        what: a key of `SOURCES`.
        answer: of its action.
    Returns:
        rows, maps of texts and numbers; of `breadth` a map of counts; of `book` a map of two lists and two totals.
    """
    if what == "breadth":
        return _breadth(_maps(answer))
    if what == "book":
        return _book(answer if isinstance(answer, Mapping) else {})
    return [row for row in (_row(COLUMNS[what], row) for row in _maps(answer)) if row][:MOST_ROWS]


def _maps(answer: Any) -> Iterable[Mapping[str, Any]]:
    return [row for row in answer if isinstance(row, Mapping)] if isinstance(answer, list | tuple) else []


def _row(columns: Mapping[str, tuple[str, ...]], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the columns of these names; empty if its first one is missing."""
    values = {
        name: next((plain for key in keys if (plain := _plain(row.get(key))) is not None), None) for name, keys in columns.items()
    }
    return values if values[next(iter(columns))] is not None else {}


def _plain(value: Any) -> str | float | int | None:
    if isinstance(value, str):
        return value[:LONGEST]
    return value if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _breadth(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    changes = [row["percentageChange"] for row in rows if _is_number(row.get("percentageChange"))]
    up, down = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    return {"advances": up, "declines": down, "unchanged": len(changes) - up - down}


def _book(answer: Mapping[str, Any]) -> dict[str, Any]:
    depth = answer.get("marketDepth")
    depth = depth if isinstance(depth, Mapping) else {}
    sides = {"bids": "buyMarketDepthList", "asks": "sellMarketDepthList"}
    totals = {"bid_total": answer.get("totalBuyQty"), "ask_total": answer.get("totalSellQty")}
    lists = {
        side: [row for row in (_row(COLUMNS["book"], row) for row in _maps(depth.get(key))) if row][:DEPTH]
        for side, key in sides.items()
    }
    return {**lists, **{name: value if _is_number(value) else None for name, value in totals.items()}}
