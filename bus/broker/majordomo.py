"""The broker's additional rules for peers that speak Majordomo. PROTOCOL.md section 10. Pure.

Rule 1: after a DISCONNECT nothing is sent to that worker, until it registers again.
Rule 2: a worker that sends an unexpected message is disconnected, and its requests go to other workers at once.
"""

from collections import OrderedDict
from collections.abc import Callable, Container
from typing import Any

from hulak.bus.core.effects import Effect, ToWorker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.worker_roster import Worker
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import mdp
from hulak.bus.wire.frame_limits import CONTROL
from hulak.bus.wire.mdp import DISCONNECT, FINAL, HEARTBEAT, READY, Frames
from hulak.bus.wire.messages import BrokerHeartbeat, Goodbye, HeldTask, Ready, Request, Result, Retire, TaskPart, WorkerHeartbeat

MMI = "mmi."  # services of RFC 8, which the broker answers itself
REMEMBERED = 1024  # disconnected workers kept; a worker dropped from these may get a second DISCONNECT
INFO = {"dialect": "MDP/0.2"}


class Majordomo:
    """The second dialect of one broker.

    Args:
        dispatcher: receives the messages.
        lease_s: a worker that is silent for longer is lost.
        max_bytes: the greatest size of one body, all its frames together.
    """

    def __init__(self, dispatcher: Dispatcher, lease_s: float, max_bytes: int) -> None:
        self.dispatcher = dispatcher
        self.lease_s = lease_s
        self.max_bytes = max_bytes
        self.permit: Callable[[Ready], object] = lambda _: None  # see `Dialects`
        self._gone: OrderedDict[bytes, None] = OrderedDict()  # addresses of workers that were sent DISCONNECT
        self._parts: dict[bytes, tuple[HeldTask, int]] = {}  # address -> the attempt of its last part, the count of parts

    # Clients

    def request(self, parts: Frames, request_id: bytes) -> tuple[bytes, Request]:
        """Decode a client's request; see `mdp.decode_request`."""
        return mdp.decode_request(parts, request_id, self.max_bytes)

    def inform(self, request: Request, own: Container[str], may_see: Callable[[str], bool]) -> bytes:
        """Answer a service of RFC 8: 200 or 404 to `mmi.service`, 501 to all others.

        Args:
            request: the client's.
            own: the control services.
            may_see: returns whether the client may know of a service; if not, it is answered as if it had no workers.
        """
        if request.service != "mmi.service":
            return b"501"
        asked = mdp.write_task(request.action, request.args)[0]
        known = {worker.service.encode(errors="replace") for worker in self.dispatcher.roster if may_see(worker.service)}
        return b"200" if asked in known or asked.decode(errors="replace") in own else b"404"

    # Workers

    def command(self, now: float, parts: Frames) -> list[Effect]:
        """Process a worker's message.

        Raises:
            ProtocolError: it is malformed or unexpected; `refused` returns the effects.
        """
        address, command, rest = mdp.decode_command(parts)
        worker = self.dispatcher.roster.at(address)
        if command == READY:
            return self._ready(now, address, mdp.decode_service(rest), known=worker is not None)
        if worker is None:
            return self._unregistered(now, address, command)
        if command == DISCONNECT:
            return self.dispatcher.goodbye(now, address, Goodbye("DISCONNECT"))
        if command == HEARTBEAT:
            held = tuple(HeldTask(task, attempt) for task, attempt in worker.held.items())
            effects = self.dispatcher.heartbeat(now, address, WorkerHeartbeat(held))
        else:
            effects = self._answer(now, worker, rest, final=command == FINAL)
        if worker.retiring and not worker.held:  # the dialect has no message that retires a worker
            effects += [*self.dispatcher.goodbye(now, address, Goodbye("it was retired")), _disconnect(address)]
        return effects

    def _ready(self, now: float, address: bytes, service: str, *, known: bool) -> list[Effect]:
        if known:
            raise ProtocolError("UNEXPECTED", "READY from a worker that is registered")
        if service.startswith((MMI, CONTROL)):
            raise ProtocolError("NOT_YOURS", f"service {service[:32]!r} is the broker's own")
        ready = Ready(service, f"mdp-{address.hex()}", 1, (), INFO)
        self.permit(ready)
        self._gone.pop(address, None)
        self._parts = {peer: part for peer, part in self._parts.items() if self.dispatcher.roster.at(peer) is not None}
        return self.dispatcher.ready(now, address, ready, self.lease_s)

    def _unregistered(self, now: float, address: bytes, command: bytes) -> list[Effect]:
        self.dispatcher.counters["late"] += command == FINAL
        if address in self._gone or command == DISCONNECT:
            return []
        return self.dispatcher.heartbeat(now, address, WorkerHeartbeat())  # the answer says that it is unknown

    def _answer(self, now: float, worker: Worker, rest: Frames, *, final: bool) -> list[Effect]:
        held, body = mdp.decode_answer(rest, self.max_bytes)
        if worker.held.get(held.task) != held.attempt:
            raise ProtocolError("UNEXPECTED", "an answer for a client whose request the worker does not hold")
        if final:
            self._parts.pop(worker.identity, None)
            return self.dispatcher.result(now, worker.identity, Result(held.task, held.attempt, True, body))
        before, count = self._parts.get(worker.identity, (held, 0))
        count = count + 1 if before == held else 1
        self._parts[worker.identity] = (held, count)
        return self.dispatcher.part(now, worker.identity, TaskPart(held.task, held.attempt, count, body))

    def refused(self, now: float, parts: Frames, error: ProtocolError) -> list[Effect]:
        """Disconnect a registered worker after an unexpected message, and give its requests to other workers."""
        address = mdp.worker_address(parts)
        registered = self.dispatcher.roster.at(address) is not None
        if not registered and error.code not in ("NOT_YOURS", "FORBIDDEN"):
            return []
        return [*self.dispatcher.lost(now, address, str(error)), _disconnect(address)]

    def disconnect_all(self) -> list[Effect]:
        """Disconnect every worker, since the broker stops: workers are to look for the next one."""
        return [_disconnect(worker.identity) for worker in self.dispatcher.roster if mdp.of_majordomo(worker.identity)]

    # Both

    def encode(self, address: bytes, message: Any) -> Frames:
        """Return the frames of a message, identity first; empty where the dialect has no such message."""
        if address[0] & mdp.OF_CLIENT:
            return mdp.encode_to_client(address, message)
        if isinstance(message, Retire):
            if (
                self.dispatcher.roster.at(address) is not None
            ):  # it may be busy: disconnected at its next message without a request
                return []
            message = None
        if message is None or (isinstance(message, BrokerHeartbeat) and not message.known):
            self._gone[address] = None
            if len(self._gone) > REMEMBERED:
                self._gone.popitem(last=False)
        return mdp.encode_to_worker(address, message)


def _disconnect(address: bytes) -> Effect:
    return ToWorker(address, BrokerHeartbeat(0, known=False))
