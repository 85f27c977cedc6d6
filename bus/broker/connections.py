"""The connections of all sockets of the broker: counted and bounded; those above the bound are closed once they are accepted.

libzmq cannot stop accepting: `unbind` would end the existing connections too. So each is accepted, and then shut down.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

from hulak.bus.broker.socket_monitor import ConnectionCloser, PeerConnection, SocketMonitor
from hulak.bus.core.connection_admission import SETTING, Admission, Bound
from hulak.bus.process.log_type import Log
from hulak.bus.process.socket_poll import SocketPoll

RECOUNT_S = 1.0  # between two checks of every connection, while the bound is reached
FILES = "the limit of open files (ulimit -n, LimitNOFILE of systemd)"


class Connections:
    """The connections of all sockets.

    Args:
        context: of the sockets.
        bound: the greatest number of connections.
        log: of this process.
    """

    def __init__(self, context: "zmq.Context[Any]", bound: Bound, log: Log) -> None:
        self.monitors: dict[str, SocketMonitor] = {}  # by name of the socket
        self.bound = bound
        self.near = True  # the bound may be near: each new connection wakes the loop, until the first `poll`
        self._context = context
        self._admission = Admission(bound, time.monotonic())
        self._ender = ConnectionCloser()
        self._poller: SocketPoll | None = None
        self._recount_at = 0.0
        self._log = log

    def terms(
        self, name: str, on_gone: Callable[[PeerConnection], object] | None = None
    ) -> tuple[Callable[["zmq.Socket[bytes]"], None], bool]:
        """Return the last arguments of `sockets.bind`: the function that monitors the socket, and whether to bind it to ipc."""
        return partial(self.monitor, name, on_gone=on_gone), self.bound.local

    def log_bound(self) -> None:
        """Log a warning if there are too few descriptors for ipc sockets."""
        if not self.bound.local:
            what = {"most_connections": self.bound.most, "remedy": f"raise {FILES}"}
            self._log.warning("few descriptors, no ipc sockets", **what)

    def monitor(self, name: str, socket: "zmq.Socket[bytes]", on_gone: Callable[[PeerConnection], object] | None = None) -> None:
        """Monitor a socket from now on.

        Args:
            name: of the socket; the monitor of a former socket of this name is closed.
            socket: not bound yet.
            on_gone: called with each of its connections that has ended.
        """
        self._poll_monitors(False)
        if (before := self.monitors.get(name)) is not None:
            before.close()
        self.monitors[name] = SocketMonitor(self._context, socket, on_gone)
        self._poll_monitors(self.near)

    def register(self, poller: SocketPoll) -> None:
        """Let new connections wake the loop while the bound is near."""
        self._poller = poller
        self._poll_monitors(self.near)

    def close(self) -> None:
        """Close the descriptors that are reserved for ending connections; the monitors end with the context."""
        self._ender.close()

    def has_events(self, ready: dict[Any, int]) -> bool:
        """Return whether a poll has found an event of a connection."""
        return any(monitor.reader in ready for monitor in self.monitors.values())

    def poll(self, now: float) -> None:
        """Read the events of connections, and end those above the bound."""
        new = {name: monitor.follow() for name, monitor in self.monitors.items()}
        arrived = {name: len(peers) for name, peers in new.items()}
        if now >= self._recount_at and self._admission.excess(self._counts(), arrived):
            self._recount_at = now + RECOUNT_S
            for monitor in self.monitors.values():
                monitor.recount()
            new = {name: [peer for peer in peers if self.monitors[name].has(peer)] for name, peers in new.items()}
            arrived = {name: len(peers) for name, peers in new.items()}
        for name, many in self._admission.excess(self._counts(), arrived).items():
            ended = [self.end(name, peer) for peer in new[name][-many:]]
            if count := sum(address is not None for address in ended):
                self._admission.count(name, count)
        near = self._admission.is_near(sum(self._counts().values()))
        if near != self.near:
            self._poll_monitors(near)
            self.near = near
        self._log_refused(now)

    def end(self, name: str, peer: PeerConnection) -> str | None:
        """End a connection of a socket; returns its peer's address, None if it has already ended."""
        self.monitors[name].known.pop(peer.descriptor, None)
        return self._ender.end(peer)

    def has(self, name: str, peer: PeerConnection) -> bool:
        """Return whether a connection of a socket was reported, and not its end."""
        return self.monitors[name].has(peer)

    def stats(self, now: float) -> dict[str, Any]:
        """Return the counts of connections (PROTOCOL.md section 7.2)."""
        return self._admission.stats(self._counts(), now)

    def _counts(self) -> dict[str, int]:
        return {name: len(monitor.known) for name, monitor in self.monitors.items()}

    def _poll_monitors(self, on: bool) -> None:
        """Add the monitors to the loop's poll, or remove them: each socket in the poll costs time in every iteration."""
        if self._poller is None:
            return
        for monitor in self.monitors.values():
            if on:
                self._poller.register(monitor.reader, zmq.POLLIN)
            elif monitor.reader in self._poller:
                self._poller.unregister(monitor.reader)

    def _log_refused(self, now: float) -> None:
        counts, bound = self._counts(), self.bound
        for name, many in self._admission.due(now).items():
            where = {"socket": name, "connections": counts.get(name, 0), "of_all": sum(counts.values()), "most": bound.most}
            remedy = f"end the leaking connections, or raise {f'setting {bound.by}' if bound.by == SETTING else FILES}"
            self._log.warning("connections refused", refused=many, **where, remedy=remedy)
