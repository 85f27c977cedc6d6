"""The largest recent moves up and down, for markers that are held for a while. Pure."""

from typing import Any


class Deflection:
    """The largest moves in pipettes since the markers were reset, and the time of the last increase."""

    __slots__ = ("at_ms", "down", "up")

    def __init__(self) -> None:
        self.up = 0.0
        self.down = 0.0
        self.at_ms = 0

    def fold(self, direction: int, move: float, now_ms: int, decay_ms: float) -> None:
        """Add a move; both markers are reset to 0 when none has increased for longer than `decay_ms`."""
        if now_ms - self.at_ms > decay_ms:
            self.up = self.down = 0.0
        if direction > 0 and move > self.up:
            self.up, self.at_ms = move, now_ms
        elif direction < 0 and move > self.down:
            self.down, self.at_ms = move, now_ms

    def shown(self) -> dict[str, Any]:
        """Return {up, down (pipettes), at (the ticks' clock, ms; 0 before the first)}."""
        return {"up": round(self.up, 3), "down": round(self.down, 3), "at": self.at_ms}

    def dump(self) -> list[Any]:
        """Return the state as plain values."""
        return [self.up, self.down, self.at_ms]

    def restore(self, state: list[Any]) -> None:
        """Restore the state of a `dump`."""
        self.up, self.down, self.at_ms = state
