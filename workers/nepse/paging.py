"""Long lists of the exchange: one page read, and all pages put together and counted. Pure.

A list may grow while it is read. Rows that come twice are taken once, and the count is held against the total that the
exchange tells; what does not fit is the caller's to judge, for only an open market may explain it.
"""

import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from bus.errors import TaskFailed
from workers.nepse.endpoints import Shape
from workers.nepse.faults import bad_answer

TOTALS = ("totalAmount", "totalQty", "totalTrades")


@dataclass(frozen=True, slots=True)
class Page:
    """One page."""

    rows: list[dict[str, Any]]
    last: bool
    size: int  # rows of a full page
    pages: int  # of the whole list
    total: int | None  # rows of the whole list, if it was told
    totals: dict[str, Any]  # of a SHEET: those of TOTALS


def parse_page(name: str, shape: Shape, value: Any, number: int) -> Page:
    """Read an answer as a page.

    Args:
        name: of the request, for texts.
        shape: PAGES or SHEET.
        value: the answer's JSON. A bare list counts as a whole list, as the exchange answers large sizes.
        number: the page that was asked for, from 0.
    Raises:
        TaskFailed: BAD_ANSWER, it is something else, or another page.
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
        raise bad_answer(name, f"page {value['number']}", f"page {number}, which was asked for")
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


def _natural(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


@dataclass(slots=True)
class PageCollection:
    """What was read of one list so far."""

    name: str  # of the request, for texts
    shape: Shape
    first: int  # page
    filtered: bool  # totalTrades was only seen to speak of the whole sheet
    rows: dict[Hashable, dict[str, Any]] = field(default_factory=dict)
    read: int = 0  # pages
    page: Page | None = None  # the newest

    def add(self, page: Page) -> None:
        """Take in the next page. Raises TaskFailed: BAD_ANSWER, a contract without its id."""
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

    def wanted(self) -> int | None:
        """Give how many rows there must be; None if the exchange did not say."""
        page = self.page
        if page is None:
            return None
        if not page.last:
            return self.read * page.size
        trades = page.totals.get("totalTrades")
        total = page.total if self.filtered or not isinstance(trades, (int, float)) else int(trades)
        return None if total is None else max(0, total - self.first * page.size)

    def fits(self) -> bool:
        """Say whether there are as many rows as there must be."""
        return self.wanted() in {None, len(self.rows)}

    def incomplete(self) -> TaskFailed:
        """Make the error for a list that has too few rows or too many, though nobody trades."""
        return TaskFailed(
            "INCOMPLETE",
            f"{self.name} gave {len(self.rows)} rows in {self.read} pages, must be {self.wanted()}: seen when many ask at"
            " once; try again later",
            retryable=True,
            details={"rows": len(self.rows), "wanted": self.wanted()},
        )

    def result(self) -> dict[str, Any]:
        """Give all rows and what is known of them; see `Reader.follow`."""
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
