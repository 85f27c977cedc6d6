"""Posted tasks: what may be posted, and what is known of them. PROTOCOL.md section 6.2. Pure.

A posted task is accepted when it is safe in the store, and ends exactly once there: done, failed (a dead letter), expired or
cancelled. Its id is the id of the request that posted it, so a request that is repeated posts nothing twice; a key of the
caller's own does the same over different requests.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from bus.core.policy import Policy, read_priority
from bus.core.tasks import CalledTask
from bus.errors import ProtocolError
from bus.frames import pack
from bus.messages import ID_BYTES, Request

MAX_KEY = 200  # characters
FIELDS = {"service", "action", "args", "key", "retries", "expires_s", "priority"}


@dataclass(frozen=True, slots=True)
class Posting:
    """A task as it was posted."""

    id: bytes
    key: str | None  # the caller's own; the same key means the same task
    service: str
    action: str
    args: dict[str, Any] | msgspec.Raw
    retries: int  # further attempts after the first
    expires_s: float  # from now; infinite if it never expires
    priority: int = 1  # 0 high, 1 normal, 2 low

    @property
    def size(self) -> int:
        """How many bytes its arguments have, packed."""
        return memoryview(self.args).nbytes if isinstance(self.args, msgspec.Raw) else len(pack(self.args))

    def packed(self) -> "Posting":
        """Make the same with packed arguments, as they are kept."""
        return self if isinstance(self.args, msgspec.Raw) else replace(self, args=msgspec.Raw(pack(self.args)))

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
            size=self.size,
            posted=True,
        )


def read_posting(request: Request, policy: Policy) -> Posting:
    """Read the arguments of `hulak.post`.

    Raises:
        ProtocolError: `BAD_ARGUMENT`, one is unknown, missing or out of range.
    """
    args = request.args
    unknown = args.keys() - FIELDS
    if unknown:
        raise _bad(min(unknown), args[min(unknown)], f"is unknown, must be one of {', '.join(sorted(FIELDS))}")
    service, action = args.get("service"), args.get("action", "")
    if not isinstance(service, str) or not service or service.startswith(("hulak.", "mmi.")):
        raise _bad("service", service, "must name a service of workers")
    if not isinstance(action, str):
        raise _bad("action", action, "must be text")
    wanted = args.get("args", {})
    if not isinstance(wanted, dict) or not all(isinstance(name, str) for name in wanted):
        raise _bad("args", wanted, "must be a map with text keys")
    key = args.get("key")
    if key is not None and (not isinstance(key, str) or not 0 < len(key) <= MAX_KEY):
        raise _bad("key", key, f"must be text of 1 to {MAX_KEY} characters")
    retries = args.get("retries", policy.retries)
    if type(retries) is not int or not 0 <= retries <= policy.max_retries:
        raise _bad("retries", retries, f"must be 0 to {policy.max_retries}")
    expires_s = args.get("expires_s")
    if expires_s is not None and (type(expires_s) not in (int, float) or not 0 < expires_s < math.inf):
        raise _bad("expires_s", expires_s, "must be seconds above 0")
    priority = read_priority(args.get("priority", 1), "BAD_ARGUMENT")
    expires = math.inf if expires_s is None else float(expires_s)
    return Posting(request.id, key, service, action, wanted, retries, expires, priority)


def read_task_id(args: Mapping[str, Any]) -> bytes:
    """Read the argument `task`.

    Raises:
        ProtocolError: `BAD_ARGUMENT`, it is not the id of a task.
    """
    value = args.get("task")
    if not isinstance(value, bytes) or len(value) != ID_BYTES:
        raise _bad("task", value, f"must be {ID_BYTES} bytes")
    return value


def _bad(name: str, value: Any, wanted: str) -> ProtocolError:
    return ProtocolError("BAD_ARGUMENT", f"argument {name} is {value!r:.60}, {wanted}")
