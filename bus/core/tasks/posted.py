"""Posted tasks. PROTOCOL.md section 6.2. Pure.

A posted task is accepted when it is safe in the store, and ends exactly once there: done, failed (a dead letter), expired or
cancelled. Its id is the id of the request that posted it, so a repeated request posts one task; a key chosen by the caller
does the same for different requests.
"""

import math

import msgspec

from hulak.bus.core import control_requests
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.core.tasks.task_queue import CalledTask
from hulak.bus.wire.codec import own


class Posting(msgspec.Struct, frozen=True, gc=False):
    """A task as it was posted."""

    id: bytes
    key: str | None  # chosen by the caller; the same key means the same task
    service: str
    action: str
    args: bytes  # a map, packed, as stored and sent
    retries: int  # further attempts after the first
    expires_s: float  # from now; infinite if it never expires
    priority: int = 1  # 0 high, 1 normal, 2 low

    def task(self, now: float) -> CalledTask:
        """Return the dispatcher's task."""
        return CalledTask(
            id=self.id,
            client=b"",
            service=self.service,
            action=self.action,
            args=msgspec.Raw(self.args),
            retries=self.retries,
            since=now,
            deadline=now + self.expires_s,
            priority=self.priority,
            size=len(self.args),
            posted=True,
        )


def posting_of(request_id: bytes, args: control_requests.PostArguments, policy: Policy) -> Posting:
    """Return the posting for the arguments of `hulak.post`."""
    retries = policy.retries if args.retries is None else args.retries
    expires_s = math.inf if args.expires_s is None else args.expires_s
    return Posting(request_id, args.key, args.service, args.action, own.pack(args.args), retries, expires_s, args.priority)
