"""The intake of clients' requests: received, handed to their service, and answered. PROTOCOL.md section 4.

Tasks go to the dispatcher in batches. The arguments of control requests are read here, in one place; then the core or the
service of that name answers. Each request is guarded: a bug met by one does not affect the others.
"""

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import zmq

from hulak.bus.broker import control_services
from hulak.bus.broker.bug_guard import BugGuard, internal
from hulak.bus.broker.control_services import Answers, ControlHandler
from hulak.bus.broker.dialects import Dialects
from hulak.bus.broker.key_guard import KeyGuard
from hulak.bus.broker.majordomo import MMI, Majordomo
from hulak.bus.broker.slow_clients import UnreadAnswers
from hulak.bus.broker.socket_monitor import PeerConnection, connection_of
from hulak.bus.broker.store_effects import BrokerEffect
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.control_arguments import read
from hulak.bus.core.control_requests import FeedArguments
from hulak.bus.core.effects import Asker, ToClient
from hulak.bus.core.security import needs
from hulak.bus.core.security.callers import Caller
from hulak.bus.core.security.feed_owners import FeedOwners
from hulak.bus.core.tasks.policy import LARGE
from hulak.bus.errors import ProtocolError
from hulak.bus.process import sockets
from hulak.bus.wire.frame_limits import CONTROL
from hulak.bus.wire.messages import Request
from hulak.bus.wire.roles import Rights
from hulak.bus.wire.trace_context import read_context

OUR_OWN = (CONTROL, MMI)  # services that the broker answers itself
MAX_MESSAGES = 64  # of one ROUTER in an iteration, but a batch is read whole: no tick waits for more than a few ms


