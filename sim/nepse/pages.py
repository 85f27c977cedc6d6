"""Spring pages: the paging of long lists."""

from collections.abc import Mapping, Sequence
from typing import Any

Rows = list[dict[str, Any]]

LARGEST_PAGE = 500  # the largest in wide use


def page_of(rows: Sequence[Any], query: Mapping[str, str]) -> dict[str, Any]:
    """Return one Spring page of rows.

    Args:
        rows: all of them.
        query: `page` from 0 and `size`, 20 by default, at most 500; a malformed number is ignored.
    """
    number = natural(query.get("page"), 0)
    size = min(max(1, natural(query.get("size"), 20)), LARGEST_PAGE)
    content = rows[number * size : (number + 1) * size]
    pages = -(-len(rows) // size)
    sort = {"sorted": "sort" in query, "unsorted": "sort" not in query, "empty": "sort" not in query}
    return {
        "content": content,
        "pageable": {
            "sort": sort,
            "pageNumber": number,
            "pageSize": size,
            "offset": number * size,
            "paged": True,
            "unpaged": False,
        },
        "totalPages": pages,
        "totalElements": len(rows),
        "last": number >= pages - 1,
        "first": number == 0,
        "number": number,
        "size": size,
        "numberOfElements": len(content),
        "sort": sort,
        "empty": not content,
    }


def ordered(rows: Sequence[dict[str, Any]], query: Mapping[str, str]) -> Sequence[dict[str, Any]]:
    """Return rows in the order of `sort`, such as `closePrice,desc`; as they are without it, or for an unknown column."""
    column, _, order = query.get("sort", "").partition(",")
    if not rows or column not in rows[0]:
        return rows
    known = [row for row in rows if row[column] is not None]
    empty = [row for row in rows if row[column] is None]
    return sorted(known, key=lambda row: row[column], reverse=order.lower() == "desc") + empty


def between(rows: Rows, query: Mapping[str, str]) -> Rows:
    """Return the rows within `startDate` and `endDate`, or of `businessDate`, as far as they are given."""
    first, last, day = query.get("startDate") or "0", query.get("endDate") or "9", query.get("businessDate")
    return [row for row in rows if first <= row["businessDate"] <= last and day in {None, "", row["businessDate"]}]


def natural(text: str | None, otherwise: int) -> int:
    """Return the number in a query, `otherwise` if it is missing or malformed."""
    return int(text[:9]) if text is not None and text.isascii() and text.isdigit() else otherwise
