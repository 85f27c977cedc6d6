"""Faults of the real exchange, injected at random into a share of all responses."""

import random
import threading
from collections.abc import Callable

from hulak.sim.nepse.request_gate import HTML_403, Reply

HTML_200 = b"<html><body>Please try again later.</body></html>"

FAULTS: dict[str, Reply] = {
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
EXPIRED = "expired"  # every session ends; responses are 401 until the client opens a new one


class FaultInjection:
    """Draws faults at random; thread-safe.

    Args:
        share: share of requests with a fault, 0 to 1.
        kinds: keys of `FAULTS`, or `EXPIRED`; all of them if empty.
        seed: seed of the random numbers.
        forget_sessions: ends every session.
    Raises:
        ValueError: a kind is unknown.
    """

    def __init__(self, share: float, kinds: tuple[str, ...], seed: int, forget_sessions: Callable[[], None]) -> None:
        unknown = [kind for kind in kinds if kind not in FAULTS and kind != EXPIRED]
        if unknown:
            raise ValueError(f"fault is {unknown[0]!r}, must be one of {', '.join([*FAULTS, EXPIRED])}")
        self._share = share
        self._kinds = kinds or (*FAULTS, EXPIRED)
        self._random = random.Random(seed)
        self._forget_sessions = forget_sessions
        self._lock = threading.Lock()

    def draw(self) -> Reply | None:
        """Draw the fault of a request; None: no fault, or its session has just ended."""
        if not self._share:
            return None
        with self._lock:
            if self._random.random() >= self._share:
                return None
            kind = self._random.choice(self._kinds)
        if kind == EXPIRED:
            self._forget_sessions()
            return None
        return FAULTS[kind]
