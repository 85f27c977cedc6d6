"""Log lines are events with the ids needed to follow them: JSON for files, columns for terminals, fields for systemd's journal.

The level can be changed while the process runs (`set_level`), from any thread: loggers pass on every event, and the first
processor drops events below the level.
"""

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

from msgspec import Struct

from hulak.bus.process import systemd_journal
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import LogSettings

if TYPE_CHECKING:
    import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "exception": 40, "critical": 50, "fatal": 50}
_now = {"level": LEVELS["info"]}


class Notice(Struct, frozen=True):
    """A log line of a part that has no logger; the owner of a logger writes it."""

    level: str  # info, warning or error
    event: str
    fields: dict[str, Any]

    def write(self, log: Log) -> None:
        """Write it to a logger."""
        getattr(log, self.level)(self.event, **self.fields)


class _Bearing:
    """Standard error. If it is closed, or a pipe without a reader, the line is lost and the process continues."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # None, if the code of a task set it so
            return sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


def set_up(settings: LogSettings, **context: str | int) -> Log:
    """Set logging up for this process and return its logger.

    Args:
        settings: level and format.
        context: fields on every line, e.g. `process="broker"`.
    """
    _import_without_rich()
    import structlog  # noqa: PLC0415 - only in processes that write a log

    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(ensure_ascii=True)
    to_journal = [_Journal().send] if settings.format == "journal" else []
    set_level(settings.level)
    structlog.configure(
        processors=[
            _drop_below,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *to_journal,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Bearing())),
        cache_logger_on_first_use=True,
    )
    return cast("Log", structlog.get_logger().bind(**context))


def _import_without_rich() -> None:
    """Import structlog, but not rich: structlog loads it, for tracebacks that Hulak formats otherwise, in 0.1 s and 5 MB."""
    if "rich" in sys.modules or "structlog" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails
    try:
        import structlog  # noqa: F401, PLC0415
    finally:
        del sys.modules["rich"]


class _Journal:
    """Sends events to the journal; an event that it does not take is written to standard error."""

    def __init__(self) -> None:
        self._sender = systemd_journal.Sender()

    def send(self, logger: object, method: str, event: "structlog.typing.EventDict") -> "structlog.typing.EventDict":
        del logger
        if self._sender.send(systemd_journal.fields_of(event, LEVELS.get(method, LEVELS["critical"]))):
            import structlog  # noqa: PLC0415 - loaded by `set_up`

            raise structlog.DropEvent
        return event


def set_level(level: str) -> None:
    """Write only events of this level and above from now on: debug, info, warning or error."""
    _now["level"] = LEVELS[level]


def _drop_below(logger: object, method: str, event: "structlog.typing.EventDict") -> "structlog.typing.EventDict":
    del logger
    if LEVELS.get(method, LEVELS["critical"]) < _now["level"]:
        from structlog import DropEvent  # noqa: PLC0415 - loaded, since it calls this

        raise DropEvent
    return event
