"""Symbols that are added to a feed and removed from it while it runs: two lists in the live configuration. Pure.

A list is a text: names as the venue writes them, separated by commas. A feed has the symbols of its start (its command, or the
settings file) without the removed ones, then the added ones. So a change of the settings file still counts at the next start.
"""

from collections.abc import Iterable, Sequence

LONGEST_SYMBOL = 64  # characters


def split(text: str) -> list[str]:
    """Return the names of a list."""
    return [name for name in text.split(",") if name]


def joined(names: Iterable[str]) -> str:
    """Return the list of names."""
    return ",".join(names)


def is_name(name: str) -> bool:
    """Return whether a name can be in a list: 1 to 64 printable characters, without comma and blanks around."""
    return 0 < len(name) <= LONGEST_SYMBOL and name.isprintable() and "," not in name and name == name.strip()


def is_list(text: str, most: int) -> bool:
    """Return whether a text is a list of at most `most` names, each once; the empty text is one."""
    names = text.split(",") if text else []
    return len(names) <= most and len(set(names)) == len(names) and all(map(is_name, names))


def wanted(start: Sequence[str], added: str, removed: str) -> list[str]:
    """Return the symbols that a feed has to have: those of its start without the removed ones, then the added ones.

    Args:
        start: the symbols of its start.
        added: the list of added symbols.
        removed: the list of removed ones.
    """
    without = set(split(removed))
    return list(dict.fromkeys([*(name for name in start if name not in without), *split(added)]))


def add(present: Sequence[str], added: str, removed: str, names: Sequence[str]) -> tuple[str, str]:
    """Return both lists after symbols were added.

    Args:
        present: the symbols that the feed has; they are not added again.
        added: the list of added symbols.
        removed: the list of removed ones.
        names: to be added.
    """
    without = [name for name in split(removed) if name not in names]
    again = set(split(removed)) & set(names)  # symbols of the start
    more = [name for name in names if name not in again and name not in present]
    return joined(dict.fromkeys([*split(added), *more])), joined(without)


def remove(added: str, removed: str, names: Sequence[str]) -> tuple[str, str]:
    """Return both lists after symbols were removed; arguments: see `add`."""
    later = split(added)
    of_start = [name for name in names if name not in later]
    return joined(name for name in later if name not in names), joined(dict.fromkeys([*split(removed), *of_start]))
