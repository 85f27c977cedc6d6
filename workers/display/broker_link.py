"""A display worker's link to the broker: states to its collector, starts of days to its frontend. PROTOCOL.md section 11."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.process import sockets
from hulak.bus.process.pending_requests import PendingRequest
from hulak.bus.process.requests import RequestChannel
from hulak.bus.process.settings import Settings
from hulak.bus.process.sockets import BrokerAddress
from hulak.bus.wire.messages import Reply
from hulak.workers.display.managed_display import ManagedDisplay

SEND_HWM = 10_000  # states queued while the broker is unreachable; after that each display's newest state is sent again
AGAIN_S = 2.0  # without a reply; then the request is repeated
ANSWER_S = 60.0  # timeout of a request


class BrokerLink:
    """Two connections: one for publications and one for requests.

    Args:
        context: of the worker.
        collector: endpoint of the broker.
        settings: name its frontend.
        home: the broker's folder.
    """

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", collector: BrokerAddress, settings: Settings, home: Path
    ) -> None:
        self.out = sockets.connect(context, zmq.XPUB, collector, xpub_nodrop=1, sndhwm=SEND_HWM)
        self.requests = RequestChannel(context, settings, home, sndhwm=SEND_HWM, rcvhwm=SEND_HWM)
        self.ready = False  # the broker has subscribed to our publications
        self._rows_asked = -AGAIN_S
        self._rows: PendingRequest | None = None
        self._days_asked: dict[str, tuple[int, float]] = {}  # display -> number of its day's first tick, and when that was sent

    def poll(self) -> bool:
        """Read subscriptions; true if the broker's has just arrived."""
        before = self.ready
        while self.out.poll(0):
            self.ready = self.out.recv(zmq.NOBLOCK)[:1] == b"\1" or self.ready
        return self.ready and not before

    def send(self, frame: bytes) -> bool:
        """Publish a display's state; false if it cannot be sent now."""
        try:
            sockets.send_frame(self.out, frame, sockets.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def send_day(self, held: ManagedDisplay, now: float) -> None:
        """Send the broker the start of a display's day, every `AGAIN_S` until the broker has stored it."""
        first, asked = self._days_asked.get(held.id, (0, 0.0))
        if first == held.day_from and now - asked < AGAIN_S:
            return
        self._days_asked[held.id] = held.day_from, now
        init = held.day()
        args = {"display": held.id, "token": held.token, "from": held.day_from, "init": init}
        self.requests.ask_now("hulak.display.day", args, about=(held.id, held.day_from, init), timeout_s=ANSWER_S)

    def ask_rows(self, now: float) -> None:
        """Request the rows of all displays, at most every `AGAIN_S`: a message with them was lost."""
        if now - self._rows_asked < AGAIN_S:
            return
        if self._rows is not None:
            self.requests.forget(self._rows)  # its reply would be older than the rows lost since
        self._rows_asked, self._rows = now, self.requests.ask_now("hulak.display.list", {}, timeout_s=ANSWER_S)

    def answers(self, day_stored: Callable[[str, int, dict[str, Any]], None], rows: Callable[[dict[str, Any]], None]) -> None:
        """Read the replies; a refused day is sent again later, under the token of that time.

        Args:
            day_stored: called with display, number and init of a day that the broker has stored.
            rows: called with the rows of all displays, if they were requested.
        """
        self.requests.step()
        for request, message in self.requests.answers():
            if request is None or not isinstance(message, Reply):
                continue
            if request is self._rows:
                rows(message.value)
            else:
                self._days_asked.pop(request.about[0], None)
                day_stored(*request.about)

    def close(self) -> None:
        """Close both; pending messages have half a second to be sent."""
        self.out.close(linger=500)
        self.requests.close()
