"""The fake broker of a worker: the backend. Pure. PROTOCOL.md section 5."""

import os
from collections.abc import Sequence

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.messages import (
    BrokerHeartbeat,
    Goodbye,
    HeldTask,
    MessageFromWorker,
    Ready,
    Result,
    Retire,
    Task,
    TaskPart,
    WorkerHeartbeat,
)
from hulak.clients.conform.control import EPOCH
from hulak.clients.conform.rule import Action, Finding, Restart, Send
from hulak.clients.conform.worker_rules import LEASE_S, SERVICE, Do, Give, WorkerRule

BEAT_S = 0.25
STEP_S = 6.0  # that one step may take
SOFT_MS, HARD_MS = 60_000, 75_000
WANTED = {
    Do.READY: ("5.2", "no READY came again"),
    Do.RESULTS: ("5.1", "no RESULT came"),
    Do.HELD: ("5.2", "no HEARTBEAT named the task"),
    Do.GOODBYE: ("5.3", "no GOODBYE came"),
}


class FakeBackend:
    """The fake broker of one rule."""

    def __init__(self, rule: WorkerRule) -> None:
        self.findings: list[Finding] = []
        self._rule = rule
        self._names: set[str] = set()  # of former runs
        self._begin()

    def _begin(self) -> None:
        self._steps = list(self._rule.steps)
        self._peer = b""  # empty: no message came since the start
        self._ready: Ready | None = None
        self._known = False
        self._epoch = EPOCH
        self._tasks: dict[bytes, Task] = {}  # given, without a RESULT
        self._waiting: list[Task] = []  # given when there is credit for them
        self._received_at = self._beat_at = self._step_at = 0.0
        self._left = self._retired = False

    # Messages of the worker

    def took(self, socket: str, peer: bytes, frame: bytes, now: float) -> list[Action]:
        """Take a message of the worker."""
        del socket  # there is one
        if self._ready is not None and self._known and now - self._received_at > LEASE_S and not self._left:
            self._find("5.2", f"nothing came for {now - self._received_at:.1f} s, and the lease is {LEASE_S} s")
        self._received_at, self._peer = now, peer
        is_batch = frame[:1] == b"r"
        try:
            messages: Sequence[MessageFromWorker] = (
                batch_frames.read_results(frame)[0] if is_batch else [codec.decode_from_worker(frame)]
            )
        except ProtocolError as error:
            self._find("5.1", f"a message cannot be read: {error}")
            return []
        return [action for message in messages for action in self._message(message, now)]

    def _message(self, message: MessageFromWorker, now: float) -> list[Action]:
        if self._ready is None and not isinstance(message, Ready):
            if not self._names or self._rule.runs == 1:
                self._find("5.1", f"the first message is {type(message).__name__}, must be READY")
            return []
        match message:
            case Ready():
                return self._readied(message, now)
            case Result():
                self._ended_task(message)
                return self._give()
            case WorkerHeartbeat():
                if self._at(Do.HELD) and self._tasks and self._holds(message.held):
                    self._step_on(now)
                return [] if self._known else [self._send(BrokerHeartbeat(self._epoch, known=False))]
            case Goodbye():
                self._left = True
                if self._tasks:
                    self._find("5.3", f"GOODBYE came while {len(self._tasks)} tasks were held, must end them before")
            case TaskPart():
                self._find("5.1", "a PART came, and the action `add` has none")
        return []

    def _readied(self, ready: Ready, now: float) -> list[Action]:
        if ready.service != SERVICE:
            self._find("5.1", f"READY has service {ready.service!r}, must be {SERVICE!r}")
        if ready.worker in self._names:
            self._find("5.1", f"the worker's name is {ready.worker!r} after another start too, must be a new one")
        if self._ready is not None and ready.worker != self._ready.worker:
            self._find("5.1", f"READY has name {ready.worker!r} after {self._ready.worker!r}, must be the same")
        if self._ready is None and (ready.held or ready.credit < 1):
            self._find("5.1", f"the first READY has credit {ready.credit} and {len(ready.held)} held tasks")
        if self._ready is not None and not self._holds(ready.held) and ready.credit:
            self._find("5.2", f"READY names {len(ready.held)} held tasks, must name the {len(self._tasks)} that it holds")
            self._steps.clear()
        is_again = self._ready is not None
        self._ready, self._known = ready, True
        if self._at(Do.READY) and is_again:
            self._step_on(now)
        return [self._send(BrokerHeartbeat(self._epoch, known=True)), *self._give()]

    def _ended_task(self, result: Result) -> None:
        task = self._tasks.pop(result.task, None)
        if task is None or result.attempt != task.attempt:
            self._find("5.1", f"RESULT for task {result.task.hex()}, attempt {result.attempt}, which was not given or has ended")
            return
        if task.action != "add":
            value = result.value if isinstance(result.value, dict) else {}
            if result.done or not (isinstance(value.get("code"), str) and isinstance(value.get("text"), str)):
                seen = f"RESULT of an unknown action: done {result.done}, value {result.value!r:.120}"
                self._find("5.4", f"{seen}; must not be done, with a map of `code` and `text`")
        elif not result.done or result.value != task.args["a"] + task.args["b"]:
            seen = f"RESULT of {task.args!r}: done {result.done}, value {result.value!r:.120}"
            self._find("5.1", f"{seen}; must be done, with the sum")

    # The broker's time

    def passed(self, now: float, lines: Sequence[str]) -> list[Action]:
        """Beat, and go on with the scenario."""
        del lines
        self._step_at = self._step_at or now
        if self._ready is None:
            return []
        actions: list[Action] = []
        if now >= self._beat_at and self._known and not self._left:
            self._beat_at = now + BEAT_S
            actions.append(self._send(BrokerHeartbeat(self._epoch, known=True)))
        if not self._steps:
            return [*actions, *self._retire()]
        step = self._steps[0]
        waited = now - self._step_at
        if isinstance(step, Give) or step not in (*WANTED, Do.SILENT):
            self._step_on(now)
            return [*actions, *self._do(step)]
        if step is Do.SILENT:
            if now - self._received_at > LEASE_S:
                self._find("5.2", f"no message came for the lease of {LEASE_S} s, must be a HEARTBEAT each {BEAT_S} s")
            if waited > 2 * LEASE_S or self.findings:
                self._step_on(now)
        elif self._is_over(step):
            self._step_on(now)
        elif waited > STEP_S:
            section, text = WANTED[step]
            self._find(section, f"{text} within {STEP_S:g} s")
            self._steps.clear()
        return actions

    def _do(self, step: Give | Do) -> list[Action]:
        if isinstance(step, Give):
            more = {"ms": step.ms} if step.ms else {}
            for a, b in step.sums:
                args = {"a": a, "b": b, **more}
                self._waiting.append(Task(os.urandom(16), 1, step.action, args, SOFT_MS, HARD_MS))
            return self._give()
        match step:
            case Do.FORGET:
                self._known = False
                return [self._send(BrokerHeartbeat(self._epoch, known=False))]
            case Do.EPOCH:
                self._epoch += 1
                return [self._send(BrokerHeartbeat(self._epoch, known=True))]
            case Do.RESTART:
                self._epoch += 1
                self._known = False
                return [Restart()]
            case _:
                return self._retire()

    def ended(self, lines: Sequence[str]) -> None:
        """Judge the end of the worker."""
        del lines
        while self._steps and self._is_over(self._steps[0]):
            self._steps.pop(0)
        if self._ready is None:
            self._find("5.1", "no READY came")
        elif self._steps and not self.findings:
            self._find(self._rule.section, "the worker ended before it was retired")
        elif not self._left and not self.findings:
            self._find("5.3", "the worker ended without GOODBYE")
        if self._ready is not None:
            self._names.add(self._ready.worker)
        self._begin()

    # Parts of these

    def _find(self, section: str, text: str) -> None:
        finding = Finding(section, text)
        if finding not in self.findings:
            self.findings.append(finding)

    def _at(self, step: Do) -> bool:
        return bool(self._steps) and self._steps[0] is step

    def _is_over(self, step: Give | Do) -> bool:
        """Return whether what a step waits for has come; the messages themselves end READY and HELD."""
        if step is Do.RESULTS:
            return not self._tasks and not self._waiting
        return step is Do.GOODBYE and self._left

    def _step_on(self, now: float) -> None:
        self._steps.pop(0)
        self._step_at = now

    def _holds(self, held: Sequence[HeldTask]) -> bool:
        return {(item.task, item.attempt) for item in held} >= {(task.id, task.attempt) for task in self._tasks.values()}

    def _retire(self) -> list[Action]:
        if self._retired or self._left:
            return []
        self._retired = True
        return [self._send(Retire("the conformance kit asked for it"))]

    def _give(self) -> list[Action]:
        """Return waiting tasks to send: several in a frame to a worker that takes it, else no more than its credit."""
        if self._ready is None or not self._waiting:
            return []
        several = self._ready.info.get("several") is True
        room = len(self._waiting) if several else max(0, self._ready.credit - len(self._tasks))
        given, self._waiting = self._waiting[:room], self._waiting[room:]
        self._tasks |= {task.id: task for task in given}
        if several:
            return [Send("backend", self._peer, frame) for frame in batch_frames.encode(given)]
        return [self._send(task) for task in given]

    def _send(self, message: object) -> Send:
        return Send("backend", self._peer, codec.encode(message))
