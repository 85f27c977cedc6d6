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
    number = _natural(query.get("page"), 0)
    size = min(max(1, _natural(query.get("size"), 20)), LARGEST_PAGE)
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


def _natural(text: str | None, otherwise: int) -> int:
    return int(text[:9]) if text is not None and text.isascii() and text.isdigit() else otherwise
