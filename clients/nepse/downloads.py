"""The methods of both clients that save a file of the exchange.

Each writes the file beside its place, and moves it there when it is whole and its checksum is right. Else nothing is left, and a
file that was there is kept. Every method raises as `DownloadMethods.download` does.
"""

import hashlib
import os
from pathlib import Path
from typing import Any, Self

from hulak.bus.errors import BusError
from hulak.clients.nepse.base import SERVICE, NepseMethods, Row, Security
from hulak.clients.whole_file import whole_file


class DownloadMethods(NepseMethods):
    """Each is one action of the service `nepse`, of the same name."""

    async def download(self, action: str, path: Path | str, /, **args: Any) -> Row | None:
        """Save a file.

        Args:
            action: an action that returns a file, e.g. "notice-file".
            path: where to; an existing file is replaced.
            args: of the action; None values are omitted.
        Returns:
            `path`, `type` (as in Content-Type), `size` in bytes, `sha256`; None, and no file, if there is nothing to export.
        Raises:
            TaskFailed: as `call`; NOT_A_FILE, the exchange answered with a page or an error; TOO_LARGE, above 32 MiB.
            BusError: INCOMPLETE, parts were lost on their way.
            OSError: the file cannot be written.
        """
        given = {name: value for name, value in args.items() if value is not None}
        with whole_file(Path(path)) as part, _Parts(part) as parts:
            answer = await self.ask(SERVICE, action, given, share=False, on_part=parts.write)
            if answer is None:
                parts.drop()
                return None
            parts.check(action, answer)
        return {"path": str(path), **answer}

    async def get_notice_file(self, name: str, path: Path | str) -> Row | None:
        """Save the file of a notice; `name` is its `noticeFilePath`."""
        return await self.download("notice-file", path, name=name)

    async def get_application_file(self, id: str, path: Path | str) -> Row | None:  # noqa: A002 - the action's name
        """Save a document of a company; `id` is the `encryptedId` of a disclosure or a report."""
        return await self.download("application-file", path, id=id)

    async def get_security_file(self, location: str, path: Path | str) -> Row | None:
        """Save a file of a security; `location` as the `logoFilePath` of its profile."""
        return await self.download("security-file", path, location=location)

    async def get_security_image(self, location: str, path: Path | str) -> Row | None:
        """Save a picture of a security; `location` as in `get_security_file`."""
        return await self.download("security-image", path, location=location)

    async def get_price_export(
        self, security: Security, path: Path | str, start: str | None = None, end: str | None = None
    ) -> Row | None:
        """Save a security day by day as CSV, within ISO dates; None if there are no rows."""
        return await self.download("price-export", path, symbol=security, start=start, end=end)

    async def get_day_export(self, date: str, path: Path | str) -> Row | None:
        """Save the prices of a day (ISO) as CSV; None if it had no session."""
        return await self.download("day-export", path, date=date)


class _Parts:
    """Writes the parts of a file; a failure is kept until `check`, since no callback of a connection may raise."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("w+b")
        self._error: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, part: Row) -> None:
        """Write a part; another attempt at the task begins again at the offset 0."""
        try:
            self._file.seek(part["offset"])
            if part["offset"] == 0:
                self._file.truncate()
            self._file.write(part["content"])
        except OSError as error:
            self._error = error

    def check(self, action: str, answer: Row) -> None:
        """Raise an error unless all parts were written; INCOMPLETE if some did not come."""
        if self._error is not None:
            raise self._error
        self._file.flush()
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        if hashlib.file_digest(self._file, "sha256").hexdigest() != answer["sha256"]:
            text = f"{action}: {size} bytes arrived, must be {answer['size']} with the checksum of the file; try again"
            raise BusError("INCOMPLETE", text)

    def drop(self) -> None:
        """Delete the file."""
        self._path.unlink()
