"""What one client of the gateway wants to be told. Pure. PROTOCOL.md section 12.2."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

ALL = "*"
MOST_NAMES = 10_000  # displays and symbols that one client may name


class TooManyNames(ValueError):
    """A client names more displays and symbols than `MOST_NAMES`."""


@dataclass(frozen=True, slots=True)
class Interest:
    """A subscription: names, or `*` among them for all there are and will be. Equal ones share their frames."""

    displays: frozenset[str] = frozenset()
    ticks: frozenset[str] = frozenset()
    stats: bool = False
    config: bool = False

    def display(self, name: str) -> bool:
        """Tell whether a display's states are wanted."""
        return ALL in self.displays or name in self.displays

    def tick(self, symbol: str) -> bool:
        """Tell whether a symbol's ticks are wanted."""
        return ALL in self.ticks or symbol in self.ticks

    def plus(self, displays: Iterable[str], ticks: Iterable[str], *, stats: bool, config: bool) -> Self:
        """Return what is wanted after a `subscribe`. Raises `TooManyNames`."""
        more = replace(
            self,
            displays=self.displays.union(displays),
            ticks=self.ticks.union(ticks),
            stats=self.stats or stats,
            config=self.config or config,
        )
        if (named := len(more.displays) + len(more.ticks)) > MOST_NAMES:
            raise TooManyNames(f"{named:,} displays and symbols are named, at most {MOST_NAMES:,} may be; * stands for all")
        return more

    def minus(self, displays: Iterable[str], ticks: Iterable[str], *, stats: bool, config: bool) -> Self:
        """Return what is wanted after an `unsubscribe`; `*` takes every name away, a name only itself."""
        return replace(
            self,
            displays=_less(self.displays, displays),
            ticks=_less(self.ticks, ticks),
            stats=self.stats and not stats,
            config=self.config and not config,
        )


def _less(names: frozenset[str], gone: Iterable[str]) -> frozenset[str]:
    leaving = frozenset(gone)
    return frozenset() if ALL in leaving else names - leaving


NOTHING = Interest()
