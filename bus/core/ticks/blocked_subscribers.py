"""Which subscribers take nothing any more, while bytes gather for them. Pure.

libzmq bounds a subscriber's queue by messages, and cannot tell how long it is. That bound cannot be lowered either: a subscriber
with an empty queue could then get nothing any more, since its side tells what it took at multiples of half the bound only. What
can be seen is whether a connection takes bytes now: the queue of one that does not, at look after look, grows by all published.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

LOOKS = 4  # in a row, at least: a burst may be larger than the bound, and a subscriber busy for a moment
Connection = TypeVar("Connection", bound=Hashable)


class BlockedSubscribers(Generic[Connection]):
    """The connections that took nothing at the last looks.

    Args:
        most_bytes: published while a connection was blocked all the time; then it is given up.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._since: dict[Connection, tuple[int, int]] = {}  # bytes published before, looks since

    def __contains__(self, one: Connection) -> bool:
        return one in self._since

    def look(self, blocked: Iterable[Connection], published: int) -> list[Connection]:
        """Note which connections take nothing now.

        Args:
            blocked: all of them.
            published: bytes, since the start.
        Returns:
            those that are to be given up.
        """
        before, self._since = self._since, {}
        given_up = []
        for one in blocked:
            began, looks = before.get(one, (published, 0))
            if looks + 1 >= LOOKS and published - began >= self.most_bytes:
                given_up.append(one)
            else:
                self._since[one] = began, looks + 1
        return given_up
