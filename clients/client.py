"""`BusClient`: calls to services, each answered once, any number of them at a time. PROTOCOL.md section 4.

A call is repeated, under its own id, when the connection to the broker comes back: a restarted broker knows nothing of calls,
one that is still at work on it joins the two. Not thread-safe: one client per thread.
"""

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq

from bus import sockets
from bus.errors import BusTimeout
from bus.settings import Settings
from clients.calls import Book, Future, encode_call
from clients.connection import Connection
from clients.tasks import PostedTasks

LOOK_AGAIN_S = 0.1  # between two looks for a broker that is not there
WINDOW = 100  # calls of `map` under way at a time
LOOK_AFTER = 64  # calls of `submit` between two looks at what has arrived, so that answers do not pile up unread
MOST_WAIT_MS = 3_600_000


class BusClient(PostedTasks):
    """A connection to the broker's frontend.

    Args:
        settings: say where the broker is.
        home: its folder; local processes reach it through the sockets there.
    """

    def __init__(self, settings: Settings, home: Path) -> None:
        self._settings = settings
        self._home = home
        self._book = Book(settings.broker.frontend)
        self._link: Connection | None = None
        self._unsent: deque[Future] = deque()
        self._taking = False
        self._until_look = LOOK_AFTER

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls that wait are given up, their futures end with `CLOSED`."""
        if self._link is not None:
            self._link.close()
        self._link = None
        self._book.close()

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
            BusError: the broker refused the request.
        """
        options = {"timeout_s": timeout_s, "retries": retries, "share": share, "priority": priority, "on_part": on_part}
        future = self.submit(service, action, args, **options)  # type: ignore[arg-type]
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

        Args and what `Future.result` raises are those of `call`. It waits only for a broker that was never there, and for room:
        the broker takes `broker.max_tasks` tasks at a time, and answers `BUSY` to more.

        Raises:
            BusTimeout: there is no broker.
        """
        future = self._begin(service, action, args, timeout_s, retries, share, priority, on_part)
        if self._taking:  # what callbacks ask for goes out together, when all that has arrived is taken in
            self._unsent.append(future)
            return future
        if self._unsent or not self._link.send(future.frame):  # type: ignore[union-attr]
            self._unsent.append(future)
            self._send()
        self._until_look -= 1
        if not self._until_look:
            self._until_look = LOOK_AFTER
            self._take()
        return future

    def _begin(
        self,
        service: str,
        action: str,
        args: Mapping[str, Any] | None,
        timeout_s: float = 60.0,
        retries: int | None = None,
        share: bool = False,
        priority: int = 1,
        on_part: Callable[[Any], None] | None = None,
    ) -> Future:
        now = time.monotonic()
        if self._link is None:
            self._connect(now + timeout_s, timeout_s)
            now = time.monotonic()
        call_id = self._book.new_id()
        frame = encode_call(call_id, service, action, args, timeout_s, retries, share, priority)
        future = Future(call_id, frame, f"{service} {action}" if action else service, timeout_s, on_part, self)
        self._book.add(future, now)
        return future

    def _send(self) -> None:
        """Send what has gathered; where there is no room, wait for it."""
        unsent = self._unsent
        while unsent and self._link is not None:
            future = unsent[0]
            if future.done() or self._link.send(future.frame):
                unsent.popleft()
            else:
                self._turn(math.inf, for_room=True)

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
            what `call` raises, when the turn of the one that failed has come; the others are given up.
        """
        under_way: deque[Future] = deque()
        left = iter(args)
        try:
            while True:
                if len(under_way) <= window - window // 4:  # several together, which costs less than one by one
                    for one in itertools.islice(left, window - len(under_way)):
                        future = self._begin(service, action, one, **options)
                        under_way.append(future)
                        self._unsent.append(future)
                    self._send()
                if not under_way:
                    return
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()

    def poll(self, timeout_s: float = 0.0) -> int:
        """Take in answers that have arrived, waiting up to `timeout_s` seconds for the first; returns how many calls ended."""
        before = len(self._book)
        if self._link is not None and before:
            self._turn(time.monotonic() + timeout_s)
        return before - len(self._book)

    def _connect(self, deadline: float, timeout_s: float) -> Connection:
        while (where := sockets.endpoint(self._settings.broker, self._home, "frontend")) is None:
            if time.monotonic() + LOOK_AGAIN_S > deadline:
                raise BusTimeout(
                    f"no broker answers at {self._settings.broker.frontend} within {timeout_s:g} s; "
                    "start one with `hulak up` or `hulak broker`"
                )
            time.sleep(LOOK_AGAIN_S)
        self._link = Connection(where)
        return self._link

    # What futures ask of their client

    def give_up(self, future: Future) -> None:
        """Wait for it no longer; its answer is thrown away when it comes."""
        self._book.forget(future)

    def wait_for(self, future: Future, deadline: float) -> None:
        """Take in what arrives until the future is done, or until `deadline` (monotonic seconds)."""
        while not future.done() and self._link is not None:
            self._turn(deadline)
            if time.monotonic() >= deadline:
                return

    # One turn

    def _turn(self, deadline: float, *, for_room: bool = False) -> None:
        """Wait for something to happen, at most until `deadline` (monotonic seconds), and take it in."""
        assert self._link is not None
        left_s = min(deadline, self._book.next_due()) - time.monotonic()
        wait_ms = 0 if left_s <= 0 else int(min(left_s * 1000, MOST_WAIT_MS)) + 1
        readable, again = self._link.poll(wait_ms, for_room=for_room)
        if again:
            for frame in self._book.frames():
                self._link.send(frame)
        if readable:
            self._take()
        now = time.monotonic()
        if now >= self._book.next_due():
            self._book.expire(now)

    def _take(self) -> None:
        """Take in all that has arrived; then send what callbacks asked for."""
        assert self._link is not None
        book, take, receive = self._book, self._book.take, self._link.receive
        outermost, self._taking = not self._taking, True
        try:
            while book.calls:  # what nobody waits for may stay
                take(receive())
        except zmq.Again:
            pass
        finally:
            if outermost:
                self._taking = False
        if outermost:
            self._send()
