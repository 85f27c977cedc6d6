"""The logger that a program passes to a client. A client without one logs nothing, and does not import structlog."""

import logging
from typing import TYPE_CHECKING, Any, Union, cast

if TYPE_CHECKING:
    import structlog

# A program may pass either to a client. `Union`, since a text and a class cannot be joined by `|`.
Logger = Union["structlog.typing.FilteringBoundLogger", logging.Logger]


class _Quiet:
    """A logger that drops every event."""

    def debug(self, event: str, **fields: Any) -> None:
        """Drop an event."""

    info = warning = error = exception = debug


def logger_of(logger: Logger | None) -> "structlog.typing.FilteringBoundLogger":
    """Return the logger of a client, with the methods of structlog's loggers.

    Args:
        logger: of structlog, or of the standard library: it gets lines such as "feed connected broker=tcp://127.0.0.1:5550".
            None drops every event.
    """
    if logger is None:
        return cast("structlog.typing.FilteringBoundLogger", _Quiet())
    if not isinstance(logger, logging.Logger | logging.LoggerAdapter):
        return logger
    import structlog  # noqa: PLC0415 - only if a logger needs it

    lines = structlog.wrap_logger(logger, processors=[_one_line], wrapper_class=structlog.stdlib.BoundLogger)
    return cast("structlog.typing.FilteringBoundLogger", lines)


def _one_line(logger: object, method: str, event: "structlog.typing.EventDict") -> tuple[tuple[str], dict[str, Any]]:
    del logger, method
    options = {name: event.pop(name) for name in ("exc_info", "stack_info") if name in event}
    text = str(event.pop("event", ""))
    return (" ".join([text, *(f"{name}={value}" for name, value in event.items())]),), options
