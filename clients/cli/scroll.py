"""Scrolling of lists that are longer than the screen. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")

STEPS = {"up": -1, "down": 1, "left": -1, "right": 1}
PAGES = {"pageup": -1, "pagedown": 1}
ENDS = {"home": 0, "end": 1 << 30}


@dataclass
class Scroll:
    """Scroll position of a list."""

    at: int = 0  # items above the visible ones
    page: int = 1  # visible items

    def press(self, key: str) -> bool:
        """Handle a key; return False if it does not scroll."""
        if key in STEPS:
            self.at += STEPS[key]
        elif key in PAGES:
            self.at += PAGES[key] * self.page
        elif key in ENDS:
            self.at = ENDS[key]
        else:
            return False
        self.at = max(0, self.at)
        return True


def cut(items: Sequence[Item], room: int, scroll: Scroll) -> tuple[list[Item], str]:
    """Return the visible part of a list.

    Args:
        items: all of them.
        room: number of items that fit; the text about the others takes the room of one.
        scroll: scroll position; clamped to the end of the list.
    Returns:
        the visible items, and a text about the others: "and 10 more", "and 3 more, 7 above"; empty if all are visible.
    """
    if len(items) <= room:
        scroll.at, scroll.page = 0, max(1, room)
        return list(items), ""
    scroll.page = max(1, room - 1)
    scroll.at = min(scroll.at, len(items) - scroll.page)
    shown = list(items[scroll.at : scroll.at + scroll.page])
    below, above = len(items) - scroll.at - len(shown), scroll.at
    parts = [f"and {below} more"] if below else []
    return shown, ", ".join(parts + ([f"{above} above"] if above else []))
