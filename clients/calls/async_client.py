"""`AsyncBusClient`: the calls of `BusClient`, for asyncio. No threads: the loop watches the sockets' file descriptors."""

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hulak.bus.errors import BusError, HulakError
from hulak.bus.process import endpoints
from hulak.bus.process.client_logger import Logger, logger_of
from hulak.bus.process.load_settings import located
from hulak.bus.process.requests import SEARCH_AGAIN_S, draw_ids
from hulak.bus.process.settings import Settings
from hulak.bus.process.sockets import BrokerAddress
from hulak.bus.process.tracing import Tracing
from hulak.clients.calls.client import WINDOW
from hulak.clients.calls.connection import Connection
from hulak.clients.calls.pending import GRACE_S, CallKind, Parts, PendingCalls, kind_of, parts_of
from hulak.clients.calls.posted_tasks import WAIT_S, not_ended, posted_id, posting, result_args, task_id, value_of
from hulak.clients.calls.send_buffer import BUNDLE_CALLS, SendBuffer
from hulak.clients.calls.traced_calls import TracedCalls


class AsyncCall(asyncio.Future[Any]):
    """The answer to come of a call; it is cancelled together with the task that awaits it."""

    id: bytes
    frame: bytes
    named: str
    timeout_s: float
    parts: Parts | None
    due: float
    pending: PendingCalls

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the call: its reply is ignored."""
        self.pending.forget(self)
        return super().cancel(msg)

    def settle(self, value: Any, error: BusError | None) -> None:
        """Set the result of the call."""
        if self.done():
            return
        if error is None:
            self.set_result(value)
        else:
            self.set_exception(error)


def _error_of(call: asyncio.Future[Any]) -> BaseException | None:
    return asyncio.CancelledError("cancelled by its caller") if call.cancelled() else call.exception()


class AsyncBusClient:
    """A connection to the broker's frontend; an async context manager, of one event loop.

    If the broker is not running yet, each call waits for it until its timeout.

    Args:
        settings: name the broker's endpoints; loaded as for every command if None.
        home: the broker's folder, the default one if None; local processes use the sockets there.
        key: the file of this client's key, to connect with it by TCP; that of the settings (`HULAK_KEY`) if None.
        logger: receives the events of the connection; None for no log.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        home: Path | None = None,
        *,
        key: Path | str | None = None,
        logger: Logger | None = None,
    ) -> None:
        self._log = logger_of(logger)
        self._settings, self._home = located(settings, home, key)
        self._new_id = draw_ids()
        tracing = Tracing.of(self._settings)
        self._traced = None if tracing is None else TracedCalls(tracing)
        self._pending = PendingCalls(endpoints.expected(self._settings, self._home, "frontend"))
        self._link: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._send_buffer = SendBuffer()
        self._polling = False  # `_poll` is scheduled
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = math.inf  # monotonic seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; pending calls end with `CLOSED`."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._close_link()
        self._timer = self._connecting = None
        self._send_buffer.begin_again(())
        self._pending.close()

    async def call(self, service: str, action: str = "", args: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Call an action and await its reply; for options and errors see `BusClient.call`."""
        return await self.submit(service, action, args, **options)

    def submit(
        self,
        service: str,
        action: str = "",
        args: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = 60.0,
        retries: int | None = None,
        share: bool = False,
        priority: int = 1,
        on_part: Callable[[Any], None] | None = None,
        on_restart: Callable[[], None] | None = None,
    ) -> AsyncCall:
        """Call an action without waiting; for the arguments see `BusClient.call`.

        It is sent at once if no other call is pending, else in a batch with the calls of the same iteration of the event loop.

        Returns:
            a future, to be awaited, gathered or cancelled like any other; it raises the errors of `BusClient.call`.
        Raises:
            BusError: `TOO_LARGE`, see `BusClient.call`; nothing is sent.
        """
        kind = kind_of(service, action, timeout_s, retries, share, priority)
        call_id, parts = self._new_id(), parts_of(on_part, on_restart)
        if self._traced is None:
            return self._add(kind, call_id, args, parts)
        traced = self._traced
        kind, span = traced.begin(kind, call_id, args)
        try:
            call = self._add(kind, call_id, args, parts)
        except BaseException as error:
            if span is not None:
                traced.end(span, error)
            raise
        if span is not None:
            call.add_done_callback(lambda ended: traced.end(span, _error_of(ended)))
        return call

    def submit_as(self, call_id: bytes, service: str, args: Mapping[str, Any], *, timeout_s: float = 60.0) -> AsyncCall:
        """Call a control service under a given id, which no other pending call has: `hulak.post` makes it the task's id.

        Args:
            call_id: 16 bytes.
            service: such as `hulak.post`.
            args: of the service.
            timeout_s: for the reply.
        """
        return self._add(kind_of(service, "", timeout_s, None, False, 1), call_id, args, None)

    def _add(self, kind: CallKind, call_id: bytes, args: Mapping[str, Any] | None, parts: Parts | None) -> AsyncCall:
        timeout_s = kind.timeout_s
        frame = kind.encode(call_id, args, self._settings.broker.max_message_bytes)
        loop = asyncio.get_running_loop()
        call = AsyncCall(loop=loop)
        call.id, call.frame = call_id, frame
        call.named, call.timeout_s, call.parts, call.pending = kind.named, timeout_s, parts, self._pending
        call.due = time.monotonic() + timeout_s + GRACE_S
        alone = not self._pending.under_way
        self._pending.add(call)
        if call.due < self._timer_due:
            self._set_timer()
        if self._link is not None:
            self._send(self._link, call, alone)
        elif self._connecting is None:
            self._connecting = loop.create_task(self._connect())
        return call

    async def map(
        self, service: str, action: str, args: Iterable[Mapping[str, Any]], *, window: int = WINDOW, **options: Any
    ) -> AsyncIterator[Any]:
        """Call an action for each of many arguments, `window` at a time; yield the results in the same order.

        Raises:
            BusError: see `call`; raised in place of the failed call's result; the remaining calls are cancelled.
        """
        under_way: deque[AsyncCall | BusError] = deque()  # a call that could not be sent has its error here
        remaining = iter(args)
        try:
            while True:
                if len(under_way) <= window - window // 4:  # in batches, see `BusClient.map`
                    for values in itertools.islice(remaining, window - len(under_way)):
                        try:
                            under_way.append(self.submit(service, action, values, **options))
                        except BusError as error:
                            under_way.append(error)
                if not under_way:
                    return
                first = under_way.popleft()
                if isinstance(first, BusError):
                    raise first
                yield await first
        finally:
            for call in under_way:
                if not isinstance(call, BusError):
                    call.cancel()

    # Posted tasks, see `PostedTasks`

    async def post(
        self, service: str, action: str = "", args: Mapping[str, Any] | None = None, *, timeout_s: float = 10.0, **options: Any
    ) -> str:
        """Post a task and return its id; it is then safe on the broker's disk. For the options see `posted_tasks.posting`."""
        return posted_id(await self.submit("hulak.post", "", posting(service, action, args, **options), timeout_s=timeout_s))

    async def result(self, task: str, *, timeout_s: float = 60.0) -> Any:
        """Await the end of a posted task and return its value; for the errors see `BusClient.result`."""
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            row = await self.show_task(task, wait_s=min(left_s, WAIT_S))
            if row["ended_ns"] is not None:
                return value_of(row)
            if left_s <= 0:
                raise not_ended(task, row["state"], timeout_s)

    async def cancel(self, task: str) -> str:
        """Cancel a posted task; return its state."""
        return str((await self.submit("hulak.cancel", "", {"task": task_id(task)}, timeout_s=10.0))["state"])

    async def post_many(
        self, service: str, action: str, args: Iterable[Mapping[str, Any]], *, window: int = WINDOW, **options: Any
    ) -> AsyncIterator[str]:
        """Post a task for each of many arguments, `window` at a time; yield their ids in order, see `BusClient.post_many`."""
        postings = (posting(service, action, values, **options) for values in args)
        async for accepted in self.map("hulak.post", "", postings, window=window):
            yield posted_id(accepted)

    async def show_task(self, task: str, *, wait_s: float = 0.0, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return all stored values of a task, once it has ended or `wait_s` seconds are over."""
        return dict(await self.submit("hulak.result", "", result_args(task, wait_s), timeout_s=wait_s + timeout_s))

    async def inspect_task(self, task: str, *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return all stored values of a task, and its arguments and attempts: `hulak.task.show`."""
        return dict(await self.submit("hulak.task.show", "", {"task": task_id(task)}, timeout_s=timeout_s))

    async def list_calls(self, *, service: str | None = None, limit: int = 100) -> dict[str, Any]:
        """Return the calls in progress, the oldest first, as `calls`; `complete` is false if there may be more."""
        return dict(await self.submit("hulak.calls", "", {"service": service, "limit": limit}, timeout_s=10.0))

    async def list_tasks(
        self, *, state: str | None = None, service: str | None = None, before: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """List tasks, the newest first; older ones than `before` if that is given."""
        filters = {"state": state, "service": service, "before": before and task_id(before), "limit": limit}
        return list(await self.submit("hulak.tasks", "", filters, timeout_s=10.0))

    async def retry_task(self, task: str) -> str:
        """Post a dead letter again; return the new task's id."""
        return posted_id(await self.submit("hulak.retry", "", {"task": task_id(task)}, timeout_s=10.0))

    async def drop_task(self, task: str) -> bool:
        """Delete a dead letter; false if there is none with this id."""
        return bool(await self.submit("hulak.drop", "", {"task": task_id(task)}, timeout_s=10.0))

    # The connection

    async def _connect(self) -> None:
        try:
            while (where := await self._find()) is None:  # noqa: ASYNC110 - no event
                await asyncio.sleep(SEARCH_AGAIN_S)
        except HulakError as error:
            self._connecting = None
            self._send_buffer.begin_again(())
            self._pending.end_all(error)
            return
        self._link = Connection(where)
        self._log.info("broker found", frontend=str(where))
        loop = asyncio.get_running_loop()
        for descriptor, follow in zip(self._link.descriptors(), (self._poll, self._poll_connection), strict=True):
            loop.add_reader(descriptor, follow)
        self._connecting = None
        self._send_buffer.begin_again(self._pending.under_way.values())
        self._poll_connection()
        self._poll()

    def _close_link(self) -> None:
        if self._link is not None:
            loop = asyncio.get_running_loop()
            for descriptor in self._link.descriptors():
                loop.remove_reader(descriptor)
            self._link.close()
        self._link = None

    async def _find(self) -> BrokerAddress | None:
        place = self._settings, self._home, "frontend"
        if self._settings.security.key is None:  # then it is on this machine
            return endpoints.find(*place)
        return await asyncio.to_thread(endpoints.find, *place)

    def _send(self, link: Connection, call: AsyncCall, alone: bool) -> None:
        gathered = self._send_buffer
        gathered.calls.append(call)
        sent = (alone or len(gathered.calls) >= BUNDLE_CALLS) and gathered.flush(link.send)
        if not sent or link.readable():  # sending may have consumed the descriptor's edge: received messages must be read soon
            self._poll_soon()

    def _poll_soon(self) -> None:
        if not self._polling:
            self._polling = True
            asyncio.get_running_loop().call_soon(self._poll)

    def _poll(self) -> None:
        """Send the pending calls, and read all received messages: the descriptor is edge-triggered."""
        self._polling = False
        link = self._link
        if link is None:
            return
        self._send_buffer.flush(link.send)
        try:
            while self._link is link and link.readable():
                self._pending.take(link.receive())
        except Exception:
            self._poll_soon()  # the remaining messages must be read too
            raise

    def _poll_connection(self) -> None:
        """Read all events of the connection; send the calls again if it was restored, connect again if the key was refused."""
        if self._link is None:
            return
        again = self._link.reconnected()
        if self._link.refused:
            self._close_link()
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        elif again:
            self._log.info("requests sent again after reconnection", requests=len(self._pending))
            self._send_buffer.begin_again(self._pending.under_way.values())
            self._poll_soon()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_due = None, self._pending.next_due()
        if self._pending:
            left_s = max(0.0, self._timer_due - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(left_s, self._expire)

    def _expire(self) -> None:
        self._pending.end_expired(time.monotonic())
        self._set_timer()
