"""A display worker's way out: states to the broker's collector, and days' beginnings to its frontend. PROTOCOL.md section 11."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.process import sockets
from hulak.bus.process.pending_requests import PendingRequest
from hulak.bus.process.requests import RequestChannel
from hulak.bus.process.settings import Settings
from hulak.bus.wire.messages import Reply
from hulak.workers.display.managed_display import ManagedDisplay

SEND_HWM = 10_000  # states that wait for a broker that is away; each display has its newest sent again when it is back
AGAIN_S = 2.0  # without an answer; then it is told, or asked, again
ANSWER_S = 60.0  # that an answer is waited for


class BrokerLink:
    """Two connections, one for what is published and one for what is asked.

    Args:
        context: of the worker.
        collector: endpoint of the broker.
        settings: say where its frontend is.
        home: its folder.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", collector: str, settings: Settings, home: Path) -> None:
        self.out = sockets.connect(context, zmq.XPUB, collector, xpub_nodrop=1, sndhwm=SEND_HWM)
        self.requests = RequestChannel(context, settings, home, sndhwm=SEND_HWM, rcvhwm=SEND_HWM)
        self.ready = False  # the broker takes what we publish
        self._rows_asked = -AGAIN_S
        self._rows: PendingRequest | None = None
        self._days_asked: dict[str, tuple[int, float]] = {}  # display -> number that its day began with, and when that was told

    def look(self) -> bool:
        """Take in subscriptions; true when the broker's has just come."""
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

    def tell_day(self, held: ManagedDisplay, now: float) -> None:
        """Tell the broker what a display's day began with, once in a while until it has written it."""
        first, asked = self._days_asked.get(held.id, (0, 0.0))
        if first == held.day_from and now - asked < AGAIN_S:
            return
        self._days_asked[held.id] = held.day_from, now
        init = held.day()
        args = {"display": held.id, "token": held.token, "from": held.day_from, "init": init}
        self.requests.ask_now("hulak.display.day", args, about=(held.id, held.day_from, init), timeout_s=ANSWER_S)

    def ask_rows(self, now: float) -> None:
        """Ask for all displays again, once in a while: a message with them was lost."""
        if now - self._rows_asked < AGAIN_S:
            return
        if self._rows is not None:
            self.requests.forget(self._rows)  # what it would tell is older than what was lost since
        self._rows_asked, self._rows = now, self.requests.ask_now("hulak.display.list", {}, timeout_s=ANSWER_S)

    def answers(self, told: Callable[[str, int, dict[str, Any]], None], rows: Callable[[dict[str, Any]], None]) -> None:
        """Read what came; a refused day is told again later, under whatever token counts then.

        Args:
            told: called with display, number and init of a day that is written.
            rows: called with all displays, if they were asked for.
        """
        self.requests.step()
        for request, message in self.requests.answers():
            if request is None or not isinstance(message, Reply):
                continue
            if request is self._rows:
                rows(message.value)
            else:
                self._days_asked.pop(request.about[0], None)
                told(*request.about)

    def close(self) -> None:
        """Close both; what was handed over has half a second to leave."""
        self.out.close(linger=500)
        self.requests.close()
