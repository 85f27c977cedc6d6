"""A worker process: two threads around the pure `Session`.

The main thread polls, sends heartbeats and never blocks; the other one carries tasks out and may block in them. They meet
over an `inproc` PAIR. PROTOCOL.md section 5.
"""

import ctypes
import os
import socket as plain
import threading
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import psutil
import structlog
import zmq

from bus import frames, sockets
from bus.daemon import Stop, find_broker
from bus.errors import ProtocolError, TaskFailed
from bus.member import Member
from bus.messages import FromWorker, Result, Task, TaskPart
from bus.settings import Settings
from workers.session import Do, Exit, Interrupt, Run, Send, Session

# An action gives its result; or it is a generator: what it yields are parts of the result, told to the caller at once, and
# what it returns is the result.
Actions = Mapping[str, Callable[[Mapping[str, Any]], Any]]
INPROC = "inproc://tasks"
REPORT_S = 1.0
ENVELOPE_BYTES = 1024  # of a result's frame, beside its value


class SoftLimit(BaseException):
    """Raised inside a task that has passed its soft limit; not an `Exception`, so that no task's own handler swallows it."""


class TaskThread(threading.Thread):
    """Carries out one task after the other.

    Args:
        context: shared with the main thread, for the PAIR.
        make_actions: makes the service's actions; called in this thread, once.
        max_bytes: of a result.
        log: of this process.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        make_actions: Callable[[], Actions],
        max_bytes: int,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        super().__init__(name="tasks", daemon=True)
        self._context = context
        self._make_actions = make_actions
        self._max_bytes = max_bytes
        self._log = log
        self._actions: Actions | None = None

    def run(self) -> None:
        """Wait for tasks on the PAIR until the context ends."""
        pair = sockets.make(self._context, zmq.PAIR)
        pair.connect(INPROC)
        while True:
            try:
                task = frames.decode_to_worker(pair.recv())
                assert isinstance(task, Task)
                pair.send(self._result(task, pair.send))
            except SoftLimit:  # it came after the task's end
                continue
            except zmq.ContextTerminated:
                pair.close()
                return

    def interrupt(self) -> None:
        """Raise `SoftLimit` in the running task, as soon as it runs Python code again."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident or 0), ctypes.py_object(SoftLimit))

    def _result(self, task: Task, send: Callable[[bytes], Any]) -> bytes:
        try:
            value = self._carry_out(task)
            if isinstance(value, Generator):
                value = self._send_parts(task, value, send)
            frame = self._fitting("result", Result(task.id, task.attempt, True, value))
        except SoftLimit:
            why: dict[str, Any] = _failure(TaskFailed("SOFT_LIMIT", f"not done in {task.soft_ms / 1000:g} s", retryable=True))
        except TaskFailed as failed:
            why = _failure(failed)
        except Exception as error:  # noqa: BLE001 - a task's own bug must not end the worker
            self._log.exception("task crashed", task=task.id.hex(), action=task.action)
            why = _failure(TaskFailed("CRASHED", f"{type(error).__name__}: {error}"))
        else:
            return frame
        return frames.encode(Result(task.id, task.attempt, False, why))

    def _send_parts(self, task: Task, parts: Generator[Any, None, Any], send: Callable[[bytes], Any]) -> Any:
        number = 0
        while True:
            try:
                part = next(parts)
            except StopIteration as end:
                return end.value
            number += 1
            send(self._fitting("part", TaskPart(task.id, task.attempt, number, part)))

    def _fitting(self, what: str, message: Result | TaskPart) -> bytes:
        frame = frames.encode(message)
        if len(frame) > self._max_bytes - ENVELOPE_BYTES:
            raise TaskFailed("TOO_LARGE", f"the {what} is {len(frame)} bytes, must be below {self._max_bytes}")
        return frame

    def _carry_out(self, task: Task) -> Any:
        if self._actions is None:
            self._actions = self._make_actions()
        action = self._actions.get(task.action)
        if action is None:
            known = ", ".join(sorted(self._actions))
            raise TaskFailed("UNKNOWN_ACTION", f"action {task.action!r} is unknown; known are {known}")
        return action(task.args)


def _failure(failed: TaskFailed) -> dict[str, Any]:
    after_s = failed.retry_after_s
    return {
        "code": failed.code,
        "text": str(failed),
        "retryable": failed.retryable,
        "retry_after_ms": None if after_s is None else int(after_s * 1000),
        "cool_down_ms": None if failed.cool_down_s is None else int(failed.cool_down_s * 1000),
        "details": failed.details,
    }


