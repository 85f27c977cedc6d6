"""Log lines are events in the past tense with the ids needed to follow them: JSON for files, columns for terminals."""

import logging
import sys
from typing import cast

import structlog

from bus.settings import LogSettings


def set_up(settings: LogSettings, **context: str | int) -> structlog.typing.FilteringBoundLogger:
    """Set logging up for this process and return its logger.

    Args:
        settings: level and format.
        context: fields on every line, e.g. `process="broker"`.
    """
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(ensure_ascii=True)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger().bind(**context))