class RequestIntake:
    """The part of the broker that serves clients.

    Args:
        frontend: reaches clients.
        dialects: decodes the messages of each peer.
        bus: receives tasks, and counts refused requests.
        majordomo: answers `mmi.*`.
        handlers: answer the control services, by their full names.
        carry_out: carries out effects.
        reject: called for a malformed message with socket, identity and error.
        guard: counts and logs bugs.
    """

    def __init__(
        self,
        frontend: "zmq.Socket[bytes]",
        dialects: Dialects,
        bus: BrokerState,
        majordomo: Majordomo,
        handlers: Mapping[str, ControlHandler],
        carry_out: Callable[[Sequence[BrokerEffect]], None],
        reject: Callable[[str, bytes, ProtocolError], None],
        guard: BugGuard,
    ) -> None:
        self.frontend = frontend
        self.dialects = dialects
        self.bus = bus
        self.majordomo = majordomo
        self.handlers = handlers
        self.carry_out = carry_out
        self.reject = reject
        self.guard = guard
        self.unread = UnreadAnswers()
        self.keys: KeyGuard | None = None  # set if there are keys, before the first message is received
        self.owners: FeedOwners | None = None  # likewise: of the instances of feeds
        self.caller: Caller | None = None  # whose requests are accepted now; None: the owner
        self.came_by: zmq.Frame | None = None  # the last frame of the client whose requests are accepted now
        self._found: PeerConnection | None = None  # the last result of `_connection`, and its frame
        self._found_for: zmq.Frame | None = None

    def take(self, now: float) -> None:
        """Receive the messages that have arrived, `MAX_MESSAGES` at most."""
        receive, frontend, read, keys = sockets.receive, self.frontend, self.dialects.requests, self.keys
        taken: list[Request] = []  # consecutive ones of one client: accepted together, which costs less than one by one
        whose, count = b"", 0
        with contextlib.suppress(zmq.Again):
            while count < MAX_MESSAGES:
                parts, frame = receive(frontend)
                caller = None
                try:
                    if keys is not None:
                        caller = keys.sender(parts, frame, "frontend")
                    address, requests, unread = read(parts)
                except ProtocolError as error:
                    address, requests, unread = b"", [], [(parts, error)]
                except Exception as error:  # noqa: BLE001 - a bug of the broker, met by one client
                    self.guard.report("reading a request", error)
                    address, requests, unread = b"", [], [(parts, ProtocolError("INTERNAL", internal(None, error).text))]
                for alone, why in unread:
                    self.reject("frontend", alone[0], why)
                    self.carry_out(self.dialects.unread(alone, why))
                large = len(parts[-1]) > LARGE
                if address != whose or large or caller is not self.caller:
                    self.accept(whose, taken, now)
                    whose, taken = address, []
                self.came_by, self.caller = frame, caller
                taken += requests
                count += len(requests) + len(unread)
                if large:
                    self.accept(address, taken, now, sum(map(len, parts)))
                    taken = []
        self.accept(whose, taken, now)

    def accept(self, address: bytes, asked: list[Request], now: float, size: int = 0) -> None:
        """Accept tasks, and answer control requests, in their order; `size`: see `Dispatcher.requests`."""
        if self.caller is not None:
            asked = self._permitted(self.caller, address, asked)
        own = {service for service in {request.service for request in asked} if service.startswith(OUR_OWN)}
        if not own:  # nearly always
            self._tasks(address, asked, now, size)
            return
        for is_own, some in itertools.groupby(asked, key=lambda request: request.service in own):
            if not is_own:
                self._tasks(address, list(some), now, size)
                continue
            effects: list[BrokerEffect] = []
            for request in some:
                effects += self.serve(Asker(address, request.id, None, self.caller), request, now)
            self.carry_out(effects)

    def _permitted(self, caller: Caller, address: bytes, asked: list[Request]) -> list[Request]:
        """Return the requests of tasks that a key permits, and all control requests; refuse the others.

        A request joins a task of the same id, so that the service of that task counts too.
        """
        permitted, tasks = [], self.bus.dispatcher.tasks
        for request in asked:
            missing = ""
            if not request.service.startswith(OUR_OWN):
                missing = needs.submits(caller.rights, request.service)
                if not missing and (known := tasks.get(request.id)) is not None:
                    missing = needs.submits(caller.rights, known.service)
            if missing:
                self.bus.refused += 1
                error = caller.forbid(f"call {request.service[:100]!r}", missing)
                self.carry_out([Asker(address, request.id).refuse(error)])
            else:
                permitted.append(request)
        return permitted

    def _tasks(self, address: bytes, asked: list[Request], now: float, size: int) -> None:
        try:
            effects = self.bus.dispatcher.requests(now, address, asked, size)
        except Exception as error:  # noqa: BLE001 - a bug of the broker; it is not known which request met it
            self.guard.report("taking tasks in", error)
            tasks = self.bus.dispatcher.tasks
            effects = [ToClient(address, internal(request.id, error)) for request in asked if request.id not in tasks]
        self.carry_out(effects)

    def serve(self, asker: Asker, request: Request, now: float) -> Sequence[BrokerEffect]:
        """Answer a control request, or hand it to its service."""
        try:
            return self._control(asker, request, now)
        except ProtocolError as error:
            self.bus.refused += 1
            return [asker.refuse(error)]
        except Exception as error:  # noqa: BLE001 - a bug of the broker, met by one request
            self.guard.report(request.service[:60], error)
            return [ToClient(asker.client, internal(request.id, error))]

    def _control(self, asker: Asker, request: Request, now: float) -> Sequence[BrokerEffect]:
        if not request.service.startswith(CONTROL):
            caller = asker.caller
            may_see = partial(_may_see, None if caller is None else caller.rights)
            return [asker.reply(self.majordomo.inform(request, control_services.SERVICES, may_see))]
        service = control_services.find(request.service)
        if service.large and self.came_by is not None and not self.unread.takes_one_more(asker.client, self.came_by):
            raise ProtocolError("BUSY", "this client does not read its answers; try again when it has read them")
        args = read(service.args, request.args)
        if asker.caller is not None and (missing := service.needs(asker.caller.rights, args)):
            raise asker.caller.forbid(f"request {request.service}", missing)
        if self.owners is not None and type(args) is FeedArguments:
            self._open_feed(self.owners, asker.caller, args.instance, now)
        trace = read_context(request.options) if request.options else None  # rarely
        waits = service.answers is Answers.WAITS
        if waits or trace is not None:
            asker = Asker(asker.client, asker.request, self._connection() if waits else None, asker.caller, trace)
        return self.handlers[request.service](asker, args, now)

    def _open_feed(self, owners: FeedOwners, caller: Caller | None, instance: int, now: float) -> None:
        """Let a key open an instance of a feed that no other key has opened. Raises ProtocolError."""
        if caller is not None and not owners.has(instance, caller.name):
            raise caller.refuse("feed", f"key {caller.name!r} may not open instance {instance:x} of a feed: it is another key's")
        owners.open(instance, "" if caller is None else caller.name, now)

    def _connection(self) -> PeerConnection | None:
        """Find the connection of the client whose requests are being accepted; looked for once a frame, however many it holds."""
        if self._found_for is not self.came_by:
            self._found, self._found_for = connection_of(self.came_by), self.came_by
        return self._found


def _may_see(rights: Rights | None, service: str) -> bool:
    """Return whether a client may know of a service; None: the owner's."""
    return rights is None or not needs.asks(rights, service)
