"""A worker process: two threads around the pure `Session`, of which one at a time holds it and the socket.

The task thread receives tasks from the socket, runs them, and sends their results: no task is handed from thread to thread,
which would cost more than a short task. It holds the lock except while it is inside a task, or a batch of short ones. The main
thread waits for signals; several times per heartbeat it tries the lock, which is free while a task runs long, and then does what
is due: heartbeats, limits, received messages. So the worker sends heartbeats while a task blocks. The lock is the full fence that
libzmq requires where two threads use a socket in turn. PROTOCOL.md section 5.

If a permanent thread ends, the process ends at once: a worker that sends heartbeats and runs no tasks is worse than none.
"""

import contextlib
import ctypes
import os
import socket as plain
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
from zmq.backend import zmq_poll

from hulak.bus.errors import ProtocolError
from hulak.bus.process import sockets
from hulak.bus.process.lifecycle import Stop, find_broker
from hulak.bus.process.log_type import Log
from hulak.bus.process.member import Member
from hulak.bus.process.resource_usage import Usage
from hulak.bus.process.settings import Settings
from hulak.bus.process.tracing import Tracing
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.messages import Result, Task, TaskPart
from hulak.bus.wire.trace_context import TRACES
from hulak.workers.runtime.forks import Forks, break_off, broker_addresses, end_children
from hulak.workers.runtime.send_queue import SendQueue
from hulak.workers.runtime.session import Do, Exit, Interrupt, Run, Send, Session
from hulak.workers.runtime.task_failures import SoftLimit
from hulak.workers.runtime.task_runner import Actions, TaskRunner, soft_limit
from hulak.workers.runtime.task_timings import TaskTimings
from hulak.workers.runtime.traced_runner import TracedRunner
from hulak.workers.runtime.watchdog import Watchdog

decode = codec.decode_to_worker
REFUSED = 1  # exit code: the broker does not accept the key
POLLS = 4  # polls of the main thread per heartbeat
MAX_MESSAGES = 128  # received between two tasks
MOST_RESULTS = 64  # of short tasks, sent together; the broker reads them while the next tasks run
MOST_BATCH = 32  # short tasks
BATCH_S = 0.001  # a batch stops after the task that exceeds this; then the durations are measured again


