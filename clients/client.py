"""`BusClient`: calls to services, answered once. PROTOCOL.md section 4.

A call is repeated, under its own id, when the connection to the broker comes back: a restarted broker knows nothing of calls,
one that is still at work on it joins the two. Not thread-safe: one client per thread.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq
from zmq.utils.monitor import parse_monitor_message

from bus import frames, sockets
from bus.errors import BusError, BusTimeout, ProtocolError, TaskFailed
from bus.messages import ID_BYTES, Error, Part, Reply, Request
from bus.settings import Settings

LOOK_AGAIN_S = 0.1  # between two looks for a broker that is not there


class BusClient:
    """A connection to the broker's frontend.

    Args:
        settings: say where the broker is.
        home: its folder; local processes reach it through the sockets there.
    """

    def __init__(self, settings: Settings, home: Path) -> None:
        self._settings = settings
        self._home = home
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._connections = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls that wait are given up."""
        self._context.destroy(linger=0)
        self._socket = None

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
        deadline = time.monotonic() + timeout_s
        options: dict[str, Any] = {} if service.startswith("hulak.") else {"timeout_ms": max(1, int(timeout_s * 1000))}
        if retries is not None:
            options["retries"] = retries
        if priority != 1:
            options["priority"] = priority
        if share:
            options["share"] = True
        request = Request(os.urandom(ID_BYTES), service, action, dict(args or {}), options)
        with self._connected(deadline, timeout_s) as socket:
            return self._ask(socket, request, deadline, timeout_s, on_part)

    @contextmanager
    def _connected(self, deadline: float, timeout_s: float) -> "Iterator[zmq.Socket[bytes]]":
        while self._socket is None:
            where = sockets.endpoint(self._settings.broker, self._home, "frontend")
            if where is not None:
                self._connect(where)
            elif time.monotonic() + LOOK_AGAIN_S > deadline:
                raise BusTimeout(
                    f"no broker answers at {self._settings.broker.frontend} within {timeout_s:g} s; "
                    "start one with `hulak up` or `hulak broker`"
                )
            else:
                time.sleep(LOOK_AGAIN_S)
        yield self._socket

    def _connect(self, where: str) -> None:
        socket = sockets.make(self._context, zmq.DEALER, sndhwm=10_000, rcvhwm=10_000, ipv6=int("[" in where))
        self._monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        socket.connect(where)
        self._socket, self._connections = socket, 0

    def _ask(
        self,
        socket: "zmq.Socket[bytes]",
        request: Request,
        deadline: float,
        timeout_s: float,
        on_part: Callable[[Any], None] | None,
    ) -> Any:
        assert self._monitor is not None
        frame = frames.encode(request)
        socket.send(frame)
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        # One second beyond the caller's time: if a broker is there, its own sentence says more than ours could.
        while (left_s := deadline + 1.0 - time.monotonic()) > 0:
            ready = dict(poller.poll(int(left_s * 1000) + 1))
            if self._monitor in ready and self._reconnected():
                socket.send(frame)
            if socket in ready:
                message = self._read(socket, request.id)
                if isinstance(message, Reply):
                    return message.value
                if isinstance(message, Error):
                    raise _error(message)
                if isinstance(message, Part) and on_part is not None:
                    on_part(message.value)
        raise BusTimeout(
            f"no answer to {request.service} {request.action}".rstrip()
            + f" from the broker at {self._settings.broker.frontend} within {timeout_s:g} s"
        )

    def _reconnected(self) -> bool:
        """Count handshakes; true for one that is not the first."""
        assert self._monitor is not None
        before = self._connections
        while self._monitor.poll(0):
            parse_monitor_message(self._monitor.recv_multipart())
            self._connections += 1
        return before > 0 or self._connections > 1

    def _read(self, socket: "zmq.Socket[bytes]", wanted: bytes) -> Reply | Error | Part | None:
        """Read one message; what answers another call (one that was given up) is passed over."""
        try:
            message = frames.decode_to_client(socket.recv_multipart()[-1])
        except ProtocolError as error:
            raise BusError(error.code, f"the broker's answer is not understood: {error}") from error
        return message if message.id in (wanted, None) else None


def _error(message: Error) -> BusError:
    if message.code == "EXPIRED":
        return BusTimeout(message.text)
    if "attempts" in message.details:  # PROTOCOL.md section 6: only a task that was given to workers has them
        return TaskFailed(message.code, message.text, details=message.details)
    return BusError(message.code, message.text, message.details)
