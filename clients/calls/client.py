"""`BusClient`: calls to services, each with one reply, any number at a time. PROTOCOL.md section 4.

A call is sent again, with the same id, when the connection to the broker is restored: a restarted broker has no calls, a running
one recognises the id. Not thread-safe: one client per thread; an internal thread sends pending calls while the owner does other
work.
"""

import itertools
import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hulak.bus.errors import BusError, BusTimeout, HulakError
from hulak.bus.process import endpoints
from hulak.bus.process.client_logger import Logger, logger_of
from hulak.bus.process.load_settings import located
from hulak.bus.process.requests import SEARCH_AGAIN_S, draw_ids
from hulak.bus.process.settings import Settings
from hulak.bus.process.tracing import Tracing
from hulak.clients.calls.connection import Connection
from hulak.clients.calls.future import Future
from hulak.clients.calls.pending import GRACE_S, CallKind, Parts, PendingCalls, kind_of, parts_of
from hulak.clients.calls.posted_tasks import PostedTasks
from hulak.clients.calls.schedules import Schedules
from hulak.clients.calls.send_buffer import BUNDLE_CALLS, Flusher, SendBuffer
from hulak.clients.calls.traced_calls import TracedCalls

POLL_AFTER = 64  # calls of `submit` between two reads of replies, so that these do not accumulate
WINDOW = 100  # pending calls of `map` at a time
MOST_WAIT_MS = 3_600_000


