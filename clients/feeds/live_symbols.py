"""The symbols of a feed: those of its start, changed by the live configuration in its scope."""

from collections.abc import Sequence

from hulak.bus.live_config import symbol_lists
from hulak.bus.live_config.keys import FEED
from hulak.bus.process.member import NOTHING, Member


class LiveSymbols:
    """The symbols of one feed.

    Args:
        member: of this process.
        start: the symbols of its command or settings, as the venue writes them.
    """

    def __init__(self, member: Member, start: Sequence[str]) -> None:
        self._member = member
        self._start = list(start)
        self._document = NOTHING
        self._wanted = self._start

    def __call__(self) -> tuple[int, Sequence[str]]:
        """Return the version of the live configuration, and the symbols."""
        document = self._member.document
        if document is not self._document:
            values = document["scopes"].get(FEED + self._member.name, {})
            added, removed = (str(values.get(f"symbols_{what}", "")) for what in ("added", "removed"))
            self._document, self._wanted = document, symbol_lists.wanted(self._start, added, removed)
        return int(document["version"]), self._wanted
