"""The logs of the libraries `websockets` and `uvicorn`, as events of this process."""

import logging
import traceback
from asyncio import CancelledError
from types import TracebackType

from hulak.bus.process.log_type import Log


class LibraryLog(logging.Handler):
    """Writes the errors of a library to the log of this process.

    `websockets` asserts a state that a client can violate: by bytes, or an end of its connection, sent together with its request.
    It ends the connection then. That is no error of this process, and no client should be able to fill its log.

    Args:
        log: of this process.
        library: its name.
    """

    def __init__(self, log: Log, library: str) -> None:
        super().__init__(logging.ERROR)
        self._log = log
        self._library = library

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, CancelledError):  # a request that runs when the gateway stops
            self._log.debug("request ended with the gateway", why=record.getMessage())
        elif isinstance(error, AssertionError) and _is_of_library(error.__traceback__):
            self._log.debug("connection ended with its request", why=record.getMessage())
        else:
            self._log.error(f"{self._library} failed", why=record.getMessage(), exc_info=record.exc_info)


def _is_of_library(raised: TracebackType | None) -> bool:
    """Return whether an error was raised by the library's code."""
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(raised)]
    return bool(names) and names[-1].startswith("websockets.")


def logger_for(log: Log, library: str) -> logging.Logger:
    """Make the logger to give to a library."""
    logger = logging.Logger(f"{library}.server", logging.ERROR)  # noqa: LOG001 - of this gateway, not of the process
    logger.addHandler(LibraryLog(log, library))
    return logger
