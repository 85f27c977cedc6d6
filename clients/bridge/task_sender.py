"""The bridge's way out for tasks: a worker of one service, whose tasks another site does. PROTOCOL.md section 15.4.

The broker owns the tasks: a bridge that is started again is given them again, sends them again, and the other site joins each.
"""

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import Any

import zmq
from nats.aio.msg import Msg

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.process import endpoints, sockets
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.asyncio_wait import readable
from hulak.bus.wire import codec
from hulak.bus.wire.messages import MessageFromWorker, Result, Task
from hulak.clients.bridge import task_messages
from hulak.clients.bridge.held_tasks import HeldTasks
from hulak.clients.bridge.state import CONNECTING, FAILING, SENDING, State
from hulak.clients.bridge.stream import ANSWER_S, FAILURES
from hulak.clients.bridge.task_messages import failure
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.calls.posted_tasks import WAIT_S

AGAIN_S = 1.0  # before the next attempt after a failure
CREDIT = 128  # tasks of a service that are under way
MOST_READ = 128  # messages of the broker in one turn
HWM = 10_000
HEADROOM = 1024  # bytes of a message of NATS beside its body
GOODBYE_MS = 500


class TaskSender:
    """Sends the tasks of one service to another site.

    Args:
        settings: checked.
        home: the broker's folder.
        service: of workers.
        site: that does its tasks.
        client: of NATS, connected.
        broker: of this site.
        log: of this process.
    """

    def __init__(
        self, settings: Settings, home: Path, service: str, site: str, client: Any, broker: AsyncBusClient, log: Log
    ) -> None:
        self.settings = settings
        self.home = home
        self.service, self.site, self.here = service, site, settings.bridge.site
        self.client = client
        self.context = client.jetstream(timeout=ANSWER_S)
        self.broker = broker
        self.log = log
        self.state = State()
        name = f"bridge-{self.here}-{service}/{os.getpid()}"
        self.held = HeldTasks(service, name, CREDIT, settings.task.heartbeat_s, {"pid": os.getpid(), "site": site})
        self.done = self.failed = self.cancelled = self.malformed = self.failures = 0
        self._dealer: Any = None
        self._woken = asyncio.Event()
        self._jobs: dict[bytes, asyncio.Task[None]] = {}  # that watch the row of a task
        self._sends: set[asyncio.Task[None]] = set()
        self._results: dict[bytes, list[Msg]] = {}  # acknowledged when the broker has the result

    async def run(self) -> None:
        """Serve until an operator retires this worker."""
        while (where := await asyncio.to_thread(endpoints.find, self.settings, self.home, "backend")) is None:
            self.state.become(CONNECTING, "the broker is not running")
            await asyncio.sleep(AGAIN_S)
        self._dealer = sockets.connect_dealer(sockets.process_context(), where, sndhwm=HWM, rcvhwm=HWM)
        self.state.become(SENDING)
        try:
            while not self.held.retired:
                self._receive()
                self._send(self.held.due(time.monotonic()))
                await readable([self._dealer], self._woken, self.held.heartbeat_s / 2)
        finally:
            for job in (*self._jobs.values(), *self._sends):
                job.cancel()
            self._send(self.held.leave())
            self._dealer.close(linger=GOODBYE_MS)

    def values(self) -> dict[str, Any]:
        """Return the state, for the process's report; may be called from any thread."""
        return {
            "service": self.service,
            **self.state.values(),
            "under_way": len(self.held.rows),
            "done": self.done,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "malformed": self.malformed,
            "failures": self.failures,
        }

    def _receive(self) -> None:
        with contextlib.suppress(zmq.Again):
            for _ in range(MOST_READ):
                self._take(sockets.receive_frame(self._dealer, sockets.NOBLOCK))
            self._woken.set()  # there may be more

    def _take(self, frame: bytes) -> None:
        try:
            message = codec.decode_to_worker(frame)
        except ProtocolError as error:
            self.malformed += 1
            self.log.warning("frame refused", code=error.code, why=str(error))
            return
        answers, tasks = self.held.received(time.monotonic(), message)
        self._send(answers)
        for task in tasks:
            self._begin(self._publish(task))
            if task.id not in self._jobs:
                self._jobs[task.id] = job = asyncio.create_task(self._watch(task.id))
                job.add_done_callback(lambda _, task_id=task.id: self._jobs.pop(task_id, None))  # type: ignore[misc]

    def _send(self, messages: list[MessageFromWorker]) -> None:
        """Send messages; without a connection all is sent again after the next registration."""
        try:
            for message in messages:
                sockets.send_frame(self._dealer, codec.encode(message), sockets.NOBLOCK)
        except zmq.Again:
            self.held.epoch = None

    def _begin(self, work: Any) -> None:
        job = asyncio.create_task(work)
        self._sends.add(job)
        job.add_done_callback(self._sends.discard)

    # To the other site

    async def _publish(self, task: Task) -> None:
        """Publish a task until the server has it, or it is no longer held."""
        body = codec.encode(task)
        most = self.client.max_payload - HEADROOM
        if len(body) > most:
            text = f"the task has {len(body)} bytes, and a message of NATS takes {most}"
            self._arrived(failure(task.id, task.attempt, "TOO_LARGE", text))
            return
        subject = task_messages.run_subject(self.site, self.here, self.service)
        while (held := self.held.rows.get(task.id)) is not None and held.task is task and held.result is None:
            if await self._published(subject, body):
                return

    async def _send_cancel(self, task: bytes) -> None:
        self.cancelled += 1
        subject = task_messages.cancel_subject(self.site, self.here, self.service)
        while not await self._published(subject, task):
            pass

    async def _published(self, subject: str, body: bytes) -> bool:
        """Try to publish; after a failure, wait."""
        try:
            await self.context.publish(subject, body, timeout=ANSWER_S)
        except FAILURES as error:
            self.failures += 1
            why = f"{type(error).__name__}: {error}"
            if self.state.become(FAILING, why):
                self.log.warning("tasks not sent", service=self.service, site=self.site, why=why)
            await asyncio.sleep(AGAIN_S)
            return False
        if self.state.name == FAILING:
            self.state.become(SENDING)
        return True

    # Back

    async def result(self, message: Msg, result: Result) -> None:
        """Handle a message of the other site; it is acknowledged when the broker has the result, or has no use for it."""
        if result.task not in self.held.rows:
            await message.ack()
            return
        self._results.setdefault(result.task, []).append(message)
        self._arrived(result)

    def _arrived(self, result: Result) -> None:
        self._send(self.held.result(result))
        self._woken.set()
        if result.task not in self.held.rows:  # a call: it is over
            self._begin(self._over(result.task, result))

    async def _over(self, task: bytes, result: Result | None) -> None:
        if result is not None and result.done:
            self.done += 1
        elif result is not None:
            self.failed += 1
        for message in self._results.pop(task, ()):
            with contextlib.suppress(*FAILURES):
                await message.ack()

    async def _watch(self, task: bytes) -> None:
        """Wait until a task has ended at its own broker: by its result, or because it was cancelled or has expired."""
        wait_s = 0.0  # at first: a request that waits would wait for a called task too, which has no row
        while (held := self.held.rows.get(task)) is not None:
            try:
                row = await self.broker.show_task(task.hex(), wait_s=wait_s)
            except BusError as error:
                if error.code in ("UNKNOWN_TASK", "FORBIDDEN"):
                    self._send(self.held.no_row(task))
                    if task not in self.held.rows:
                        await self._over(task, held.result)
                    return
                await asyncio.sleep(AGAIN_S)
                continue
            wait_s = WAIT_S
            if row["ended_ns"] is None:
                continue
            held = self.held.rows.get(task)
            answers, cancel = self.held.ended(task, str(row["state"]))
            self._send(answers)
            if held is not None:
                await self._over(task, held.result)
            if cancel:
                await self._send_cancel(task)
            return