class Worker:
    """The shell of the main thread.

    Args:
        settings: checked.
        home: the broker's folder.
        session: not yet registered.
        make_actions: as of `TaskThread`.
        stop: set by a signal.
        log: of this process.
        member: started; told that the main loop goes round.
    """

    def __init__(
        self,
        settings: Settings,
        home: Path,
        session: Session,
        make_actions: Callable[[], Actions],
        stop: Stop,
        log: structlog.typing.FilteringBoundLogger,
        member: Member | None = None,
    ) -> None:
        self.member = member
        self.settings = settings
        self.home = home
        self.session = session
        self.stop = stop
        self.log = log
        self.process = psutil.Process()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.pair = sockets.make(self.context, zmq.PAIR)
        self.pair.bind(INPROC)
        self.thread = TaskThread(self.context, make_actions, settings.broker.max_message_bytes, log)
        self.reported = 0.0
        self.exit: Exit | None = None

    def run(self) -> int:
        """Serve until retired or stopped; return the process's exit code."""
        where = find_broker(self.settings, self.home, "backend", self.stop, self.log)
        if where is None:
            return 0
        # IMMEDIATE: without a connection a send fails at once, instead of piling up heartbeats for a broker to come.
        dealer = sockets.make(self.context, zmq.DEALER, immediate=1, sndhwm=10_000, rcvhwm=10_000, ipv6=int("[" in where))
        dealer.connect(where)
        self.dealer = dealer
        self.thread.start()
        self.log.info("worker started", worker=self.session.name, service=self.session.service, broker=where)
        poller = zmq.Poller()
        for socket in (dealer, self.pair, self.stop.reader):
            poller.register(socket, zmq.POLLIN)
        while self.exit is None:
            self._turn(poller)
        self.log.info("worker stopped", code=self.exit.code, why=self.exit.why)
        dealer.close(linger=500)  # ms for the goodbye to leave
        if self.member is not None:
            self.member.stop()
        if self.session.running is not None:
            os._exit(self.exit.code)  # its thread cannot be ended, and would keep the process
        self.pair.close()
        self.context.term()
        return self.exit.code

    def _turn(self, poller: zmq.Poller) -> None:
        wait_ms = max(0, int((self.session.next_due() - time.monotonic()) * 1000) + 1)
        ready = dict(poller.poll(wait_ms))
        now = time.monotonic()
        if self.member is not None:
            self.member.beat()
        if self.dealer in ready:
            self._receive(now)
        if self.pair in ready:
            self._done(now, frames.decode_from_worker(self.pair.recv()))
        if self.stop.asked and not self.session.leaving:
            self.stop.drain()
            self._do(self.session.leave(now, "stopped by a signal", self.settings.task.drain_s))
        elif self.stop.reader.fileno() in ready:
            self.stop.drain()
        if now >= self.session.next_due():
            self._do(self.session.advance(now, self._report(now)))

    def _done(self, now: float, message: FromWorker) -> None:
        """Pass on what the other thread did: a part of its task, or its end."""
        if isinstance(message, TaskPart):
            self._do(self.session.part(message.number, message.value))
            return
        assert isinstance(message, Result)
        self._do(self.session.finished(now, done=message.done, value=message.value))

    def _receive(self, now: float) -> None:
        while self.dealer.poll(0):
            try:
                message = frames.decode_to_worker(self.dealer.recv_multipart()[-1])
            except ProtocolError as error:
                self.log.warning("frame refused", code=error.code, why=str(error))
                continue
            self._do(self.session.received(now, message))

    def _report(self, now: float) -> dict[str, Any] | None:
        if now - self.reported < REPORT_S:
            return None
        self.reported = now
        return {"rss_bytes": self.process.memory_info().rss, "cpu_s": round(time.process_time(), 3)}

    def _do(self, actions: list[Do]) -> None:
        for action in actions:
            match action:
                case Send(message):
                    try:
                        self.dealer.send(frames.encode(message), zmq.NOBLOCK)
                    except zmq.Again:
                        self.session.unsent(message)
                case Run(task):
                    self.pair.send(frames.encode(task))
                case Interrupt(task):
                    self.log.warning("task interrupted", task=task.id.hex(), action=task.action)
                    self.thread.interrupt()
                case Exit():
                    self.exit = self.exit or action


def make_session(settings: Settings, service: str, credit: int, name: str | None, *, adapts: bool = False) -> Session:
    """Make the session of this process; its name is its supervisor slot's or the service's, and its pid."""
    slot = os.environ.get("SUPERVISOR_PROCESS_NAME", "")
    started_ns = int(psutil.Process().create_time() * 1e9)
    info = {"pid": os.getpid(), "slot": slot, "host": plain.gethostname(), "started_ns": started_ns}
    return Session(
        service=service,
        name=name or f"{slot or service}/{os.getpid()}",
        credit=credit,
        heartbeat_s=settings.task.heartbeat_s,
        info=info,
        adapts=adapts,
    )
