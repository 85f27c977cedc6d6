"""Flashes: moves that reach the threshold. Pure.

States are conflated before they are drawn, so the newest flash is kept for a second of the ticks' clock, with an id: a page
flashes once per id. In the original, a flash lasted until the next tick, and a pip was 0.0001 for every symbol, including USDJPY.
"""

from typing import Any

HELD_MS = 1000
PIPETTES = 10  # per pip


class Flash:
    """The newest flash of one display; magnitudes in pips."""

    __slots__ = ("at_ms", "direction", "magnitude")

    def __init__(self) -> None:
        self.at_ms: int | None = None
        self.magnitude = 0.0
        self.direction = "neutral"

    def fold(self, pips: float, direction: str, now_ms: int) -> None:
        """Record a move that reached the threshold, in pips."""
        self.at_ms, self.magnitude, self.direction = now_ms, pips, direction

    def shown(self, now_ms: int) -> dict[str, Any] | None:
        """Return {magnitude (pips), direction, id (the ticks' clock, ms)}; None a second after the last one."""
        if self.at_ms is None or now_ms - self.at_ms > HELD_MS:
            return None
        return {"magnitude": round(self.magnitude, 3), "direction": self.direction, "id": self.at_ms}

    def dump(self) -> list[Any]:
        """Return the state as plain values."""
        return [self.at_ms, self.magnitude, self.direction]

    def restore(self, state: list[Any]) -> None:
        """Restore the state of a `dump`."""
        self.at_ms, self.magnitude, self.direction = state
