"""A display's market profile with the revision of each level, so that a client gets only the changed levels. Pure.

Each level has the gateway's revision at which it last changed and the one at which it appeared. The delta from a revision is the
same for every client at that revision, and is encoded once. A removed level is sent with volume 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

MAX_REMOVED = 1024  # removed levels that are kept; beyond it every client gets the whole profile again

encode = msgspec.json.encode


class ProfileDeltas:
    """The newest profile of one display."""

    def __init__(self) -> None:
        self.rest: dict[str, Any] = {}  # everything except the levels: bucket, ticks, ...
        self.levels: dict[int, Sequence[float]] = {}  # index -> [index, volume, buy, sell]
        self.changed = 0  # revision of the last change
        self.base = 0  # revision before which there is no delta
        self._revisions: dict[int, int] = {}  # index -> revision of its last change; removed ones too
        self._appeared: dict[int, int] = {}  # index -> revision at which it appeared
        self._full: bytes | None = None
        self._deltas: dict[int, bytes] = {}  # revision of the reader -> JSON of the changes since

    def update(self, profile: Mapping[str, Any], revision: int) -> None:
        """Update to the profile of a newer state.

        Args:
            profile: bucket, ticks and levels, an array of [index, volume, buy, sell].
            revision: the gateway's, higher than any before.
        Raises:
            KeyError, TypeError, IndexError: the profile is malformed; nothing has changed.
        """
        rest = {name: value for name, value in profile.items() if name != "levels"}
        levels = {level[0]: level for level in profile["levels"]}
        before = self.levels
        if not isinstance(rest["ticks"], int):
            raise TypeError(f"ticks is {rest['ticks']!r:.40}, must be an integer")
        if rest["bucket"] != self.rest.get("bucket") or rest["ticks"] < self.rest["ticks"]:
            _check_levels(levels.items())
            self._reset(levels, revision)
        else:
            changed = {index for index, level in levels.items() if before.get(index) != level}
            _check_levels((index, levels[index]) for index in changed)
            appeared = changed - before.keys()
            kept = len(levels) - len(appeared)
            removed = before.keys() - levels.keys() if kept < len(before) else set()  # seldom: not to look saves a fifth
            if not changed and not removed and rest == self.rest:
                return
            self._revisions.update(dict.fromkeys(changed | removed, revision))
            self._appeared.update(dict.fromkeys(appeared, revision))
            if len(self._revisions) - len(levels) > MAX_REMOVED:
                self._reset(levels, revision)
        self.rest, self.levels, self.changed = rest, levels, revision
        self._full = None
        self._deltas.clear()

    def _reset(self, levels: Mapping[int, Any], revision: int) -> None:
        self.base = revision
        self._revisions = dict.fromkeys(levels, revision)
        self._appeared = dict.fromkeys(levels, revision)

    def full(self) -> bytes:
        """Return the whole profile as JSON."""
        if self._full is None:
            self._full = encode({**self.rest, "levels": list(self.levels.values())})
        return self._full

    def since(self, revision: int) -> tuple[list[Sequence[float]], list[Sequence[float]]]:
        """Return the levels that appeared since a revision, and those that changed; removed ones have volume 0."""
        added: list[Sequence[float]] = []
        updated: list[Sequence[float]] = []
        for index in sorted(index for index, at in self._revisions.items() if at > revision):
            level = self.levels.get(index)
            if level is None:
                updated.append((index, 0, 0, 0))
            elif self._appeared[index] > revision:
                added.append(level)
            else:
                updated.append(level)
        return added, updated

    def delta(self, revision: int) -> bytes:
        """Return the changes since a reader's `revision` as JSON; it is not before `base`."""
        delta = self._deltas.get(revision)
        if delta is None:
            added, updated = self.since(revision)
            rest = {name: value for name, value in self.rest.items() if name != "bucket"}
            delta = self._deltas[revision] = encode({**rest, "levels": sorted([*added, *updated], key=lambda level: level[0])})
        return delta


def _check_levels(levels: Iterable[tuple[Any, Any]]) -> None:
    """Raise `TypeError` for levels of which no delta can be made: clients would never get what changed beside them."""
    for index, level in levels:
        if type(index) is not int or type(level) is not list or len(level) != 4:
            raise TypeError(f"a level is {level!r:.60}, must be an array of four numbers, the first one an integer")
