"""The fake broker of a client: the frontend, with one service. Pure. PROTOCOL.md section 4."""

import os
from collections.abc import Sequence
from typing import Any

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.messages import Error, Part, Reply, Request
from hulak.clients.conform.client_rules import ACTION, SERVICE, Answer, ClientRule
from hulak.clients.conform.control import answer_control
from hulak.clients.conform.rule import Action, Finding, Restart, Send


class FakeFrontend:
    """The fake broker of one rule."""

    def __init__(self, rule: ClientRule) -> None:
        self.findings: list[Finding] = []
        self._rule = rule
        self._ids: dict[bytes, int] = {}  # id -> the number of its call, and of its run in hundreds
        self._run = 0
        self._lost: bytes | None = None  # id of the request that was lost with the broker

    def took(self, socket: str, peer: bytes, frame: bytes, now: float) -> list[Action]:
        """Take a request, or several in one frame, and answer."""
        del now
        is_batch = frame[:1] == b"q"
        try:
            requests, refused = batch_frames.read_requests(frame) if is_batch else ([codec.decode_from_client(frame)], [])
        except ProtocolError as error:
            self._find("4.1", f"a request cannot be read: {error}")
            return []
        for _, reason in refused:
            self._find("5.5", f"a request in a batch cannot be read: {reason}")
        actions: list[Action] = []
        for request in requests:
            if request.service != SERVICE:
                actions.append(Send(socket, peer, codec.encode(answer_control(request))))
            elif self._rule.answer is Answer.AFTER_RESTART and self._lost is None:
                self._check(request)
                self._lost = request.id
                return [Restart()]
            else:
                answers = self._answers(request) if self._check(request) else []
                actions += [Send(socket, peer, codec.encode(answer)) for answer in answers]
        return actions

    def passed(self, now: float, lines: Sequence[str]) -> list[Action]:
        """Nothing is due by time."""
        del now, lines
        return []

    def ended(self, lines: Sequence[str]) -> None:
        """Compare what was printed with what had to be."""
        self._run += 1
        wanted = [line for call in range(1, self._rule.count + 1) for line in self._lines(call)]
        if list(lines) != wanted:
            seen = "; ".join(lines)[:200] or "nothing"
            self._find(self._rule.section, f"printed were '{seen}', must be '{'; '.join(wanted)}'")

    def _find(self, section: str, text: str) -> None:
        self.findings.append(Finding(section, text))

    def _check(self, request: Request) -> bool:
        """Return whether a request can be answered."""
        call = request.args.get("a")
        if request.action != ACTION or type(call) is not int or request.args != {"a": call, "b": call}:
            seen = f"action {request.action!r} with {request.args!r:.120}"
            self._find("4.1", f"{seen}, must be {ACTION!r} with the maps' keys `a` and `b`, both the number of the call")
            return False
        known = self._ids.setdefault(request.id, 100 * self._run + call)
        if known != 100 * self._run + call:
            self._find("4.1", f"id {request.id.hex()} was used for another call, must be unique over time: 16 random bytes")
            return False
        if self._lost is not None and request.id != self._lost:
            self._find("4.1", "after the restart the call came with another id, must be the same one")
        return True

    def _answers(self, request: Request) -> list[Any]:
        call: int = request.args["a"]
        reply = Reply(request.id, 2 * call)
        match self._rule.answer:
            case Answer.ERROR:
                return [Error(request.id, "NO_WORKER", "no worker took the task", {})]
            case Answer.PARTS:
                return [Part(request.id, 1, 10), Part(request.id, 2, 20), reply]
            case Answer.PARTS_TWICE:
                return [Part(request.id, 1, 5), Part(request.id, 1, 10), Part(request.id, 2, 20), reply]
            case Answer.FOREIGN:
                other = os.urandom(16)
                return [Part(other, 1, 5), Reply(other, 99), Error(other, "BUSY", "another request", {}), reply]
            case Answer.TWICE:
                return [reply, Reply(request.id, 99)]
            case _:
                return [reply]

    def _lines(self, call: int) -> list[str]:
        parts = ["part 10", "part 20"] if self._rule.answer in (Answer.PARTS, Answer.PARTS_TWICE) else []
        return [*parts, "error NO_WORKER" if self._rule.answer is Answer.ERROR else f"reply {2 * call}"]
