"""Lists that are longer than the screen: which part is shown, and what is said of the rest. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")

STEPS = {"up": -1, "down": 1, "left": -1, "right": 1}
PAGES = {"pageup": -1, "pagedown": 1}
ENDS = {"home": 0, "end": 1 << 30}


@dataclass
class Scroll:
    """How far a list is scrolled."""

    at: int = 0  # items above what is shown
    page: int = 1  # items that are shown at a time

    def press(self, key: str) -> bool:
        """Do what a key says; false if it says nothing of scrolling."""
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
    """Choose what is shown of a list.

    Args:
        items: all of them.
        room: for how many there is; a word on the rest takes the place of one.
        scroll: how far it is scrolled; brought back if it is beyond the end.
    Returns:
        what is shown; and what is said of the rest: "and 10 more", "and 3 more, 7 above", or nothing if all are shown.
    """
    if len(items) <= room:
        scroll.at, scroll.page = 0, max(1, room)
        return list(items), ""
    scroll.page = max(1, room - 1)
    scroll.at = min(scroll.at, len(items) - scroll.page)
    shown = list(items[scroll.at : scroll.at + scroll.page])
    below, above = len(items) - scroll.at - len(shown), scroll.at
    said = [f"and {below} more"] if below else []
    return shown, ", ".join(said + ([f"{above} above"] if above else []))
