"""The base of all methods of `NepseClient` and `AsyncNepseClient`: one call, or a list read with several."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Any

SERVICE = "nepse"
Row = dict[str, Any]
Rows = list[Row]
Security = int | str  # a symbol such as "NABIL", or the exchange's id
Index = int | str  # an index's id such as 58, or its name: "nepse", "banking", "hydropower", ...


class NepseMethods(ABC):
    """Calls to the NEPSE workers, over any connection.

    They are coroutines. Over a blocking connection they never suspend: `client` runs them to their end.
    """

    @abstractmethod
    async def ask(
        self, service: str, action: str, args: dict[str, Any], *, share: bool, on_part: Callable[[Any], None] | None = None
    ) -> Any:
        """Make one call over the connection."""

    async def call(self, action: str, /, **args: Any) -> Any:
        """Call an action (listed in docs/howto/exchange.md, and by `hulak nepse --help`).

        Args:
            action: e.g. "market-depth".
            args: of the action, e.g. symbol="NABIL"; None values are omitted.
        Raises:
            TaskFailed: UNKNOWN_ACTION and BAD_ARGUMENT, whose texts name what is allowed; or the failure of the action.
            BusTimeout: no broker, or no answer, in time.
            BusError: the broker refused the request.
        """
        given = {name: value for name, value in args.items() if value is not None}
        return await self.ask(SERVICE, action, given, share=True)

    async def whole(
        self,
        action: str,
        /,
        *,
        page: int = 0,
        pages: int | None = None,
        on_rows: Callable[[int, int | None], object] | None = None,
        **args: Any,
    ) -> Row:
        """Read a list in pages to its end, with several calls if needed.

        Args:
            action: an action that reads page by page, e.g. "floor-sheet".
            page: the first page, from 0.
            pages: how many at most; all if None.
            on_rows: called after each call with the number of rows so far, and of the whole list if known.
            args: further ones of the action.
        Returns:
            `rows`, each once; `page` and `pages`, the first that was read and their number; `next`, the one that follows, None at
            the end; `complete`, whether there are as many rows as the exchange says (an open market may add some
            meanwhile); `total` rows of the whole list, None if unknown; of a floor sheet also `totalAmount`, `totalQty`,
            `totalTrades`.
        Raises:
            TaskFailed: as `call`; INCOMPLETE, rows are missing while the market is closed.
        """
        rows: dict[Hashable, Row] = {}
        complete, read, at, rest = True, 0, page, pages
        while True:
            answer = await self.call(action, page=at, pages=rest, **args)
            rows.update((_key(row), row) for row in answer["rows"])
            complete, read = complete and answer["complete"], read + answer["pages"]
            if on_rows is not None:
                on_rows(len(rows), answer["total"])
            at, rest = answer["next"], None if pages is None else int(pages) - read  # may be text, which the worker has accepted
            if at is None or (rest is not None and rest <= 0):
                return {**answer, "rows": list(rows.values()), "page": int(page), "pages": read, "complete": complete}


def _key(row: Row) -> Hashable:
    return row.get("contractId") or json.dumps(row, sort_keys=True)
