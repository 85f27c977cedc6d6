"""A display's market profile as the gateway keeps it, so that a client can be told only the levels that changed. Pure.

Each level carries the gateway's revision at which it last changed and the one at which it appeared. What a client that has
revision r is told is then the same for every client that has r, and is encoded once. A level that is gone is told with volume 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MOST_GONE = 1024  # levels kept that are gone; beyond it everybody is told the whole profile again

encode = msgspec.json.encode


class ProfileDeltas:
    """The newest profile of one display; `take` brings it up to date."""

    def __init__(self) -> None:
        self.rest: dict[str, Any] = {}  # everything but the levels: bucket, ticks, ...
        self.levels: dict[int, Sequence[float]] = {}  # index -> [index, volume, buy, sell]
        self.changed = 0  # revision of the last change
        self.base = 0  # revision before which nobody can be told a difference
        self._revisions: dict[int, int] = {}  # index -> revision of its last change; gone ones too
        self._born: dict[int, int] = {}  # index -> revision at which it appeared
        self._full: bytes | None = None
        self._deltas: dict[int, bytes] = {}  # revision of the reader -> what changed since

    def take(self, told: Mapping[str, Any], revision: int) -> None:
        """Take the profile of a newer state.

        Args:
            told: bucket, ticks and levels, an array of [index, volume, buy, sell].
            revision: the gateway's, higher than any before.
        Raises:
            KeyError, TypeError, IndexError: it is none; nothing has changed.
        """
        rest = {name: value for name, value in told.items() if name != "levels"}
        levels = {level[0]: level for level in told["levels"]}
        before = self.levels
        if rest["bucket"] != self.rest.get("bucket") or rest["ticks"] < self.rest["ticks"]:
            self._begin(levels, revision)
        else:
            moved = {index for index, level in levels.items() if before.get(index) != level}
            gone = before.keys() - levels.keys()
            if not moved and not gone and rest == self.rest:
                return
            self._revisions.update(dict.fromkeys(moved | gone, revision))
            self._born.update(dict.fromkeys(moved - before.keys(), revision))
            if len(self._revisions) - len(levels) > MOST_GONE:
                self._begin(levels, revision)
        self.rest, self.levels, self.changed = rest, levels, revision
        self._full = None
        self._deltas.clear()

    def _begin(self, levels: Mapping[int, Any], revision: int) -> None:
        self.base = revision
        self._revisions = dict.fromkeys(levels, revision)
        self._born = dict.fromkeys(levels, revision)

    def full(self) -> bytes:
        """Return all of it as JSON."""
        if self._full is None:
            self._full = encode({**self.rest, "levels": list(self.levels.values())})
        return self._full

    def since(self, revision: int) -> tuple[list[Sequence[float]], list[Sequence[float]]]:
        """Return the levels that appeared since a revision, and those that changed; gone ones have volume 0."""
        added: list[Sequence[float]] = []
        updated: list[Sequence[float]] = []
        for index in sorted(index for index, at in self._revisions.items() if at > revision):
            level = self.levels.get(index)
            if level is None:
                updated.append((index, 0, 0, 0))
            elif self._born[index] > revision:
                added.append(level)
            else:
                updated.append(level)
        return added, updated

    def delta(self, revision: int) -> bytes:
        """Return as JSON what a reader has to be told who has seen it at `revision`, which is not before `base`."""
        known = self._deltas.get(revision)
        if known is None:
            added, updated = self.since(revision)
            rest = {name: value for name, value in self.rest.items() if name != "bucket"}
            known = self._deltas[revision] = encode({**rest, "levels": sorted([*added, *updated], key=lambda level: level[0])})
        return known
