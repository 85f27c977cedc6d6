"""What goes wrong with the exchange in the wild, played at random: a share of all answers is one of these."""

import random
import threading
from collections.abc import Callable

from sim.nepse.request_gate import HTML_403, Reply

HTML_200 = b"<html><body>Please try again later.</body></html>"

MISHAPS: dict[str, Reply] = {
    "429": Reply(429, b""),
    "429-retry-after": Reply(429, b"", headers={"Retry-After": "1"}),
    "403-html": Reply(403, HTML_403, "text/html"),
    "500": Reply(500, b'{"status":500}'),
    "503-retry-after": Reply(503, b"", "text/html", {"Retry-After": "1"}),
    "empty": Reply(200, b""),
    "html": Reply(200, HTML_200, "text/html"),
    "reset": Reply(200, b"", cut=True),
    "slow": Reply(504, b"", "text/html", delay_s=2.0),
}
EXPIRED = "expired"  # every session ends; the answers that follow are 401 until there is a new one


class FaultInjection:
    """Draws what goes wrong; thread-safe.

    Args:
        share: of all requests, 0 to 1.
        kinds: of `MISHAPS`, or `EXPIRED`; all of them if empty.
        seed: of the drawing.
        forget_sessions: ends every session.
    Raises:
        ValueError: there is no such kind.
    """

    def __init__(self, share: float, kinds: tuple[str, ...], seed: int, forget_sessions: Callable[[], None]) -> None:
        unknown = [kind for kind in kinds if kind not in MISHAPS and kind != EXPIRED]
        if unknown:
            raise ValueError(f"mishap is {unknown[0]!r}, must be one of {', '.join([*MISHAPS, EXPIRED])}")
        self._share = share
        self._kinds = kinds or (*MISHAPS, EXPIRED)
        self._random = random.Random(seed)
        self._forget_sessions = forget_sessions
        self._lock = threading.Lock()

    def draw(self) -> Reply | None:
        """Give what happens to a request; None: nothing, or that its session has just ended."""
        if not self._share:
            return None
        with self._lock:
            if self._random.random() >= self._share:
                return None
            kind = self._random.choice(self._kinds)
        if kind == EXPIRED:
            self._forget_sessions()
            return None
        return MISHAPS[kind]
