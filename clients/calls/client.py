"""`BusClient`: calls to services, each answered once, any number of them at a time. PROTOCOL.md section 4.

A call is repeated, under its own id, when the connection to the broker comes back: a restarted broker knows nothing of calls,
one that is still at work on it joins the two. Not thread-safe: one client per thread; a thread of the client's own sends what
has gathered while its owner is elsewhere.
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

from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.process import sockets
from hulak.bus.process.client_logger import Logger, logger_of
from hulak.bus.process.load_settings import located
from hulak.bus.process.requests import LOOK_AGAIN_S, draw_ids
from hulak.bus.process.settings import Settings
from hulak.clients.calls.connection import Connection
from hulak.clients.calls.future import Future
from hulak.clients.calls.pending import GRACE_S, CallKind, PendingCalls, kind_of
from hulak.clients.calls.posted_tasks import PostedTasks
from hulak.clients.calls.send_buffer import BUNDLE_CALLS, Flusher, SendBuffer

LOOK_AFTER = 64  # calls of `submit` between two looks at what has arrived, so that answers do not pile up unread
WINDOW = 100  # calls of `map` under way at a time
MOST_WAIT_MS = 3_600_000


class BusClient(PostedTasks):
    """A connection to the broker's frontend.

    Args:
        settings: say where the broker is; read as every command does if None.
        home: its folder, the default one if None; local processes reach it through the sockets there.
        logger: receives the events of the connection; None for no log.
    """

    def __init__(self, settings: Settings | None = None, home: Path | None = None, *, logger: Logger | None = None) -> None:
        self._log = logger_of(logger)
        self._settings, self._home = located(settings, home)
        self._most = self._settings.broker.max_message_bytes
        self._new_id = draw_ids()
        self._pending = PendingCalls(self._settings.broker.frontend)
        self._link: Connection | None = None
        self._lock = threading.RLock()  # of the link; callbacks, which are called with it, may ask for it again
        self._send_buffer = SendBuffer()
        self._flusher: Flusher | None = None
        self._taking = False
        self._until_look = LOOK_AFTER

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls that wait are given up, their futures end with `CLOSED`."""
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
    ) -> Any:
        """Have an action done and wait for its answer.

        Args:
            service: e.g. "nepse", or a control service such as "hulak.stats".
            action: of the service.
            args: msgpack values under text keys.
            timeout_s: how long to wait, in seconds; the broker gives the task up then.
            retries: further attempts after the first; the broker's setting if None.
            priority: 0 high, 1 normal, 2 low.
            share: a read: one that is equal, and under way already, may answer this call too.
            on_part: told each part of the answer that comes before its end.
        Raises:
            BusTimeout: no broker, or no answer, in time.
            TaskFailed: the service's worker could not do it.
            BusError: the broker refused the request; `TOO_LARGE`, its arguments are larger than a frame may be: nothing is sent.
        """
        future = self._begin(kind_of(service, action, timeout_s, retries, share, priority), args, on_part)
        if not self._sent_alone(future):
            self._send_buffer.calls.append(future)
        try:
            return future.result()
        finally:
            future.cancel()  # interrupted, as by Ctrl-C: nobody waits for it any more

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
    ) -> Future:
        """Have an action done, without waiting for it: any number may be under way on this one connection.

        It is sent at once if no other is under way, else together with those submitted next: when there are `BUNDLE_CALLS`, when
        the client waits or polls, or some milliseconds later, whatever the caller does then.

        Args and what `Future.result` raises are those of `call`. It waits only for a broker that was never there, and for room:
        the broker takes `broker.max_tasks` tasks at a time, and answers `BUSY` to more.

        Raises:
            BusTimeout: there is no broker.
            BusError: `TOO_LARGE`, as of `call`.
        """
        alone, gathered = not self._pending.under_way, self._send_buffer.calls
        future = self._begin(kind_of(service, action, timeout_s, retries, share, priority), args, on_part)
        if alone and self._sent_alone(future):
            return future
        gathered.append(future)
        self._until_look -= 1
        if len(gathered) >= BUNDLE_CALLS:
            self._send()
        elif self._flusher is None or self._flusher.asleep:
            self._wake()
        if self._until_look <= 0:
            self._look()
        return future

    def _begin(self, kind: CallKind, args: Mapping[str, Any] | None, on_part: Callable[[Any], None] | None) -> Future:
        call_id = self._new_id()
        frame = kind.encode(call_id, args, self._most)
        now = time.monotonic()
        if self._link is None:
            self._connect(now + kind.timeout_s, kind.timeout_s)
            now = time.monotonic()
        future = Future(call_id, frame, kind.named, kind.timeout_s, on_part, self, now + kind.timeout_s + GRACE_S)
        self._pending.add(future)
        return future

    def _ended(self, kind: CallKind, error: BusError) -> Future:
        """Make the future of a call that could not be begun, for who is told in its turn."""
        future = Future(b"", b"", kind.named, kind.timeout_s, None, self, math.inf)
        future.settle(None, error)
        return future

    def map(
        self, service: str, action: str, args: Iterable[Mapping[str, Any]], *, window: int = WINDOW, **options: Any
    ) -> Iterator[Any]:
        """Have an action done for each of many arguments; gives their results in the same order.

        Args:
            service: as of `call`.
            action: as of `call`.
            args: taken one by one, as there is room.
            window: how many are under way at a time.
            options: as of `submit`, for each.
        Raises:
            BusError: as of `call`, when the turn of the one that failed has come; the others are given up.
        """
        on_part = options.pop("on_part", None)
        kind, left = kind_of(service, action, **options), iter(args)
        under_way: deque[Future] = deque()
        try:
            while True:
                if len(under_way) <= window - window // 4:  # several together, which costs less than one by one
                    for one in itertools.islice(left, window - len(under_way)):
                        try:
                            future = self._begin(kind, one, on_part)
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
        """Take in answers that have arrived, waiting up to `timeout_s` seconds for the first; returns how many calls ended."""
        before = len(self._pending)
        if self._link is not None and before:
            with self._lock:
                self._turn(time.monotonic() + timeout_s, for_room=not self._flush())
        return before - len(self._pending)

    def _connect(self, deadline: float, timeout_s: float) -> Connection:
        while (where := sockets.endpoint(self._settings.broker, self._home, "frontend")) is None:
            if time.monotonic() + LOOK_AGAIN_S > deadline:
                raise BusTimeout(
                    f"no broker answers at {self._settings.broker.frontend} within {timeout_s:g} s; "
                    "start one with `hulak up` or `hulak broker`"
                )
            time.sleep(LOOK_AGAIN_S)
        self._link = Connection(where)
        self._log.info("broker found", frontend=where)
        return self._link

    # What futures ask of their client

    def give_up(self, future: Future) -> None:
        """Wait for it no longer; its answer is thrown away when it comes."""
        self._pending.forget(future)

    def wait_for(self, future: Future, deadline: float) -> None:
        """Take in what arrives until the future is done, or until `deadline` (monotonic seconds)."""
        with self._lock:
            if not self._taking and self._send_buffer.calls and self._link is not None and self._link.readable():
                self._take(flush=False)  # what is here already may be it: then what has gathered may gather on
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
        """Send what has gathered; where there is no room, wait for it, unless this is in a callback."""
        with self._lock:
            while not self._flush() and not self._taking:
                self._turn(math.inf, for_room=True)

    def _flush(self) -> bool:
        """Send what has gathered, with the lock; false if there is no room for some of it."""
        if self._link is None or self._send_buffer.flush(self._link.send):
            return True
        self._wake()  # whoever asked may not wait for room
        return False

    def _wake(self) -> None:
        """Have the flusher see to what has gathered, whatever our owner does now."""
        if self._flusher is None:
            assert self._link is not None
            self._flusher = Flusher(self._send_buffer, self._lock, self._link.send)
            weakref.finalize(self, self._flusher.end)
        elif self._flusher.asleep:
            self._flusher.wake()

    # Receiving

    def _turn(self, deadline: float, *, for_room: bool = False) -> None:
        """Wait, with the lock, for something to happen, at most until `deadline` (monotonic seconds), and take it in."""
        assert self._link is not None
        left_s = min(deadline, self._pending.next_due()) - time.monotonic()
        wait_ms = 0 if left_s <= 0 else int(min(left_s * 1000, MOST_WAIT_MS)) + 1
        readable, again = self._link.poll(wait_ms, for_room=for_room)
        if again:
            self._log.info("requests sent again after reconnection", requests=len(self._pending))
            self._send_buffer.begin_again(self._pending.under_way.values())
            self._flush()
        if readable:
            self._take()
        now = time.monotonic()
        if now >= self._pending.next_due():
            self._pending.end_expired(now)

    def _look(self) -> None:
        """Take in what has arrived."""
        self._until_look = LOOK_AFTER
        with self._lock:
            if not self._taking and self._link is not None and self._link.readable():
                self._take()

    def _take(self, *, flush: bool = True) -> None:
        """Take in all that has arrived, with the lock; then send what callbacks asked for, as far as there is room."""
        outermost, self._taking = not self._taking, True
        try:
            while self._link is not None:  # a callback may close
                self._pending.take(self._link.receive())
                if not self._pending.under_way or self._link is None or not self._link.readable():
                    break  # what nobody waits for may stay
        finally:
            if outermost:
                self._taking = False
        if outermost and flush:
            self._flush()
