"""Guards the loop against bugs of the broker: each is counted, logged once per kind, and shown by `hulak check`.

This is the last resort, after the checks of messages from peers. A request that meets a bug is answered `INTERNAL` (PROTOCOL.md
section 8), and the broker continues to serve the others.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from hulak.bus.errors import ConfigError
from hulak.bus.process.log_type import Log
from hulak.bus.wire.messages import Error

RECENT_S = 60.0
MOST_RECENT = 1000  # times kept
MOST_KINDS = 1000  # logged once each with their traceback; when the set is full it is cleared, and each is logged again
INTERNAL = "INTERNAL"
Returned = TypeVar("Returned")


def internal(request_id: bytes | None, error: Exception) -> Error:
    """Return the answer to a request that met a bug."""
    return Error(request_id, INTERNAL, f"a bug of the broker: {type(error).__name__}; its log says where", {})


class BugGuard:
    """Counts the bugs that the broker has met.

    Args:
        log: of this process.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.total = 0
        self.last = ""  # where the last one was met, and its text
        self._recent: deque[float] = deque(maxlen=MOST_RECENT)
        self._logged: set[tuple[str, str, str]] = set()
        self._logged_at = 0.0

    def run(self, where: str, call: Callable[..., Returned], *args: Any, otherwise: Returned) -> Returned:
        """Call, and return the result; `otherwise` if the call failed, which is logged.

        Raises:
            ConfigError: raised by `call`: it ends the process on purpose.
        """
        try:
            return call(*args)
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - this is the purpose of the guard
            self.report(where, error)
            return otherwise

    def report(self, where: str, error: Exception) -> None:
        """Count a failure, and log it: each kind once with its traceback, and repeated ones once a minute."""
        now = time.monotonic()
        self.total += 1
        self._recent.append(now)
        name = type(error).__name__
        self.last = f"{where}: {name}: {error}"[:200]
        kind = (where, name, _place(error))
        if kind not in self._logged:
            if len(self._logged) >= MOST_KINDS:
                self._logged.clear()
            self._logged.add(kind)
            self.log.error("internal error", where=where, exc_info=error)
        elif now - self._logged_at >= RECENT_S:
            self.log.error("internal errors continue", total=self.total, last=self.last)
        else:
            return
        self._logged_at = now

    def stats(self) -> dict[str, Any]:
        """Return the counts in msgpack values: `total` since the start, `recent` of the last minute (1,000 at most), `last`."""
        since = time.monotonic() - RECENT_S
        while self._recent and self._recent[0] < since:
            self._recent.popleft()
        return {"total": self.total, "recent": len(self._recent), "last": self.last}


def _place(error: Exception) -> str:
    """Return the file and line that raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
