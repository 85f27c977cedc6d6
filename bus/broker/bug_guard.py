"""What must not end the loop, whatever bug of ours it meets: counted, told once per kind, and shown by `hulak check`.

The last resort: what peers send is refused by its own checks. A request that meets a bug is answered `INTERNAL` (PROTOCOL.md
section 8), and everybody else is served on.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import structlog

from hulak.bus.errors import ConfigError
from hulak.bus.wire.messages import Error

RECENT_S = 60.0
MOST_RECENT = 1000  # moments remembered
MOST_KINDS = 1000  # told by a log line with its traceback; beyond it all are forgotten, and told once more
INTERNAL = "INTERNAL"
Returned = TypeVar("Returned")


def internal(request_id: bytes | None, error: Exception) -> Error:
    """Make the answer to a request that met a bug."""
    return Error(request_id, INTERNAL, f"a bug of the broker: {type(error).__name__}; its log says where", {})


class BugGuard:
    """Knows how often the broker met a bug of its own.

    Args:
        log: of this process.
    """

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self.log = log
        self.total = 0
        self.last = ""  # where the last one was, and what
        self._recent: deque[float] = deque(maxlen=MOST_RECENT)
        self._told: set[tuple[str, str, str]] = set()
        self._told_at = 0.0

    def run(self, where: str, call: Callable[..., Returned], *args: Any, otherwise: Returned) -> Returned:
        """Call, and return what comes of it; `otherwise` if it failed, which is told.

        Raises:
            ConfigError: of `call`: it ends the process on purpose.
        """
        try:
            return call(*args)
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - that is what it is for
            self.tell(where, error)
            return otherwise

    def tell(self, where: str, error: Exception) -> None:
        """Count a failure, and log it: each kind once with its traceback, and that they go on once a minute."""
        now = time.monotonic()
        self.total += 1
        self._recent.append(now)
        name = type(error).__name__
        self.last = f"{where}: {name}: {error}"[:200]
        kind = (where, name, _place(error))
        if kind not in self._told:
            if len(self._told) >= MOST_KINDS:
                self._told.clear()
            self._told.add(kind)
            self.log.error("internal error", where=where, exc_info=error)
        elif now - self._told_at >= RECENT_S:
            self.log.error("internal errors go on", total=self.total, last=self.last)
        else:
            return
        self._told_at = now

    def stats(self) -> dict[str, Any]:
        """Say it in msgpack values: `total` since the start, `recent` of the last minute (1,000 at most), `last`."""
        since = time.monotonic() - RECENT_S
        while self._recent and self._recent[0] < since:
            self._recent.popleft()
        return {"total": self.total, "recent": len(self._recent), "last": self.last}


def _place(error: Exception) -> str:
    """Name the line that raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
