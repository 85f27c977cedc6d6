"""Long lists of the exchange: pages are parsed, joined and counted. Pure.

A list may grow while it is read. Repeated rows are taken once, and the number of rows is compared with the exchange's
total; the caller judges a difference, since only an open market may explain it.
"""

import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse.endpoint import Shape
from hulak.workers.nepse.faults import bad_answer

TOTALS = ("totalAmount", "totalQty", "totalTrades")


@dataclass(frozen=True, slots=True)
class Page:
    """One page."""

    rows: list[dict[str, Any]]
    last: bool
    size: int  # rows of a full page
    pages: int  # of the whole list
    total: int | None  # rows of the whole list, if known
    totals: dict[str, Any]  # of a SHEET: those of TOTALS


def parse_page(name: str, shape: Shape, value: Any, number: int) -> Page:
    """Parse an answer as a page.

    Args:
        name: of the request, for texts.
        shape: PAGES or SHEET.
        value: the answer's JSON. A bare list counts as the whole list, which the exchange returns for large sizes.
        number: the requested page, from 0.
    Raises:
        TaskFailed: BAD_ANSWER, it is not a page, or another page.
    """
    totals: dict[str, Any] = {}
    if shape is Shape.SHEET:
        if not isinstance(value, dict) or "floorsheets" not in value:
            raise bad_answer(name, f"a JSON {type(value).__name__} without floorsheets", "an object with them")
        totals = {key: value.get(key) for key in TOTALS}
        value = value["floorsheets"]
    if isinstance(value, list):
        value = {"content": value, "totalElements": len(value), "totalPages": 1, "last": True}
    rows = value.get("content") if isinstance(value, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise bad_answer(name, "no page", "an object with a list of rows as content")
    if _natural(value.get("number"), number) != number:
        raise bad_answer(name, f"page {value['number']}", f"page {number}, which was requested")
    pages, last = _natural(value.get("totalPages"), 0), value.get("last")
    total = _natural(value.get("totalElements"), -1)
    return Page(
        rows,
        last=not rows or (last if isinstance(last, bool) else number + 1 >= pages),
        size=_natural(value.get("size"), len(rows)),
        pages=pages,
        total=total if total >= 0 else None,
        totals=totals,
    )


def _natural(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


@dataclass(slots=True)
class PageCollection:
    """The pages of a list that were read so far."""

    name: str  # of the request, for texts
    shape: Shape
    first: int  # page
    filtered: bool  # totalTrades counts the whole sheet, not the filtered rows
    rows: dict[Hashable, dict[str, Any]] = field(default_factory=dict)
    read: int = 0  # pages
    page: Page | None = None  # the newest

    def add(self, page: Page) -> None:
        """Add the next page. Raises TaskFailed: BAD_ANSWER, a contract without its id."""
        for row in page.rows:
            self.rows.setdefault(self._key(row), row)
        self.read += 1
        self.page = page

    def _key(self, row: dict[str, Any]) -> Hashable:
        if self.shape is not Shape.SHEET:
            return json.dumps(row, sort_keys=True)
        contract = row.get("contractId")
        if not isinstance(contract, (int, str)):
            raise bad_answer(self.name, "a contract without contractId", "one in each row")
        return contract

    def expected(self) -> int | None:
        """Return how many rows there must be; None if the exchange did not say."""
        page = self.page
        if page is None:
            return None
        if not page.last:
            return self.read * page.size
        trades = page.totals.get("totalTrades")
        total = page.total if self.filtered or not isinstance(trades, (int, float)) else int(trades)
        return None if total is None else max(0, total - self.first * page.size)

    def fits(self) -> bool:
        """Return whether there are as many rows as expected."""
        return self.expected() in {None, len(self.rows)}

    def incomplete(self) -> TaskFailed:
        """Return the error of a list with missing or extra rows while the market is closed."""
        return TaskFailed(
            "INCOMPLETE",
            f"{self.name} gave {len(self.rows)} rows in {self.read} pages, must be {self.expected()}: seen under many"
            " simultaneous requests; try again later",
            retryable=True,
            details={"rows": len(self.rows), "wanted": self.expected()},
        )

    def result(self) -> dict[str, Any]:
        """Return all rows and their totals; see `Reader.follow`."""
        page = self.page
        return {
            "rows": list(self.rows.values()),
            "page": self.first,
            "pages": self.read,
            "next": None if page is None or page.last else self.first + self.read,
            "complete": self.fits(),
            "total": None if page is None else page.total,
            **({} if page is None else page.totals),
        }
