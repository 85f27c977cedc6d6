"""The subscriptions of a client of the gateway. Pure. PROTOCOL.md section 12.2."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

ALL = "*"
MAX_NAMES = 10_000  # displays and symbols of one client


class TooManyNames(ValueError):
    """A client subscribes to more displays and symbols than `MAX_NAMES`."""


@dataclass(frozen=True, slots=True)
class Interest:
    """A subscription: names, or `*` for all present and future ones. Equal subscriptions share their frames."""

    displays: frozenset[str] = frozenset()
    ticks: frozenset[str] = frozenset()
    stats: bool = False
    config: bool = False
    markets: bool = False
    quotes: bool = False

    def display(self, name: str) -> bool:
        """Return whether a display's states are subscribed to."""
        return ALL in self.displays or name in self.displays

    def tick(self, symbol: str) -> bool:
        """Return whether a symbol's ticks are subscribed to."""
        return ALL in self.ticks or symbol in self.ticks

    def plus(
        self,
        displays: Iterable[str],
        ticks: Iterable[str],
        *,
        stats: bool,
        config: bool,
        markets: bool = False,
        quotes: bool = False,
    ) -> Self:
        """Return the interest after a `subscribe`. Raises `TooManyNames`."""
        more = replace(
            self,
            displays=self.displays.union(displays),
            ticks=self.ticks.union(ticks),
            stats=self.stats or stats,
            config=self.config or config,
            markets=self.markets or markets,
            quotes=self.quotes or quotes,
        )
        if (named := len(more.displays) + len(more.ticks)) > MAX_NAMES:
            raise TooManyNames(f"{named:,} displays and symbols are subscribed to, the maximum is {MAX_NAMES:,}; use * for all")
        return more

    def minus(
        self,
        displays: Iterable[str],
        ticks: Iterable[str],
        *,
        stats: bool,
        config: bool,
        markets: bool = False,
        quotes: bool = False,
    ) -> Self:
        """Return the interest after an `unsubscribe`; `*` removes every name, a name only itself."""
        return replace(
            self,
            displays=_less(self.displays, displays),
            ticks=_less(self.ticks, ticks),
            stats=self.stats and not stats,
            config=self.config and not config,
            markets=self.markets and not markets,
            quotes=self.quotes and not quotes,
        )


def _less(names: frozenset[str], others: Iterable[str]) -> frozenset[str]:
    removed = frozenset(others)
    return frozenset() if ALL in removed else names - removed


NOTHING = Interest()
