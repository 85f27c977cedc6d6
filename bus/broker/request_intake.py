"""What clients ask of the broker, taken in, handed to whom it concerns, and answered. PROTOCOL.md section 4.

Tasks go to the dispatcher, many at a time. What is asked of the broker itself has its arguments read here, in one place; then the
core answers it, or the service that keeps what it is about. Each request is guarded: one that meets a bug of ours costs no other.
"""

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence

import zmq

from hulak.bus.broker import control_services
from hulak.bus.broker.bug_guard import BugGuard, internal
from hulak.bus.broker.control_services import Answers, ControlHandler
from hulak.bus.broker.dialects import Dialects
from hulak.bus.broker.majordomo import MMI, Majordomo
from hulak.bus.broker.slow_clients import UnreadAnswers
from hulak.bus.broker.socket_monitor import PeerConnection, connection_of
from hulak.bus.broker.store_effects import BrokerEffect
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.control_arguments import read
from hulak.bus.core.effects import Asker, ToClient
from hulak.bus.core.tasks.policy import LARGE
from hulak.bus.errors import ProtocolError
from hulak.bus.process import sockets
from hulak.bus.wire.frame_limits import CONTROL
from hulak.bus.wire.messages import Request

OUR_OWN = (CONTROL, MMI)  # services that the broker answers itself
MAX_MESSAGES = 64  # a turn and ROUTER, but for the rest of a frame of several: no tick is held up for more than a few ms


class RequestIntake:
    """The side of the broker that clients see.

    Args:
        frontend: reaches clients.
        dialects: knows how each peer is spoken with.
        bus: takes tasks, and counts what is refused.
        majordomo: answers `mmi.*`.
        handlers: answer the control services, by their whole names.
        carry_out: carries out effects.
        reject: told what cannot be read: socket, identity, error.
        guard: told of bugs.
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
        self.came_by: zmq.Frame | None = None  # the last frame of the client whose requests are being accepted
        self._found: PeerConnection | None = None  # what `_connection` found last, and for which frame
        self._found_for: zmq.Frame | None = None

    def take(self, now: float) -> None:
        """Take in what has arrived, bounded."""
        receive, frontend, read = sockets.receive, self.frontend, self.dialects.requests
        taken: list[Request] = []  # of one client, in a row: accepted together, which costs less than one by one
        whose, count = b"", 0
        with contextlib.suppress(zmq.Again):
            while count < MAX_MESSAGES:
                parts, frame = receive(frontend)
                try:
                    address, found, unread = read(parts)
                except ProtocolError as error:
                    address, found, unread = b"", [], [(parts, error)]
                except Exception as error:  # noqa: BLE001 - a bug of ours, met by one client
                    self.guard.tell("reading a request", error)
                    address, found, unread = b"", [], [(parts, ProtocolError("INTERNAL", internal(None, error).text))]
                for alone, why in unread:
                    self.reject("frontend", alone[0], why)
                    self.carry_out(self.dialects.unread(alone, why))
                large = len(parts[-1]) > LARGE
                if address != whose or large:
                    self.accept(whose, taken, now)
                    whose, taken = address, []
                self.came_by = frame
                taken += found
                count += len(found) + len(unread)
                if large:
                    self.accept(address, taken, now, sum(map(len, parts)))
                    taken = []
        self.accept(whose, taken, now)

    def accept(self, address: bytes, asked: list[Request], now: float, size: int = 0) -> None:
        """Take tasks in, and answer what is asked of the broker itself, in their order; `size` as of `Dispatcher.requests`."""
        ours = {service for service in {request.service for request in asked} if service.startswith(OUR_OWN)}
        if not ours:  # nearly always
            self._tasks(address, asked, now, size)
            return
        for is_ours, some in itertools.groupby(asked, key=lambda request: request.service in ours):
            if not is_ours:
                self._tasks(address, list(some), now, size)
                continue
            effects: list[BrokerEffect] = []
            for request in some:
                effects += self.serve(Asker(address, request.id), request, now)
            self.carry_out(effects)

    def _tasks(self, address: bytes, asked: list[Request], now: float, size: int) -> None:
        try:
            effects = self.bus.dispatcher.requests(now, address, asked, size)
        except Exception as error:  # noqa: BLE001 - a bug of ours; which of them met it is not known
            self.guard.tell("taking tasks in", error)
            tasks = self.bus.dispatcher.tasks
            effects = [ToClient(address, internal(request.id, error)) for request in asked if request.id not in tasks]
        self.carry_out(effects)

    def serve(self, asker: Asker, request: Request, now: float) -> Sequence[BrokerEffect]:
        """Answer a request to the broker itself, or have its service do it."""
        try:
            return self._control(asker, request, now)
        except ProtocolError as error:
            self.bus.refused += 1
            return [asker.refuse(error)]
        except Exception as error:  # noqa: BLE001 - a bug of ours, met by one request
            self.guard.tell(request.service[:60], error)
            return [ToClient(asker.client, internal(request.id, error))]

    def _control(self, asker: Asker, request: Request, now: float) -> Sequence[BrokerEffect]:
        if not request.service.startswith(CONTROL):
            return [asker.reply(self.majordomo.inform(request, control_services.SERVICES))]
        service = control_services.find(request.service)
        if service.large and self.came_by is not None and not self.unread.takes_one_more(asker.client, self.came_by):
            raise ProtocolError("BUSY", "this client does not read what it is answered; try again when it has")
        args = read(service.args, request.args)
        if service.answers is Answers.WAITS:
            asker = Asker(asker.client, asker.request, self._connection())
        return self.handlers[request.service](asker, args, now)

    def _connection(self) -> PeerConnection | None:
        """Find the connection of the client whose requests are being accepted; looked for once a frame, however many it holds."""
        if self._found_for is not self.came_by:
            self._found, self._found_for = connection_of(self.came_by), self.came_by
        return self._found
