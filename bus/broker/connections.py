"""The connections of all sockets of the broker: counted, bounded, and those beyond the bound ended as soon as they are there.

libzmq cannot be told to accept no more: `unbind` ends the connections that a socket has. So each is accepted, and shut down.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
import zmq

from hulak.bus.broker.socket_monitor import ConnectionCloser, PeerConnection, SocketMonitor
from hulak.bus.core.connection_admission import SETTING, Admission, Bound

RECOUNT_S = 1.0  # between two looks at every connection, while the bound is reached
FILES = "the limit of open files (ulimit -n, LimitNOFILE of systemd)"


class Connections:
    """All that there are.

    Args:
        context: of the sockets.
        bound: how many there may be.
        log: of this process.
    """

    def __init__(self, context: "zmq.Context[Any]", bound: Bound, log: structlog.typing.FilteringBoundLogger) -> None:
        self.monitors: dict[str, SocketMonitor] = {}  # by name of the socket
        self.bound = bound
        self.near = True  # the bound may be: each new connection wakes the loop, until the first look
        self._context = context
        self._admission = Admission(bound, time.monotonic())
        self._ender = ConnectionCloser()
        self._poller: zmq.Poller | None = None
        self._recount_at = 0.0
        self._log = log

    def terms(
        self, name: str, on_gone: Callable[[PeerConnection], object] | None = None
    ) -> tuple[Callable[["zmq.Socket[bytes]"], None], bool]:
        """Give `sockets.bind` what it wants: how the socket is watched, and whether it may be bound to ipc."""
        return partial(self.watch, name, on_gone=on_gone), self.bound.local

    def tell_bound(self) -> None:
        """Write to the log where there are too few descriptors for all that is wanted."""
        if not self.bound.local:
            what = {"most_connections": self.bound.most, "remedy": f"raise {FILES}"}
            self._log.warning("few descriptors, no ipc sockets", **what)

    def watch(self, name: str, socket: "zmq.Socket[bytes]", on_gone: Callable[[PeerConnection], object] | None = None) -> None:
        """Look after a socket from now on.

        Args:
            name: of it; it takes the place of one of the same name, whose monitor is disabled.
            socket: not bound yet.
            on_gone: told each of its connections that has ended.
        """
        self._wake_by(False)
        if (before := self.monitors.get(name)) is not None:
            before.close()
        self.monitors[name] = SocketMonitor(self._context, socket, on_gone)
        self._wake_by(self.near)

    def register(self, poller: zmq.Poller) -> None:
        """Have the loop woken by new connections where the bound is near."""
        self._poller = poller
        self._wake_by(self.near)

    def close(self) -> None:
        """Give back what is kept for ending connections; the monitors end with the context."""
        self._ender.close()

    def woken(self, ready: dict[Any, int]) -> bool:
        """Say whether something has happened to a connection, of what a poll found."""
        return any(one.reader in ready for one in self.monitors.values())

    def look(self, now: float) -> None:
        """Take in which connections have come and gone, and end those that there is no room for."""
        new = {name: monitor.follow() for name, monitor in self.monitors.items()}
        arrived = {name: len(found) for name, found in new.items()}
        if now >= self._recount_at and self._admission.excess(self._counts(), arrived):
            self._recount_at = now + RECOUNT_S
            for monitor in self.monitors.values():
                monitor.recount()
            new = {name: [one for one in found if self.monitors[name].has(one)] for name, found in new.items()}
            arrived = {name: len(found) for name, found in new.items()}
        for name, many in self._admission.excess(self._counts(), arrived).items():
            ended = [self.end(name, one) for one in new[name][-many:]]
            if count := sum(peer is not None for peer in ended):
                self._admission.count(name, count)
        near = self._admission.is_near(sum(self._counts().values()))
        if near != self.near:
            self._wake_by(near)
            self.near = near
        self._tell(now)

    def end(self, name: str, one: PeerConnection) -> str | None:
        """End a connection of a socket; returns its peer's address, None if it has ended by itself."""
        self.monitors[name].known.pop(one.descriptor, None)
        return self._ender.end(one)

    def stats(self, now: float) -> dict[str, Any]:
        """What is told of them (PROTOCOL.md section 7.2)."""
        return self._admission.stats(self._counts(), now)

    def _counts(self) -> dict[str, int]:
        return {name: len(monitor.known) for name, monitor in self.monitors.items()}

    def _wake_by(self, on: bool) -> None:
        """Have the monitors in the poll of the loop, or not: each that is polled costs every turn something."""
        if self._poller is None:
            return
        for monitor in self.monitors.values():
            if on:
                self._poller.register(monitor.reader, zmq.POLLIN)
            elif monitor.reader in self._poller:
                self._poller.unregister(monitor.reader)

    def _tell(self, now: float) -> None:
        counts, bound = self._counts(), self.bound
        for name, many in self._admission.due(now).items():
            where = {"socket": name, "connections": counts.get(name, 0), "of_all": sum(counts.values()), "most": bound.most}
            remedy = f"end those that leak, or raise {f'setting {bound.by}' if bound.by == SETTING else FILES}"
            self._log.warning("connections refused", refused=many, **where, remedy=remedy)
