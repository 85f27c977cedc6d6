"""Messages to the service manager: the protocol of sd_notify(3), a datagram for each message.

`hulak up` notifies, since supervisord 4.3 does not know the protocol, and only `hulak up` knows when the start is complete and
whether the broker hangs. Without a service manager everything here does nothing.
"""

import contextlib
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hulak.clients.cli import up_changes

if TYPE_CHECKING:
    from hulak.clients.cli.live_model import Snapshot

READY_S = 20.0  # after the broker's first statistics the service is ready, whatever is missing: venues may be closed
EXTENDS_S = 30.0  # by which a message extends the time limit of the start
EVERY_S = 5.0  # between two such messages, and between two texts of the status
MICRO = 1_000_000


@dataclass
class ServiceManager:
    """The service manager that started this process, if one did.

    Args:
        address: its socket: a path, or an abstract name that begins with @; empty for none.
        watchdog_s: seconds without WATCHDOG=1 after which it restarts the service; 0: no watchdog.
    """

    address: str = ""
    watchdog_s: float = 0.0
    ready: bool = False
    _answered: float | None = None  # monotonic seconds of the broker's first statistics
    _watchdog_at: float = float("-inf")
    _text_at: float = float("-inf")
    _printed: str = field(default="", repr=False)

    @classmethod
    def of(cls, variables: MutableMapping[str, str]) -> "ServiceManager":
        """Take it from the variables of a process, and remove them: the children must not notify."""
        address, pid = variables.pop("NOTIFY_SOCKET", ""), variables.pop("WATCHDOG_PID", "")
        usec = variables.pop("WATCHDOG_USEC", "")
        own = not pid or pid == str(os.getpid())
        return cls(address, int(usec) / MICRO if own and usec.isascii() and usec.isdigit() else 0.0)

    def update(self, snapshot: "Snapshot", now: float, *, complete: bool) -> str:
        """Send what is due: READY, WATCHDOG, a longer start, the status.

        Args:
            snapshot: of the present.
            now: monotonic seconds.
            complete: the start was complete once.
        Returns:
            the reason why WATCHDOG is withheld; empty if it is not.
        """
        if not self.address:
            return ""
        if snapshot.stats is not None and self._answered is None:
            self._answered = now
        if not self.ready and (complete or (self._answered is not None and now - self._answered >= READY_S)):
            self.ready = True
            self.send(f"READY=1\nSTATUS={self._status(snapshot)}")
        hangs = up_changes.hangs(snapshot)
        if self.watchdog_s and not hangs and now - self._watchdog_at >= self.watchdog_s / 4:
            self._watchdog_at = now
            self.send("WATCHDOG=1")
        if now - self._text_at >= EVERY_S:
            self._text_at = now
            extend = not self.ready and up_changes.broker_starts(snapshot)
            self.send(f"STATUS={self._status(snapshot)}" + (f"\nEXTEND_TIMEOUT_USEC={EXTENDS_S * MICRO:.0f}" if extend else ""))
        return hangs if self.watchdog_s else ""

    def stopping(self, limit_s: float) -> None:
        """Report the stop, and the longest time that it takes."""
        self.send(f"STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC={limit_s * MICRO:.0f}")

    def send(self, text: str) -> None:
        """Send lines NAME=value; a message that cannot be sent is dropped."""
        if not self.address:
            return
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(1.0)
            sender.sendto(text.encode(), name)

    @staticmethod
    def _status(snapshot: "Snapshot") -> str:
        if missing := snapshot.waits_for():
            return f"waiting for {missing}"
        return f"{snapshot.standing()}; {snapshot.verdict.headline()}"
