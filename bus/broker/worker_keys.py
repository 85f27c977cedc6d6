"""Keys at the backend: which services a worker may register for, and whose name it has. PROTOCOL.md section 14.

A worker is known by its name, and by the identity of its connection. Both are texts that a peer chooses, so that each belongs to
the key that registered it, as long as the worker lives.
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
        self._by_identity: dict[bytes, str] = {}

    def begin(self, parts: list[bytes], frame: zmq.Frame) -> None:
        """Record the sender of the message that is processed next.

        Args:
            parts: the message, identity first.
            frame: its last one.
        Raises:
            ProtocolError: `FORBIDDEN`, its key no longer counts, or the identity is that of another key's worker.
        """
        self._caller = caller = self.guard.caller(frame, "backend", parts[0])
        if caller is not None and self._by_identity.get(parts[0], caller.name) != caller.name:
            raise caller.refuse("work", f"key {caller.name!r} may not use the identity of another key's worker")

    def permit(self, address: bytes, ready: Ready) -> None:
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
        if len(self._by_name) + len(self._by_identity) > 2 * len(self.roster) + SPARE:
            identities = {worker.identity[1:] for worker in self.roster}
            self._by_name = {worker: key for worker, key in self._by_name.items() if self.roster.named(worker) is not None}
            self._by_identity = {known: key for known, key in self._by_identity.items() if known in identities}
        self._by_name[ready.worker] = self._by_identity[address[1:]] = name
