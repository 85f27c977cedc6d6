"""One bar: open, high, low and close of bid, ask and middle. PROTOCOL.md section 3.12. Pure.

Bars are added up without rounding: a bar of a minute is the same, made of its ticks or of the bars of its seconds.
"""

from typing import Any

import msgspec


class Side(msgspec.Struct, array_like=True, gc=False):
    """The prices of one side, ordered by their times, and at equal times by their numbers."""

    open: float
    high: float
    low: float
    close: float
    opened: int  # time of `open`, ms by the venue's clock
    closed: int  # time of `close`

    def add(self, price: float, at: int) -> None:
        """Add a price, whose number is above those of all before."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        if at >= self.closed:
            self.close, self.closed = price, at
        elif at < self.opened:
            self.open, self.opened = price, at

    def merge(self, other: "Side") -> None:
        """Add the prices of another bar; of equal times the other's are the later ones."""
        self.high, self.low = max(self.high, other.high), min(self.low, other.low)
        if other.closed >= self.closed:
            self.close, self.closed = other.close, other.closed
        if other.opened < self.opened:
            self.open, self.opened = other.open, other.opened


class Bar(msgspec.Struct, array_like=True, gc=False):
    """The bar of one symbol and interval."""

    start: int  # ms since 1970 UTC, by the venue's clock; inclusive
    end: int  # exclusive
    clock: int  # number of the source's clock that ends it
    bid: Side | None = None
    ask: Side | None = None
    mid: Side | None = None
    ticks: int = 0
    final: bool = False
    revision: int = 0
    shown: int = 0  # ticks that it had when it was published last, unfinished

    def add(self, bid: float | None, ask: float | None, at: int) -> None:
        """Add a tick; None for a side without a price."""
        self.ticks += 1
        if bid is not None:
            side = self.bid
            if side is None:
                self.bid = Side(bid, bid, bid, bid, at, at)
            else:
                side.add(bid, at)
        if ask is not None:
            side = self.ask
            if side is None:
                self.ask = Side(ask, ask, ask, ask, at, at)
            else:
                side.add(ask, at)
            if bid is not None:
                mid, side = (bid + ask) / 2, self.mid
                if side is None:
                    self.mid = Side(mid, mid, mid, mid, at, at)
                else:
                    side.add(mid, at)

    def merge(self, other: "Bar") -> None:
        """Add a bar of a shorter interval within this one."""
        self.ticks += other.ticks
        self.bid, self.ask = _merged(self.bid, other.bid), _merged(self.ask, other.ask)
        self.mid = _merged(self.mid, other.mid)

    def body(self, symbol: str, interval: str) -> dict[str, Any]:
        """Return the body of its message."""
        return {
            "symbol": symbol,
            "interval": interval,
            "start": self.start,
            "end": self.end,
            "bid": _prices(self.bid),
            "ask": _prices(self.ask),
            "mid": _prices(self.mid),
            "ticks": self.ticks,
            "final": self.final,
            "revision": self.revision,
        }

    def copy(self) -> "Bar":
        """Return a bar that can be changed alone."""
        sides = [None if side is None else msgspec.structs.replace(side) for side in (self.bid, self.ask, self.mid)]
        return msgspec.structs.replace(self, bid=sides[0], ask=sides[1], mid=sides[2])


def _merged(side: Side | None, other: Side | None) -> Side | None:
    if other is None:
        return side
    if side is None:
        return msgspec.structs.replace(other)
    side.merge(other)
    return side


def _prices(side: Side | None) -> list[float] | None:
    return None if side is None else [side.open, side.high, side.low, side.close]