class Worker:
    """The shell of a worker.

    Args:
        settings: checked.
        home: the broker's folder.
        session: not yet registered.
        make_actions: makes the service's actions; called once, in the task thread.
        stop: set by a signal.
        log: of this process.
        member: started; `beat` is called in each iteration of the main loop.
    """

    def __init__(
        self,
        settings: Settings,
        home: Path,
        session: Session,
        make_actions: Callable[[], Actions],
        stop: Stop,
        log: Log,
        member: Member | None = None,
    ) -> None:
        self.member = member
        self.settings = settings
        self.home = home
        self.session = session
        session.info |= {batch_frames.TAKES: True}
        self.stop = stop
        self.log = log
        self.usage = Usage()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.forks = Forks(broker_addresses(settings, home))
        self.runner = TaskRunner(make_actions, settings.broker.max_message_bytes, log, self.forks)
        self.lock = threading.Lock()  # guards the session and the socket
        self.inside = False  # the task thread is inside a task and may be interrupted
        self.thread = threading.Thread(target=self._work, name="tasks", daemon=True)
        self.main_end, self.task_end = plain.socketpair()  # a byte wakes the other thread's poll
        self.ended: list[Send] = []  # results of the current batch: the task thread appends them without the lock
        self.out = SendQueue(session)
        self.durations = TaskTimings()
        self.watchdog = Watchdog()
        self.exit: Exit | None = None
        self.carry_out = self.runner.carry_out
        if (tracing := Tracing.of(settings)) is not None:
            session.info |= {TRACES: True}
            traced = TracedRunner(self.runner, tracing, session.contexts, session.service, session.name)
            self.carry_out, self.out.on_sent = traced.carry_out, traced.sent

    def run(self) -> int:
        """Run until retired or stopped; return the process's exit code."""
        where = find_broker(self.settings, self.home, "backend", self.stop, self.log)
        if where is None:
            return 0
        self.dealer = self.out.connect(self.context, where)
        self.watched: list[Any] = [(self.dealer, zmq.POLLIN), (self.task_end.fileno(), zmq.POLLIN)]
        self.forks.guard()
        self.forks.mark_lasting()
        self.thread.start()
        self.log.info("worker started", worker=self.session.name, service=self.session.service, broker=str(where))
        try:
            code = self._watch()
        except BaseException as error:  # noqa: BLE001 - the other threads would continue
            break_off(self.log, error)
        self.context.term()
        return code

    # The main thread

    def _watch(self) -> int:
        """Do what is due while the task thread is inside a task, until the process is to end; return its exit code."""
        wait_ms = max(1, int(self.session.heartbeat_s * 1000 / POLLS))
        notified = False
        while self.exit is None:
            zmq_poll([(self.stop.reader.fileno(), zmq.POLLIN), (self.main_end.fileno(), zmq.POLLIN)], wait_ms)
            self.stop.drain()
            if self.member is not None:
                self.member.beat()
            if self.exit is None and self.member is not None and self.member.refusal:
                self.exit = Exit(REFUSED, f"its key is refused: {self.member.refusal}")
            if self.exit is None and (not self.thread.is_alive() or (self.member is not None and self.member.ended())):
                break_off(self.log, "a permanent thread has ended")
            if self.stop.asked and not notified:
                notified = True
                self.main_end.send(b"!")
            if self.lock.acquire(blocking=False):
                try:
                    if self.inside:
                        self._send_ended()
                        self.out.flush()
                        self._receive(time.monotonic())
                    now = time.monotonic()
                    self._duties(now)
                    self.watchdog.renew(now, now if self.inside else self.session.started)
                finally:
                    self.lock.release()
        with self.lock:
            self.watchdog.disarm()
            self.log.info("worker stopped", code=self.exit.code, why=self.exit.why)
            self.dealer.close(linger=500)  # ms to send the GOODBYE
            if self.member is not None:
                self.member.stop()
            if self.session.running is not None:
                end_children()
                os._exit(self.exit.code)  # the task thread cannot be ended, and would keep the process alive
        self.thread.join()
        return self.exit.code

    # The task thread

    def _work(self) -> None:
        try:
            self.forks.mark_lasting()
            self._serve()
        except BaseException as error:  # noqa: BLE001 - without this thread no task would run
            self.forks.leave_child(error)
            break_off(self.log, error)

    def _serve(self) -> None:
        batch, rest = list[Task](), list[Task]()
        while True:
            with self.lock:
                batch = self._between(batch, rest)
                self.inside = bool(batch)
            if not batch:
                with contextlib.suppress(OSError):
                    self.task_end.send(b"!")
                return
            rest = self._carry_out(batch)

    def _between(self, batch: list[Task], rest: list[Task]) -> list[Task]:
        """Report the end of a batch, and wait for the next one; empty if the process is to end."""
        now = time.monotonic()
        session = self.session
        if batch and self.exit is None:
            self._ended(now, batch, rest)
        while self.exit is None:
            self.watchdog.renew(now, session.started)  # the main thread cannot while this one waits: it has the lock
            if now >= session.next_beat or self.stop.asked or session.leave_by is not None:  # limits: see `_watch`
                self._duties(now)
            task = session.running
            if task is not None:
                if self.out.results and (len(self.out.results) >= MOST_RESULTS or task.action not in self.durations.short):
                    self.out.flush()
                if task.hard_ms != self.watchdog.hard_ms:
                    self.watchdog.arm(now, task.hard_ms)
                return session.begin(self.durations.short, MOST_BATCH)
            self.out.flush()
            left_s = session.next_due() - now
            ready = zmq_poll(self.watched, max(0, int(left_s * 1000) + 1))
            now = time.monotonic()
            for socket, _ in ready:
                if socket is self.dealer:
                    self._receive(now)
                else:
                    self.task_end.recv(64)
        self.out.flush()
        return []

    def _ended(self, now: float, batch: list[Task], rest: list[Task]) -> None:
        self.durations.took(now - self.session.started, batch[: len(batch) - len(rest)])
        ended, self.ended = self.ended, []
        self._do(self.session.finished(now, ended, rest))

    def _carry_out(self, batch: list[Task]) -> list[Task]:
        """Run tasks one after the other until `BATCH_S` is over; return the tasks that were not begun.

        A pending interruption is raised before this returns, and at no other time.
        """
        session, carry_out, send_part, ended = self.session, self.carry_out, self._send_part, self.ended
        forks = self.forks
        until = session.started + BATCH_S
        tasks = iter(batch)
        try:
            for task in tasks:
                session.running = task
                ended.append(carry_out(task, send_part))
                if forks.child:
                    forks.leave_child()
                if time.monotonic() > until:
                    break
            with self.lock:
                self.inside = False
        except SoftLimit:  # raised just after the task ended; at most one for each task
            with self.lock:
                self.inside = False
                self._interrupted()
        return [*tasks]

    def _interrupted(self) -> None:
        """Count a task that was interrupted just after its end as interrupted, unless its result is already sent."""
        task = self.session.running
        if task is not None and any(member is task for member in self.session.batch):
            self.ended[:] = [send for send in self.ended if send.message.task != task.id]  # type: ignore[union-attr]
            self.ended.append(soft_limit(task))

    def _send_ended(self) -> None:
        """Send the results of a batch that continues: one of its tasks takes longer than expected."""
        if ended := self.ended[:]:
            del self.ended[: len(ended)]  # the task thread may have appended another one
            self._do(self.session.ended(ended))

    def _send_part(self, part: TaskPart, frame: bytes) -> None:
        with self.lock:
            self._do(self.session.part(part, frame))

    # Both threads, with the lock

    def _duties(self, now: float) -> None:
        if self.stop.asked and not self.session.leaving:
            self._do(self.session.leave(now, "stopped by a signal", self.settings.task.drain_s))
        if now >= self.session.next_due():
            self._do(self.session.advance(now, self._report()))

    def _receive(self, now: float) -> None:
        receive, dealer, received = sockets.receive_frame, self.dealer, self._received
        with contextlib.suppress(zmq.Again):
            for _ in range(MAX_MESSAGES):
                received(now, receive(dealer, sockets.NOBLOCK))

    def _received(self, now: float, frame: bytes) -> None:
        try:
            if frame[:1] == batch_frames.TASKS:
                tasks, refused = batch_frames.read_tasks(frame)
                for _, error in refused:
                    self._refuse(error)
                actions = self.session.given(now, tasks)
            else:
                actions = self.session.received(now, decode(frame))
        except ProtocolError as error:
            self._refuse(error)
            return
        if actions:
            self._do(actions)

    def _refuse(self, error: ProtocolError) -> None:
        self.log.warning("frame refused", code=error.code, why=str(error))

    def _report(self) -> dict[str, Any]:
        cost = {"rss_bytes": self.usage.rss_bytes(), "cpu_s": self.usage.cpu_s()}
        task_s = self.durations.mean_s()
        return {**cost, "task_s": task_s} if task_s else cost

    def _do(self, actions: list[Do]) -> None:
        for action in actions:
            kind = type(action)
            if kind is Run:  # the task thread runs the task that the session has as running
                continue
            if kind is Send and type(action.message) is Result:  # type: ignore[union-attr]
                self.out.results.append(action)  # type: ignore[arg-type]
                continue
            match action:
                case Send():
                    self.out.send(action)
                case Interrupt(task):
                    self.log.warning("task interrupted", task=task.id.hex(), action=task.action)
                    self._interrupt()
                case Exit():
                    self.exit = self.exit or action

    def _interrupt(self) -> None:
        """Raise `SoftLimit` in the running task, as soon as it executes Python code again."""
        if self.inside:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread.ident or 0), ctypes.py_object(SoftLimit))
