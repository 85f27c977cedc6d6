"""Posted tasks: what may be posted, and what is known of them. PROTOCOL.md section 6.2. Pure.

A posted task is accepted when it is safe in the store, and ends exactly once there: done, failed (a dead letter), expired or
cancelled. Its id is the id of the request that posted it, so a request that is repeated posts nothing twice; a key of the
caller's own does the same over different requests.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from bus.core import requests
from bus.core.policy import Policy
from bus.core.tasks import CalledTask


@dataclass(frozen=True, slots=True)
class Posting:
    """A task as it was posted."""

    id: bytes
    key: str | None  # the caller's own; the same key means the same task
    service: str
    action: str
    args: dict[str, Any]
    retries: int  # further attempts after the first
    expires_s: float  # from now; infinite if it never expires
    priority: int = 1  # 0 high, 1 normal, 2 low

    def task(self, now: float) -> CalledTask:
        """Make the task that the dispatcher carries."""
        return CalledTask(
            id=self.id,
            client=b"",
            service=self.service,
            action=self.action,
            args=self.args,
            retries=self.retries,
            since=now,
            deadline=now + self.expires_s,
            priority=self.priority,
            posted=True,
        )


def posting_of(request_id: bytes, args: requests.Post, policy: Policy) -> Posting:
    """Make the task that the arguments of `hulak.post` are for."""
    retries = policy.retries if args.retries is None else args.retries
    expires_s = math.inf if args.expires_s is None else args.expires_s
    return Posting(request_id, args.key, args.service, args.action, args.args, retries, expires_s, args.priority)


@dataclass(slots=True)
class Keys:
    """Which task each key means, as long as keys are kept."""

    keep_s: float
    _tasks: dict[str, tuple[bytes, float]] = field(default_factory=dict)  # key -> task, when it was posted

    def find(self, key: str | None, now: float) -> bytes | None:
        """Find the task of a key; None if there is none, or it was posted too long ago."""
        task, at = self._tasks.get(key or "", (None, 0.0))
        return task if task is not None and now - at < self.keep_s else None

    def add(self, key: str | None, task: bytes, at: float) -> None:
        """Remember a key's task."""
        if key is not None:
            self._tasks[key] = (task, at)

    def remove(self, key: str | None) -> None:
        """Forget a key, as when its task could not be stored."""
        self._tasks.pop(key or "", None)

    def forget(self, now: float) -> None:
        """Forget the keys that are too old."""
        for key in [key for key, (_, at) in self._tasks.items() if now - at >= self.keep_s]:
            del self._tasks[key]
