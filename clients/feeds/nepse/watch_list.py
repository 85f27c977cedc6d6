"""The securities whose order books the NEPSE feed reads, changed while it runs. Pure.

Each is a request a minute of those that the workers may make, so that their number is bounded.
"""

from collections.abc import Collection, Sequence

from hulak.bus.errors import FeedError
from hulak.clients.feeds.nepse.rows import symbol_of

MOST_WATCHED = 50
CHANGES = 20  # kept: securities that were added or removed last


class WatchList:
    """The watched securities.

    Args:
        names: as the exchange writes them.
    Raises:
        FeedError: one of them is no name of a security.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = {symbol_of(name): name for name in names}  # symbol in topics -> name
        self.asked_for = list(names)
        self.changes: dict[str, str] = {}  # name -> "subscribed", "removed", or "CODE: text"; the newest at the end

    def drop_unlisted(self, listed: Collection[str]) -> list[str]:
        """Drop the names that the exchange does not list, and return them; `listed` are names in upper case, none if unknown."""
        unknown = [name for name in self.names.values() if listed and name.upper() not in listed]
        self.names = {symbol: name for symbol, name in self.names.items() if name not in unknown}
        return unknown

    def change(self, wanted: Sequence[str], listed: Collection[str]) -> None:
        """Watch other securities from now on.

        Args:
            wanted: all of them, as the exchange writes them.
            listed: the names in upper case that the exchange lists; none if they are not known.
        """
        self.names = {symbol: name for symbol, name in self.names.items() if name in wanted}
        for name in self.asked_for:
            if name not in wanted:
                self._note(name, "removed")
        for name in wanted:
            if name not in self.asked_for:
                self._note(name, self._add(name, listed))
        self.asked_for = list(wanted)

    def _add(self, name: str, listed: Collection[str]) -> str:
        try:
            symbol = symbol_of(name)
        except FeedError as error:
            return f"INVALID_SYMBOL: {error}"[:120]
        if listed and name.upper() not in listed:
            return "SYMBOL_NOT_FOUND: the exchange does not list it"
        if len(self.names) >= MOST_WATCHED:
            return f"SUBSCRIPTION_FAILED: {MOST_WATCHED} order books are read already"
        self.names[symbol] = name
        return "subscribed"

    def _note(self, name: str, state: str) -> None:
        self.changes.pop(name, None)
        self.changes[name] = state
        while len(self.changes) > CHANGES:
            del self.changes[next(iter(self.changes))]
