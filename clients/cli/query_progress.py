"""The progress of `hulak query` on a terminal: bytes of the journal that were read."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from hulak.clients.cli.table import on_terminal

if TYPE_CHECKING:
    from rich.progress import Progress


class QueryProgress:
    """A bar on standard error, if that is a terminal; the database reads the journal in its threads.

    It goes away when the block ends, and where the result is printed on the terminal too, before its first rows.
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
            console = Console(stderr=True)
            self._bar = Progress(*columns, console=console, refresh_per_second=5, transient=True, redirect_stdout=False)
            self._read = self._bar.add_task("reading the journal", total=None)
            self._total = 0
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, size: int) -> None:
        """Add the bytes of a reading that begins: a query reads the journal once for each table in it."""
        if self._bar is not None:
            self._total += size
            self._bar.update(self._read, total=self._total)

    def advance(self, size: int) -> None:
        """Add the bytes that were read."""
        if self._bar is not None:
            self._bar.advance(self._read, size)

    def result(self, reader: Any, *, printed: bool) -> "Result":
        """Compute the first rows of a result, and return all of it.

        Args:
            reader: as `Database.query` returns it.
            printed: the result goes to standard output.
        """
        batches = iter(reader)
        first = next(batches, None)
        if printed and on_terminal():
            self.__exit__()
        return Result(reader.schema, first, batches)


class Result:
    """A result of which the first rows are there.

    Args:
        schema: of the result.
        first: batch; None if there is none.
        rest: the further batches.
    """

    def __init__(self, schema: Any, first: Any, rest: Iterator[Any]) -> None:
        self.schema, self._first, self._rest = schema, first, rest

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches, once."""
        if self._first is not None:
            yield self._first
        yield from self._rest
