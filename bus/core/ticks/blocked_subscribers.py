"""Detection of subscribers that stopped reading while their queues grow. Pure.

libzmq bounds a subscriber's queue by messages, and does not report its length. That bound cannot be lowered either: a subscriber
with an empty queue could then be blocked for good, since its side acknowledges messages at multiples of half the bound only. The
broker can see whether a connection accepts bytes now: if it does not at several checks in a row, its queue grows by all that is
published.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

POLLS = 4  # checks in a row, at least: a burst may exceed the bound, and a subscriber may be busy for a moment
Connection = TypeVar("Connection", bound=Hashable)


class BlockedSubscribers(Generic[Connection]):
    """The connections that were blocked at the last checks.

    Args:
        most_bytes: published while a connection was blocked without a pause; beyond it the connection is given up.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._since: dict[Connection, tuple[int, int]] = {}  # bytes published before, checks since

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._since

    def poll(self, blocked: Iterable[Connection], published: int) -> list[Connection]:
        """Record the connections that are blocked now.

        Args:
            blocked: all blocked connections.
            published: bytes since the start.
        Returns:
            the connections to close.
        """
        before, self._since = self._since, {}
        given_up = []
        for connection in blocked:
            began, polls = before.get(connection, (published, 0))
            if polls + 1 >= POLLS and published - began >= self.most_bytes:
                given_up.append(connection)
            else:
                self._since[connection] = began, polls + 1
        return given_up
