"""The figures of the exchange that the bus has already, so that a restarted feed posts nothing twice. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from hulak.clients.feeds.nepse.rows import SOURCE, MarketTick

Figures = tuple[float | None, float | None, float | None, int | None]


class PostedTicks:
    """The newest figures of each symbol that are on the bus."""

    def __init__(self) -> None:
        self._figures: dict[str, Figures] = {}

    def __len__(self) -> int:
        return len(self._figures)

    def recall(self, bodies: Iterable[Any]) -> None:
        """Take over the last values that the broker keeps; those of other sources are ignored."""
        for body in bodies:
            if isinstance(body, Mapping) and body.get("source") == SOURCE and isinstance(body.get("symbol"), str):
                symbol = body["symbol"].rpartition(".")[2] if body["symbol"][:1].islower() else body["symbol"]
                self._figures[symbol] = (body.get("bid"), body.get("ask"), body.get("last"), body.get("volume"))

    def is_new(self, tick: MarketTick) -> bool:
        """Return whether a tick differs from its symbol's last one in a price or the volume, and remember it."""
        figures = (tick.bid, tick.ask, tick.last, tick.volume)
        if self._figures.get(tick.symbol) == figures:
            return False
        self._figures[tick.symbol] = figures
        return True
