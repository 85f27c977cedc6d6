"""What all methods of `NepseClient` are made of: one call, or a list that is read in several."""

import json
from collections.abc import Hashable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bus.settings import Settings
from clients.client import BusClient

SERVICE = "nepse"
Row = dict[str, Any]
Rows = list[Row]
Security = int | str  # a symbol such as "NABIL", or the exchange's id
Index = int | str  # an index's id such as 58, or its name: "nepse", "banking", "hydropower", ...


class NepseCalls:
    """Blocking calls to the NEPSE workers.

    Args:
        settings: say where the broker is.
        home: its folder.
        timeout_s: for each call, in seconds.
    """

    def __init__(self, settings: Settings, home: Path, *, timeout_s: float = 60.0) -> None:
        self._client = BusClient(settings, home)
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; may be called more than once."""
        self._client.close()

    def call(self, action: str, /, **args: Any) -> Any:
        """Have one action done (README, "Tasks", lists them; so does `hulak nepse --help`).

        Args:
            action: e.g. "market-depth".
            args: of the action, e.g. symbol="NABIL"; those that are None are left out.
        Raises:
            TaskFailed: UNKNOWN_ACTION and BAD_ARGUMENT, whose texts name what is allowed, or why it could not be done.
            BusTimeout: no broker, or no answer, in time.
            BusError: the broker refused the request.
        """
        given = {name: value for name, value in args.items() if value is not None}
        return self._client.call(SERVICE, action, given, timeout_s=self._timeout_s, share=True)

    def whole(self, action: str, /, **args: Any) -> Row:
        """Read a list that comes in pages to its end, with as many calls as it takes.

        Args:
            action: one that reads page by page, e.g. "floor-sheet".
            args: of the action, without `page` and `pages`.
        Returns:
            `rows`, each once; `complete`, whether there are as many as the exchange says (a market that is open may add
            some meanwhile); `total` rows of the whole list, None if not told; of a floor sheet also `totalAmount`,
            `totalQty`, `totalTrades`.
        Raises:
            TaskFailed: as `call`; INCOMPLETE, rows are missing though nobody trades.
        """
        rows: dict[Hashable, Row] = {}
        complete, page = True, 0
        while True:
            answer = self.call(action, page=page, **args)
            rows.update((_key(row), row) for row in answer["rows"])
            complete = complete and answer["complete"]
            if answer["next"] is None:
                totals = {key: value for key, value in answer.items() if key not in {"page", "pages", "next"}}
                return {**totals, "rows": list(rows.values()), "complete": complete}
            page = answer["next"]


def _key(row: Row) -> Hashable:
    return row.get("contractId") or json.dumps(row, sort_keys=True)
