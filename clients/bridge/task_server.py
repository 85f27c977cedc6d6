"""The bridge's way in for tasks: those of other sites are posted here, and their results sent back. PROTOCOL.md section 15.4.

A message is acknowledged when its result is in the stream of the task's own site: before that the task is on this broker's disk,
and a message that comes again joins it by its id. So nothing has to be kept here.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

from nats.aio.msg import Msg

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import BridgeSettings
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Result, Task
from hulak.clients.bridge import task_messages
from hulak.clients.bridge.state import FAILING, RECEIVING, State
from hulak.clients.bridge.stream import ANSWER_S, FAILURES
from hulak.clients.bridge.task_messages import CANCEL, RUN, Route, failure
from hulak.clients.bridge.work_stream import MOST_UNACKNOWLEDGED, RENEW_S, WorkStream
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.calls.posted_tasks import WAIT_S, posting

AGAIN_S = 1.0  # before the next attempt after a failure
FETCH_S = 1.0
LATER = {"BUSY", "TIMEOUT", "STORE_FAILED", "INTERNAL"}  # a request that is refused so is repeated
HEADROOM = 1024  # bytes of a message of NATS beside its body


@dataclass(slots=True)
class UnderWay:
    """A task of another site."""

    route: Route
    task: Task  # of the newest message
    messages: list[Msg] = field(default_factory=list)  # that are acknowledged with its result
    job: "asyncio.Task[None] | None" = None


class TaskServer:
    """Does the tasks of other sites.

    Args:
        settings: of the bridge.
        client: of NATS, connected.
        broker: of this site.
        log: of this process.
    """

    def __init__(self, settings: BridgeSettings, client: Any, broker: AsyncBusClient, log: Log) -> None:
        self.settings = settings
        self.site = settings.site
        self.broker = broker
        self.log = log
        self.stream = WorkStream(client, task_messages.tasks_stream(self.site), f"{task_messages.TASKS}.{self.site}.>")
        self.state = State()
        self.under_way: dict[bytes, UnderWay] = {}
        self.done = self.failed = self.cancelled = self.malformed = self.failures = 0
        self._renew_at = 0.0
        self._cancels: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve without end."""
        try:
            while True:
                try:
                    await self._follow()
                except (*FAILURES, BusError) as error:
                    self.failures += 1
                    why = f"{type(error).__name__}: {error}"
                    if self.state.become(FAILING, why):
                        self.log.warning("tasks of other sites interrupted", why=why)
                    await asyncio.sleep(AGAIN_S)
        finally:
            for way in self.under_way.values():
                if way.job is not None:
                    way.job.cancel()
            for cancel in self._cancels:
                cancel.cancel()

    def values(self) -> dict[str, Any]:
        """Return the state, for the process's report; may be called from any thread."""
        return {
            "stream": self.stream.name,
            **self.state.values(),
            "under_way": len(self.under_way),
            "done": self.done,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "malformed": self.malformed,
            "failures": self.failures,
        }

    async def _follow(self) -> None:
        await self.stream.open(self.settings)
        self.state.become(RECEIVING)
        try:
            while True:
                for message in await self.stream.fetch(FETCH_S):
                    await self._take(message)
                while len(self.under_way) >= MOST_UNACKNOWLEDGED:
                    await self._renew()
                    await asyncio.sleep(FETCH_S / 10)
                await self._renew()
        finally:
            with contextlib.suppress(*FAILURES):
                await self.stream.close()

    async def _renew(self) -> None:
        """Renew the messages whose tasks take longer, before the server delivers them again."""
        if time.monotonic() < self._renew_at:
            return
        self._renew_at = time.monotonic() + RENEW_S
        for message in [message for way in self.under_way.values() for message in way.messages]:
            await message.in_progress()

    async def _take(self, message: Msg) -> None:
        try:
            route = task_messages.route_of(message.subject)
            if route.kind == CANCEL:
                self._begin_cancel(task_messages.read_id(message.data), message)
                return
            if route.kind != RUN:
                raise ProtocolError("BAD_TOPIC", f"subject {message.subject[:80]!r} must end with {RUN} or {CANCEL}")
            task = task_messages.read_task(message.data)
        except ProtocolError as error:
            self.malformed += 1
            if self.malformed == 1:
                self.log.warning("task malformed", subject=message.subject, why=str(error))
            await message.term()
            return
        way = self.under_way.get(task.id)
        if way is not None:
            way.task = task
            way.messages.append(message)
            return
        way = self.under_way[task.id] = UnderWay(route, task, [message])
        way.job = asyncio.create_task(self._serve(way))

    async def _serve(self, way: UnderWay) -> None:
        """Do a task and send its result; the task stays under way until the server has it."""
        result = await self._result(way)
        if result.done:
            self.done += 1
        else:
            self.failed += 1
        await self._send(way, result)
        del self.under_way[way.task.id]
        for message in way.messages:
            with contextlib.suppress(*FAILURES):
                await message.ack()

    async def _result(self, way: UnderWay) -> Result:
        route, task = way.route, way.task
        if route.service not in self.settings.served:
            text = f"site {self.site} does no tasks of service {route.service!r}: setting bridge.serves has those that it does"
            return failure(task.id, task.attempt, "NOT_SERVED", text)
        posted = posting(route.service, task.action, task.args)
        while True:
            try:
                await self.broker.submit_as(task.id, "hulak.post", posted, timeout_s=ANSWER_S)
                row: dict[str, Any] = {"ended_ns": None}
                while row["ended_ns"] is None:
                    row = await self.broker.show_task(task.id.hex(), wait_s=WAIT_S)
            except BusError as error:
                if error.code not in LATER and error.code != "UNKNOWN_TASK":
                    return failure(task.id, task.attempt, error.code, f"site {self.site} refused the task: {error}")
                await asyncio.sleep(AGAIN_S)
            else:
                return task_messages.result_of_row(task, row)

    async def _send(self, way: UnderWay, result: Result) -> None:
        subject = task_messages.result_subject(way.route.of, self.site, way.route.service)
        body = codec.encode(result)
        most = self.stream.client.max_payload - HEADROOM
        if len(body) > most:
            text = f"the result has {len(body)} bytes, and a message of NATS takes {most}"
            body = codec.encode(failure(result.task, result.attempt, "TOO_LARGE", text))
        while True:
            try:
                await self.stream.context.publish(subject, body, timeout=ANSWER_S)
            except FAILURES:
                self.failures += 1
                await asyncio.sleep(AGAIN_S)
            else:
                return

    def _begin_cancel(self, task: bytes, message: Msg) -> None:
        job = asyncio.create_task(self._cancel(task, message))
        self._cancels.add(job)
        job.add_done_callback(self._cancels.discard)

    async def _cancel(self, task: bytes, message: Msg) -> None:
        """Cancel a task that has ended at its own site; a task that is not here needs no cancelling."""
        try:
            await self.broker.cancel(task.hex())
            self.cancelled += 1
        except BusError as error:
            if error.code in LATER:
                return  # the message comes again
        with contextlib.suppress(*FAILURES):
            await message.ack()
