"""A worker process: two threads around the pure `Session`, of which one at a time holds it and the socket.

The task thread takes tasks from the socket, carries them out, and sends their results: no task is handed from thread to thread,
which would cost more than a short task does. It holds the lock but for the time that it is inside of a task, or of several short
ones. The main thread waits for signals; several times in a heartbeat it looks whether the lock is free, which is so while a task
takes its time, and does then what is due: heartbeats, limits, what the broker has sent. So the worker is alive while a task
blocks. The lock is the full fence that libzmq asks for where two threads use a socket in turn. PROTOCOL.md section 5.

Where a thread has ended that must not, the process ends at once: a worker that beats and does nothing is worse than none.
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

import structlog
import zmq
from zmq.backend import zmq_poll

from hulak.bus.errors import ProtocolError
from hulak.bus.process import sockets
from hulak.bus.process.lifecycle import Stop, find_broker
from hulak.bus.process.member import Member
from hulak.bus.process.resource_usage import Usage
from hulak.bus.process.settings import Settings
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.messages import Result, Task, TaskPart
from hulak.workers.runtime.forks import Forks, break_off, broker_addresses, end_children
from hulak.workers.runtime.send_queue import SendQueue
from hulak.workers.runtime.session import Do, Exit, Interrupt, Run, Send, Session
from hulak.workers.runtime.task_failures import SoftLimit
from hulak.workers.runtime.task_runner import Actions, TaskRunner, soft_limit
from hulak.workers.runtime.task_timings import TaskTimings

decode = codec.decode_to_worker
LOOKS = 4  # of the main thread in the time of a heartbeat
MAX_MESSAGES = 128  # taken in between two tasks
MOST_RESULTS = 64  # of short tasks, sent together; the broker is at them while the next ones are done
MOST_BATCH = 32  # short tasks that are done in one go
BATCH_S = 0.001  # so long it takes at most, or little more: then what one task costs is looked at again


class Worker:
    """The shell.

    Args:
        settings: checked.
        home: the broker's folder.
        session: not yet registered.
        make_actions: makes the service's actions; called in the task thread, once.
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
        session.info |= {batch_frames.TAKES: True}
        self.stop = stop
        self.log = log
        self.usage = Usage()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.forks = Forks(broker_addresses(settings, home))
        self.runner = TaskRunner(make_actions, settings.broker.max_message_bytes, log, self.forks)
        self.lock = threading.Lock()  # of the session and the socket
        self.inside = False  # the task thread is inside of a task: it may be interrupted
        self.thread = threading.Thread(target=self._work, name="tasks", daemon=True)
        self.main_end, self.task_end = plain.socketpair()  # a byte wakes the other thread's poll
        self.ended: list[Send] = []  # of the batch under way: the task thread puts them here without the lock
        self.out = SendQueue(session)
        self.durations = TaskTimings()
        self.exit: Exit | None = None

    def run(self) -> int:
        """Serve until retired or stopped; return the process's exit code."""
        where = find_broker(self.settings, self.home, "backend", self.stop, self.log)
        if where is None:
            return 0
        self.dealer = self.out.connect(self.context, where)
        self.watched: list[Any] = [(self.dealer, zmq.POLLIN), (self.task_end.fileno(), zmq.POLLIN)]
        self.forks.guard()
        self.forks.lasts()
        self.thread.start()
        self.log.info("worker started", worker=self.session.name, service=self.session.service, broker=where)
        try:
            code = self._watch()
        except BaseException as error:  # noqa: BLE001 - the other threads would go on
            break_off(self.log, error)
        self.context.term()
        return code

    # The main thread

    def _watch(self) -> int:
        """Step in while the task thread is inside of a task, until the process is to end; return its exit code."""
        wait_ms = max(1, int(self.session.heartbeat_s * 1000 / LOOKS))
        told = False
        while self.exit is None:
            zmq_poll([(self.stop.reader.fileno(), zmq.POLLIN), (self.main_end.fileno(), zmq.POLLIN)], wait_ms)
            self.stop.drain()
            if self.member is not None:
                self.member.beat()
            if self.exit is None and (not self.thread.is_alive() or (self.member is not None and self.member.ended())):
                break_off(self.log, "a thread has ended that must not")
            if self.stop.asked and not told:
                told = True
                self.main_end.send(b"!")
            if self.lock.acquire(blocking=False):
                try:
                    if self.inside:
                        self._tell_ended()
                        self.out.flush()
                        self._receive(time.monotonic())
                    self._duties(time.monotonic())
                finally:
                    self.lock.release()
        with self.lock:
            self.log.info("worker stopped", code=self.exit.code, why=self.exit.why)
            self.dealer.close(linger=500)  # ms for the goodbye to leave
            if self.member is not None:
                self.member.stop()
            if self.session.running is not None:
                end_children()
                os._exit(self.exit.code)  # its thread cannot be ended, and would keep the process
        self.thread.join()
        return self.exit.code

    # The task thread

    def _work(self) -> None:
        try:
            self.forks.lasts()
            self._serve()
        except BaseException as error:  # noqa: BLE001 - whatever it was, nothing more would be done
            self.forks.leave_child(error)
            break_off(self.log, error)

    def _serve(self) -> None:
        batch, left = list[Task](), list[Task]()
        while True:
            with self.lock:
                batch = self._between(batch, left)
                self.inside = bool(batch)
            if not batch:
                with contextlib.suppress(OSError):
                    self.task_end.send(b"!")
                return
            left = self._carry_out(batch)

    def _between(self, batch: list[Task], left: list[Task]) -> list[Task]:
        """Tell how tasks ended, and wait for the next ones; none if the process is to end."""
        now = time.monotonic()
        session = self.session
        if batch and self.exit is None:
            self._ended(now, batch, left)
        while self.exit is None:
            if now >= session.next_beat or self.stop.asked or session.leave_by is not None:  # limits: see `_watch`
                self._duties(now)
            task = session.running
            if task is not None:
                if self.out.results and (len(self.out.results) >= MOST_RESULTS or task.action not in self.durations.short):
                    self.out.flush()
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

    def _ended(self, now: float, batch: list[Task], left: list[Task]) -> None:
        self.durations.took(now - self.session.started, batch[: len(batch) - len(left)])
        ended, self.ended = self.ended, []
        self._do(self.session.finished(now, ended, left))

    def _carry_out(self, batch: list[Task]) -> list[Task]:
        """Do tasks one after the other until they took longer than they should; return those that were not begun.

        An interruption that was on its way comes before this returns, and at no other time.
        """
        session, carry_out, send_part, ended = self.session, self.runner.carry_out, self._send_part, self.ended
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
        except SoftLimit:  # it came when the task had just ended; there is one for each task at most
            with self.lock:
                self.inside = False
                self._interrupted()
        return [*tasks]

    def _interrupted(self) -> None:
        """Let a task that was interrupted when it had just ended count as interrupted, unless its end is told already."""
        task = self.session.running
        if task is not None and any(one is task for one in self.session.batch):
            self.ended[:] = [send for send in self.ended if send.message.task != task.id]  # type: ignore[union-attr]
            self.ended.append(soft_limit(task))

    def _tell_ended(self) -> None:
        """Tell of what ended in a batch that goes on: one of its tasks takes longer than such tasks did."""
        if ended := self.ended[:]:
            del self.ended[: len(ended)]  # the task thread may have put one more behind them
            self._do(self.session.ended(ended))

    def _send_part(self, part: TaskPart, frame: bytes) -> None:
        with self.lock:
            self._do(self.session.part(part, frame))

    # Both, with the lock

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
            if kind is Run:  # the task thread does what the session says is running
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
        """Raise `SoftLimit` in the running task, as soon as it runs Python code again."""
        if self.inside:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread.ident or 0), ctypes.py_object(SoftLimit))
