"""When an alert fires: its limits, and what is remembered of one symbol. PROTOCOL.md section 7.10. Pure.

Times are stamps of the broker, in ms; they go back only where `set_back` is called.
"""

from math import isfinite
from typing import NamedTuple

import msgspec

from hulak.clients.derive.rules.alert_rule import AlertRule
from hulak.clients.derive.rules.quote import Quote

DAY_MS = 86_400_000
LARGEST = 1e300  # a whole number beyond it could not be computed with
STEPS = 100  # of a window: its beginning is as exact as a hundredth of it
ABOVE, BELOW, STALE = "above", "below", "stale"


class Track(msgspec.Struct, array_like=True, gc=False):
    """The memory of an alert of one symbol."""

    armed: bool = True
    fired: int = 0  # times
    at: int = 0  # of the last one


class Crossing(NamedTuple):
    """A limit that is reached."""

    way: str
    value: float
    limit: float


def crossing(rule: AlertRule, value: float) -> Crossing | None:
    """Return the limit that a value has reached, if any; a value that is no finite number has reached none."""
    if not isfinite(value):
        return None
    if rule.above is not None and value >= rule.above:
        return Crossing(ABOVE, value, rule.above)
    if rule.below is not None and value <= rule.below:
        return Crossing(BELOW, value, rule.below)
    return None


def decide(rule: AlertRule, track: Track, value: float, now: int) -> Crossing | None:
    """Return the limit for which the alert fires now, and remember it; None if it does not fire.

    It fires when it is armed and a limit is reached. Then it is armed again only if it repeats, when the value is off its limits
    by more than `rearm`. Within the cool-down it stays armed, and fires at its end if the limit is still reached.
    """
    reached = crossing(rule, value)
    if not track.armed:
        if rule.repeat and reached is None and isfinite(value) and _is_off(rule, value):
            track.armed = True
        return None
    if reached is None or (track.fired and now - track.at < rule.cooldown_ms):
        return None
    track.armed, track.fired, track.at = False, track.fired + 1, now
    return reached


def _is_off(rule: AlertRule, value: float) -> bool:
    return (rule.above is None or value < rule.above - rule.rearm) and (rule.below is None or value > rule.below + rule.rearm)


class PriceWindow(msgspec.Struct, array_like=True):
    """The price at the beginning of a window that moves on with the time: of each hundredth the last price is kept."""

    slots: list[tuple[int, float]] = []

    def take(self, price: float, now: int, window_ms: int) -> float:
        """Take a price; return the one that counted a window ago, or the oldest one known if that is younger."""
        step = max(1, window_ms // STEPS)
        slot, slots = now // step, self.slots
        begin = slot - STEPS
        if slots and slots[-1][0] >= slot:
            slots[-1] = (slots[-1][0], price)
        else:
            slots.append((slot, price))
        keep = 0
        while keep + 1 < len(slots) and slots[keep + 1][0] <= begin:
            keep += 1
        del slots[:keep]
        return slots[0][1]

    def set_back(self, now: int, window_ms: int) -> None:
        """Let no price be of a time after `now`."""
        last = now // max(1, window_ms // STEPS)
        self.slots = [(min(slot, last), price) for slot, price in self.slots]


class DayOpen(msgspec.Struct, array_like=True, gc=False):
    """The first price of the day (UTC)."""

    day: int = -1
    price: float = 0.0

    def take(self, price: float, now: int) -> float:
        """Take a price; return the day's first one."""
        day = now // DAY_MS
        if day != self.day:
            self.day, self.price = day, price
        return self.price


def last_price(last: object) -> float | None:
    """Return the price of the last trade as a tick has it, of any type; None if it is no finite number."""
    return float(last) if isinstance(last, int | float) and not isinstance(last, bool) and abs(last) < LARGEST else None


def price_of(rule: AlertRule, quote: Quote, last: object) -> float | None:
    """Return the price that an alert watches; None if the tick has none that counts.

    The prices of a halted symbol do not count, and a crossed quote has no mid.

    Args:
        rule: of the alert.
        quote: of the tick.
        last: the price of the last trade as the tick has it, of any type.
    """
    if quote.halted:
        return None
    if rule.side == "last":
        return last_price(last)
    if rule.side == "mid":
        return mid_of(quote)
    return quote.bid if rule.side == "bid" else quote.ask


def mid_of(quote: Quote) -> float | None:
    """Return the middle of a quote that has both sides and is not crossed."""
    if quote.halted or quote.bid is None or quote.ask is None or quote.bid > quote.ask:
        return None
    return (quote.bid + quote.ask) / 2


def spread_of(rule: AlertRule, symbol: str, quote: Quote) -> float | None:
    """Return the spread in the alert's unit; a pip is 0.01 of a symbol that ends with JPY, of all others 0.0001."""
    mid = mid_of(quote)
    if mid is None or quote.bid is None or quote.ask is None:
        return None
    spread = quote.ask - quote.bid
    if rule.unit == "pips":
        # Rounded to a thousandth: 1.1002 - 1.1000 is 0.00019999999999997797.
        return round(spread * (100 if symbol.endswith("JPY") else 10_000), 3)
    if rule.unit == "fraction":
        return spread / mid if mid > 0 else None
    return spread


def change_of(price: float, reference: float) -> float | None:
    """Return by how many percent a price is above another one."""
    return (price / reference - 1) * 100 if reference > 0 else None
