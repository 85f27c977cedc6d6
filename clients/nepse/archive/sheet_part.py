"""A floor sheet that is being read: its pages in a file, one a line, so that a cut run goes on where it was.

A day has up to 210,000 contracts: one page is in memory at a time.
"""

from array import array
from collections.abc import Iterator
from math import fsum
from pathlib import Path
from typing import Any

import msgspec

from hulak.bus.errors import TaskFailed
from hulak.clients.nepse.archive.sessions import MOST_OFF, is_number

TOTALS = ("totalTrades", "totalQty", "totalAmount")
Totals = dict[str, Any]


class _Page(msgspec.Struct):
    """One line of the file."""

    next: int | None  # the next page, None at the end
    totals: Totals
    rows: msgspec.Raw
    count: int


class SheetPart:
    """The pages that are in the file; a last line that was cut is dropped.

    Args:
        path: of the file.
    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.totals: Totals | None = None  # of the whole sheet, on the first page
        self.next: int | None = 0  # the page to read next; None: all are there
        self.contracts = 0  # that were read, repeated ones too
        whole = 0
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    page = _decode(line)
                    if page is None or self.next is None:
                        break
                    self._count(page)
                    whole += len(line)
            if whole < path.stat().st_size:
                with path.open("r+b") as file:
                    file.truncate(whole)

    def _count(self, page: _Page) -> None:
        self.totals = page.totals if self.totals is None else self.totals
        self.next = page.next
        self.contracts += page.count

    def add(self, answer: dict[str, Any]) -> bool:
        """Add the page `next`.

        Args:
            answer: of floor-sheet: `rows`, `next` and the totals.
        Returns:
            False, and nothing is added, if it has other totals than the first page: the sheet has changed meanwhile.
        Raises:
            OSError: it cannot be written.
        """
        totals = {name: answer.get(name) for name in TOTALS}
        if self.totals is not None and self.totals != totals:
            return False
        rows = answer["rows"]
        page = _Page(answer["next"], totals, msgspec.Raw(msgspec.json.encode(rows)), len(rows))
        try:
            with self.path.open("ab") as file:
                file.write(msgspec.json.encode(page) + b"\n")
        except OSError as error:
            error.filename = str(self.path)
            raise
        self._count(page)
        return True

    def discard(self) -> None:
        """Remove the file: the next page is the first one again."""
        self.path.unlink(missing_ok=True)
        self.totals, self.next, self.contracts = None, 0, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each contract once."""
        seen: set[Any] = set()
        with self.path.open("rb") as file:
            for line in file:
                page = _decode(line)
                assert page is not None
                for row in msgspec.json.decode(page.rows, type=list[dict[str, Any]]):
                    if row["contractId"] not in seen:
                        seen.add(row["contractId"])
                        yield row

    def check(self) -> None:
        """Compare the contracts with the totals that the exchange gave.

        Raises:
            TaskFailed: INCOMPLETE, they differ.
        """
        quantity: int | float = 0
        count, amounts = 0, array("d")
        for row in self:
            count += 1
            quantity += _number(row, "contractQuantity")
            amounts.append(_number(row, "contractAmount"))
        totals, amount = self.totals or {}, round(fsum(amounts), 2)
        wrong = [
            f"{name} is {seen}, must be {totals[name]}"
            for name, seen, off in (
                ("totalTrades", count, 0.0),
                ("totalQty", quantity, 0.0),
                ("totalAmount", amount, MOST_OFF * count + 1e-12 * amount),
            )
            if is_number(totals.get(name)) and abs(seen - totals[name]) > off
        ]
        if wrong:
            raise TaskFailed("INCOMPLETE", f"the contracts of the floor sheet do not add up: {', '.join(wrong)}", retryable=True)


def _number(row: dict[str, Any], key: str) -> int | float:
    """Return a figure of a row, 0 if it is no number: the totals tell."""
    value = row.get(key)
    return value if is_number(value) else 0  # type: ignore[return-value]


def _decode(line: bytes) -> _Page | None:
    """Return a page; None for a line that was cut."""
    try:
        return msgspec.json.decode(line, type=_Page) if line.endswith(b"\n") else None
    except msgspec.DecodeError:
        return None
