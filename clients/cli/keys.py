"""Keys of a terminal: bytes in, names out, whole sequences only. Pure but for `terminal`.

An arrow key sends several bytes that begin with Escape (ECMA-48, xterm's ctlseqs), and they may come in pieces. What is no key
that somebody asks for, a report of the terminal or an unknown key, is taken in whole and has a name that nobody asks for.
"""

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator

ESC = 0x1B
ALONE_S = 0.5  # after which Escape was the key, and begins nothing
LONGEST = 64  # bytes of a sequence; what is longer is none
STRINGS = b"P]^_X"  # behind Escape: a report that ends with BEL or Escape \
FINALS = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end"}
NUMBERED = {"1": "home", "7": "home", "4": "end", "8": "end", "5": "pageup", "6": "pagedown"}
OTHER = "other"  # a key that nobody asks for


class Keys:
    """Takes bytes as they come."""

    def __init__(self) -> None:
        self._held = bytearray()  # the beginning of a sequence
        self._since = 0.0
        self._string = False  # within a report that has no bound

    def feed(self, data: bytes, now: float) -> list[str]:
        """Take bytes that came at `now`, in monotonic seconds; return the keys, each a character or a name."""
        if self._held == b"\x1b" and now - self._since >= ALONE_S:
            self._held.clear()
        self._since = now
        found = []
        for byte in data:
            key = self._take(byte)
            if key:
                found.append(key)
        return found

    def _take(self, byte: int) -> str:
        held = self._held
        if self._string:
            return self._take_string(byte)
        if not held:
            if byte == ESC:
                held.append(byte)
                return ""
            return chr(byte) if byte < 0x80 else OTHER
        if byte == ESC or len(held) >= LONGEST:  # it begins anew; what was held is given up
            held[:] = b"\x1b" if byte == ESC else b""
            return OTHER
        held.append(byte)
        if len(held) == 2:
            return self._second(byte)
        return self._further(byte)

    def _second(self, byte: int) -> str:
        if byte in b"[O":
            return ""
        self._held.clear()
        if byte in STRINGS:
            self._string = True
            return ""
        return OTHER  # a key with Alt

    def _further(self, byte: int) -> str:
        held = self._held
        if held.startswith(b"\x1b[M"):  # a mouse: three more bytes, whatever they are
            return self._end(OTHER) if len(held) == 6 else ""
        if held == b"\x1b[[":  # the Linux console's function keys: one more
            return ""
        if held.startswith(b"\x1b[[") or not 0x20 <= byte <= 0x7E:
            return self._end(OTHER)
        if byte < 0x40:  # a number, or what stands between numbers
            return ""
        text = held.decode("ascii")
        if text[-1] == "~":
            return self._end(NUMBERED.get(text[2:-1].partition(";")[0], OTHER))
        return self._end(FINALS.get(text[-1], OTHER))

    def _end(self, name: str) -> str:
        self._held.clear()
        return name

    def _take_string(self, byte: int) -> str:
        held = self._held
        if byte == 0x07 or (held == b"\x1b" and byte == 0x5C):
            self._string = False
            return self._end(OTHER)
        held[:] = b"\x1b" if byte == ESC else b""
        return ""


@contextlib.contextmanager
def terminal(live: bool) -> Iterator[Callable[[float], list[str]] | None]:
    """Take single keys from the terminal, where there is one and it is ours; its settings are restored at the end.

    Args:
        live: whether to.
    Returns:
        what waits for keys for so many seconds at most, and gives them; None where there is no terminal.
    """
    if not live or not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
        yield None
        return
    import termios
    import time
    import tty

    where, decoder = sys.stdin.fileno(), Keys()
    before = termios.tcgetattr(where)
    tty.setcbreak(where)
    is_open = True

    def pressed(wait_s: float) -> list[str]:
        nonlocal is_open
        ready, _, _ = select.select([where] if is_open else [], [], [], wait_s)
        if not ready:
            return []
        data = os.read(where, 1024)
        is_open = bool(data)
        return decoder.feed(data, time.monotonic())

    try:
        yield pressed
    finally:
        termios.tcsetattr(where, termios.TCSADRAIN, before)
