"""Keys at the backend: which services a worker may register for, and whose name it has. PROTOCOL.md section 14.

The name of a worker is a text that a peer chooses, so that it belongs to the key that registered it, as long as the worker lives.
"""

import zmq

from hulak.bus.broker.key_guard import KeyGuard
from hulak.bus.core.security import needs
from hulak.bus.core.security.callers import Caller
from hulak.bus.core.tasks.worker_roster import WorkerRoster
from hulak.bus.wire.messages import Ready

SPARE = 64  # forgotten when there are as many more entries than workers


class WorkerKeys:
    """The keys of workers.

    Args:
        guard: knows the callers.
        roster: of the live workers.
    """

    def __init__(self, guard: KeyGuard, roster: WorkerRoster) -> None:
        self.guard = guard
        self.roster = roster
        self._caller: Caller | None = None  # of the message that is processed now
        self._by_name: dict[str, str] = {}  # worker -> its key; empty: the owner

    def begin(self, parts: list[bytes], frame: zmq.Frame) -> None:
        """Record the sender of the message that is processed next.

        Args:
            parts: the message, identity first; see `KeyGuard.sender`.
            frame: its last one.
        Raises:
            ProtocolError: `FORBIDDEN`, its key no longer counts.
        """
        self._caller = self.guard.sender(parts, frame, "backend")

    def permit(self, ready: Ready) -> None:
        """Check a worker that registers.

        Raises:
            ProtocolError: `FORBIDDEN`, its key lacks the role, or the name is that of another key's worker.
        """
        caller = self._caller
        name = "" if caller is None else caller.name
        if caller is not None:
            if missing := needs.works(caller.rights, ready.service):
                raise caller.forbid(f"register a worker of {ready.service[:100]!r}", missing)
            if self.roster.named(ready.worker) is not None and self._by_name.get(ready.worker, "") != name:
                raise caller.refuse("work", f"key {name!r} may not take the name of the worker {ready.worker[:100]!r}")
        if len(self._by_name) > len(self.roster) + SPARE:
            self._by_name = {worker: key for worker, key in self._by_name.items() if self.roster.named(worker) is not None}
        self._by_name[ready.worker] = name
