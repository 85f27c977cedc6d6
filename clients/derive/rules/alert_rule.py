"""The definition of an alert as the rules read it. PROTOCOL.md section 7.10. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

STAR = "*"
MS = 1000


class AlertRule(msgspec.Struct, frozen=True, array_like=True):
    """A definition. Times are in ms."""

    id: str  # hexadecimal
    name: str
    symbol: str  # whole, or a beginning and a star
    on: Literal["price", "change", "spread", "stale"]
    enabled: bool = True
    side: Literal["bid", "ask", "mid", "last"] = "mid"
    above: float | None = None
    below: float | None = None
    unit: Literal["price", "pips", "fraction"] = "price"
    window_ms: int | None = None  # None: since the day's first price
    after_ms: int = 0
    repeat: bool = False
    rearm: float = 0.0
    cooldown_ms: int = 0
    until_ms: int | None = None
    note: str = ""

    def matches(self, symbol: str) -> bool:
        """Return whether it is about a symbol."""
        pattern = self.symbol
        return symbol.startswith(pattern[:-1]) if pattern.endswith(STAR) else symbol == pattern

    def counts(self, now: int) -> bool:
        """Return whether it may fire at a time, in ms since 1970 UTC."""
        return self.enabled and (self.until_ms is None or now < self.until_ms)


def rule_of(row: Mapping[str, Any]) -> AlertRule | None:
    """Read a row of `hulak.alert.list`; None if it is none that these rules know.

    Args:
        row: with `id` as bytes.
    """
    plain = {name: row[name] for name in AlertRule.__struct_fields__ if name in row and name != "id"}
    try:
        times = {"window_ms": _ms(row.get("window_s")), "after_ms": _ms(row.get("after_s")) or 0}
        values = {**plain, **times, "cooldown_ms": _ms(row.get("cooldown_s")) or 0, "id": row["id"].hex()}
        ordered = [values.get(name, default) for name, default in _DEFAULTS.items()]
        return msgspec.convert(ordered, AlertRule)
    except (msgspec.ValidationError, KeyError, AttributeError, TypeError, ValueError, OverflowError):
        return None


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * MS)


_DEFAULTS = {field.name: None if field.required else field.default for field in msgspec.structs.fields(AlertRule)}
