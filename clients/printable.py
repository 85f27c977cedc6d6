"""Texts of other peers on a terminal: control characters are shown, not obeyed. Pure.

A peer's text, such as the source of a tick, the name of a process or the error of a task, may hold any characters. If they are
written as they are, an escape sequence clears the screen, a carriage return overwrites a line, and a line end fakes a line.
"""

import re

# Controls (C0, DEL, C1), line and paragraph separators, marks that reverse the order of characters, halves of surrogate pairs.
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return a text on one line, in which each control character is written as in Python: `\x1b`, `\r`, `\u202e`."""
    return text if text.isprintable() else _CONTROLS.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