class BusClient(PostedTasks, Schedules):
    """A connection to the broker's frontend.

    Args:
        settings: name the broker's endpoints; loaded as for every command if None.
        home: the broker's folder, the default one if None; local processes use the sockets there.
        key: the file of this client's key, to connect with it by TCP; that of the settings (`HULAK_KEY`) if None.
        logger: receives the events of the connection; None for no log.
    Raises:
        ConfigError: a setting is wrong, or the file of the key cannot be read.
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
        self._most = self._settings.broker.max_message_bytes
        self._new_id = draw_ids()
        tracing = Tracing.of(self._settings)
        self._traced = None if tracing is None else TracedCalls(tracing)
        self._pending = PendingCalls(endpoints.expected(self._settings, self._home, "frontend"))
        self._link: Connection | None = None
        self._lock = threading.RLock()  # guards the link; callbacks are called with it and may acquire it again
        self._send_buffer = SendBuffer()
        self._flusher: Flusher | None = None
        self._taking = False
        self._until_poll = POLL_AFTER

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; pending calls end with `CLOSED`."""
        if self._flusher is not None:
            self._flusher.end()
            self._flusher.join()
        if self._link is not None:
            self._link.close()
        self._link = self._flusher = None
        self._send_buffer.begin_again(())
        self._pending.close()

    def call(
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
    ) -> Any:
        """Call an action and wait for its reply.

        Args:
            service: e.g. "nepse", or a control service such as "hulak.stats".
            action: of the service.
            args: msgpack values under text keys.
            timeout_s: seconds to wait; then the broker drops the task.
            retries: further attempts after the first; the broker's setting if None.
            priority: 0 high, 1 normal, 2 low.
            share: the action only reads: an equal pending call may answer this one too.
            on_part: called with each part of the answer before its end.
            on_restart: called when the parts come again from the start, as another attempt or a restarted broker sends them: the
                earlier ones are to be discarded.
        Raises:
            BusTimeout: no broker, or no reply, within `timeout_s`.
            HandshakeFailed: the broker and this client do not accept each other's keys.
            Forbidden: the roles of the client's key do not allow the request.
            TaskFailed: the task failed in the worker.
            BusError: the broker refused the request; `TOO_LARGE`: its arguments exceed the size of a frame, and nothing is sent.
        """
        future = self._begin(kind_of(service, action, timeout_s, retries, share, priority), args, parts_of(on_part, on_restart))
        if not self._sent_alone(future):
            self._send_buffer.calls.append(future)
        try:
            return future.result()
        finally:
            future.cancel()  # if interrupted, e.g. by Ctrl-C

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
    ) -> Future:
        """Call an action without waiting: any number of calls may be pending on this connection.

        It is sent at once if no other call is pending, else in a batch with the next calls: when there are `BUNDLE_CALLS`, when
        the client waits or polls, or some milliseconds later by a thread.

        For the arguments, and the errors of `Future.result`, see `call`. It waits only for a broker that was not running yet, and
        for room: the broker accepts `broker.max_tasks` tasks at a time, and replies `BUSY` to more.

        Raises:
            BusTimeout: there is no broker.
            HandshakeFailed: see `call`.
            BusError: `TOO_LARGE`, see `call`.
        """
        alone, gathered = not self._pending.under_way, self._send_buffer.calls
        future = self._begin(kind_of(service, action, timeout_s, retries, share, priority), args, parts_of(on_part, on_restart))
        if alone and self._sent_alone(future):
            return future
        gathered.append(future)
        self._until_poll -= 1
        if len(gathered) >= BUNDLE_CALLS:
            self._send()
        elif self._flusher is None or self._flusher.is_idle:
            self._notify_flusher()
        if self._until_poll <= 0:
            self._poll()
        return future

    def _begin(self, kind: CallKind, args: Mapping[str, Any] | None, parts: Parts | None) -> Future:
        if self._traced is None:
            return self._add(kind, self._new_id(), args, parts)
        call_id, traced = self._new_id(), self._traced
        kind, span = traced.begin(kind, call_id, args)
        try:
            future = self._add(kind, call_id, args, parts)
        except BaseException as error:
            if span is not None:
                traced.end(span, error)
            raise
        if span is not None:
            future.add_done_callback(lambda ended: traced.end(span, ended.exception()))
        return future

    def _add(self, kind: CallKind, call_id: bytes, args: Mapping[str, Any] | None, parts: Parts | None) -> Future:
        frame = kind.encode(call_id, args, self._most)
        now = time.monotonic()
        if self._link is None:
            self._connect(now + kind.timeout_s, kind.timeout_s)
            now = time.monotonic()
        future = Future(call_id, frame, kind.named, kind.timeout_s, parts, self, now + kind.timeout_s + GRACE_S)
        self._pending.add(future)
        return future

    def _ended(self, kind: CallKind, error: BusError) -> Future:
        """Return the future of a call that could not be sent; it raises the error in its turn."""
        future = Future(b"", b"", kind.named, kind.timeout_s, None, self, math.inf)
        future.settle(None, error)
        return future

    def map(
        self, service: str, action: str, args: Iterable[Mapping[str, Any]], *, window: int = WINDOW, **options: Any
    ) -> Iterator[Any]:
        """Call an action for each of many arguments; yield the results in the same order.

        Args:
            service: see `call`.
            action: see `call`.
            args: read one by one, when there is room.
            window: maximum of pending calls.
            options: see `submit`.
        Raises:
            BusError: see `call`; raised in place of the failed call's result; the remaining calls are cancelled.
        """
        on_part, on_restart = options.pop("on_part", None), options.pop("on_restart", None)
        kind, remaining = kind_of(service, action, **options), iter(args)
        under_way: deque[Future] = deque()
        try:
            while True:
                if len(under_way) <= window - window // 4:  # in batches, which cost less than single calls
                    for values in itertools.islice(remaining, window - len(under_way)):
                        try:
                            future = self._begin(kind, values, parts_of(on_part, on_restart))
                        except BusError as error:
                            under_way.append(self._ended(kind, error))
                            continue
                        under_way.append(future)
                        self._send_buffer.calls.append(future)
                        if len(self._send_buffer.calls) >= BUNDLE_CALLS:
                            self._send()
                    self._send()
                if not under_way:
                    return
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()

    def poll(self, timeout_s: float = 0.0) -> int:
        """Handle received replies, waiting up to `timeout_s` seconds for the first; return how many calls ended."""
        before = len(self._pending)
        if self._link is not None and before:
            with self._lock:
                self._turn(time.monotonic() + timeout_s, for_room=not self._flush())
        return before - len(self._pending)

    def _connect(self, deadline: float, timeout_s: float) -> Connection:
        while (where := endpoints.find(self._settings, self._home, "frontend")) is None:
            if time.monotonic() + SEARCH_AGAIN_S > deadline:
                raise BusTimeout(
                    f"no broker answers at {endpoints.expected(self._settings, self._home, 'frontend')} within {timeout_s:g} s; "
                    "start one with `hulak up` or `hulak broker`"
                )
            time.sleep(SEARCH_AGAIN_S)
        self._link = Connection(where)
        self._log.info("broker found", frontend=str(where))
        return self._link

    # Methods for futures

    def give_up(self, future: Future) -> None:
        """Drop the call; its reply is ignored."""
        self._pending.forget(future)

    def wait_for(self, future: Future, deadline: float) -> None:
        """Handle received messages until the future is done, or until `deadline` (monotonic seconds)."""
        with self._lock:
            if not self._taking and self._send_buffer.calls and self._link is not None and self._link.readable():
                self._take(flush=False)  # its reply may have arrived: then pending calls need not be sent yet
            while not future.done() and self._link is not None:
                self._turn(deadline, for_room=not self._flush())
                if time.monotonic() >= deadline:
                    return

    # Sending

    def _sent_alone(self, future: Future) -> bool:
        """Send a call at once; false if others wait to be sent, or there is no room."""
        with self._lock:
            return self._send_buffer.first() is None and self._link is not None and self._link.send(future.frame)

    def _send(self) -> None:
        """Send the pending calls; wait for room, except in a callback."""
        with self._lock:
            while not self._flush() and not self._taking:
                self._turn(math.inf, for_room=True)

    def _flush(self) -> bool:
        """Send the pending calls, with the lock; false if there is no room for some of them."""
        if self._link is None or self._send_buffer.flush(self._link.send):
            return True
        self._notify_flusher()  # the caller may not wait for room
        return False

    def _notify_flusher(self) -> None:
        """Make the flusher send the pending calls while the owner does other work."""
        if self._flusher is None:
            assert self._link is not None
            self._flusher = Flusher(self._send_buffer, self._lock, self._link.send)
            weakref.finalize(self, self._flusher.end)
        elif self._flusher.is_idle:
            self._flusher.notify()

    # Receiving

    def _turn(self, deadline: float, *, for_room: bool = False) -> None:
        """Wait, with the lock, for an event, at most until `deadline` (monotonic seconds), and handle it."""
        assert self._link is not None
        left_s = min(deadline, self._pending.next_due()) - time.monotonic()
        wait_ms = 0 if left_s <= 0 else int(min(left_s * 1000, MOST_WAIT_MS)) + 1
        readable, again = self._link.poll(wait_ms, for_room=for_room)
        if self._link.refused:
            self._end_refused()
            return
        if again:
            self._log.info("requests sent again after reconnection", requests=len(self._pending))
            self._send_buffer.begin_again(self._pending.under_way.values())
            self._flush()
        if readable:
            self._take()
        now = time.monotonic()
        if now >= self._pending.next_due():
            self._pending.end_expired(now)

    def _end_refused(self) -> None:
        """End all calls with the reason why the broker no longer accepts the key, or connect again if it does."""
        link, self._link = self._link, None
        assert link is not None
        link.close()
        if self._flusher is not None:
            self._flusher.end()  # it sends on the former connection; another one is made when it is needed
            self._flusher = None
        try:
            where = endpoints.find(self._settings, self._home, "frontend")
        except HulakError as error:
            self._send_buffer.begin_again(())
            self._pending.end_all(error)
            return
        self._link = Connection(where or link.where)
        self._send_buffer.begin_again(self._pending.under_way.values())
        self._flush()

    def _poll(self) -> None:
        """Handle received messages."""
        self._until_poll = POLL_AFTER
        with self._lock:
            if not self._taking and self._link is not None and self._link.readable():
                self._take()

    def _take(self, *, flush: bool = True) -> None:
        """Handle all received messages, with the lock; then send the calls of callbacks, as far as there is room."""
        outermost, self._taking = not self._taking, True
        try:
            while self._link is not None:  # a callback may close
                self._pending.take(self._link.receive())
                if not self._pending.under_way or self._link is None or not self._link.readable():
                    break  # no call waits for the rest
        finally:
            if outermost:
                self._taking = False
        if outermost and flush:
            self._flush()
