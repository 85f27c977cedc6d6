"""The type of a process's logger. Only processes that write a log import structlog, in `bus.process.log`: it takes 0.3 s."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Log: TypeAlias = "FilteringBoundLogger"
