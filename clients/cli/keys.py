"""Decoder of a terminal's keys: bytes in, names of keys out. Pure but for `terminal`.

An arrow key sends several bytes that begin with Escape (ECMA-48, xterm's ctlseqs), and they can arrive in parts. Unknown keys and
reports of the terminal are decoded as a whole, to the name `other`.
"""

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator

ESC = 0x1B
ALONE_S = 0.5  # after this, Escape was a key and not the start of a sequence
LONGEST = 64  # most bytes of a sequence
STRINGS = b"P]^_X"  # after Escape: start of a report that ends with BEL or Escape \
FINALS = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end"}
NUMBERED = {"1": "home", "7": "home", "4": "end", "8": "end", "5": "pageup", "6": "pagedown"}
OTHER = "other"  # an unknown key or a report


class Keys:
    """Incremental decoder."""

    def __init__(self) -> None:
        self._pending = bytearray()  # bytes of an incomplete sequence
        self._since = 0.0
        self._string = False  # inside a report

    def feed(self, data: bytes, now: float) -> list[str]:
        """Decode bytes that arrived at `now`, in monotonic seconds; return the keys, each a character or a name."""
        if self._pending == b"\x1b" and now - self._since >= ALONE_S:
            self._pending.clear()
        self._since = now
        keys = []
        for byte in data:
            key = self._decode(byte)
            if key:
                keys.append(key)
        return keys

    def _decode(self, byte: int) -> str:
        pending = self._pending
        if self._string:
            return self._decode_string(byte)
        if not pending:
            if byte == ESC:
                pending.append(byte)
                return ""
            return chr(byte) if byte < 0x80 else OTHER
        if byte == ESC or len(pending) >= LONGEST:  # a new sequence begins; the pending bytes are discarded
            pending[:] = b"\x1b" if byte == ESC else b""
            return OTHER
        pending.append(byte)
        if len(pending) == 2:
            return self._second(byte)
        return self._further(byte)

    def _second(self, byte: int) -> str:
        if byte in b"[O":
            return ""
        self._pending.clear()
        if byte in STRINGS:
            self._string = True
            return ""
        return OTHER  # a key with Alt

    def _further(self, byte: int) -> str:
        pending = self._pending
        if pending.startswith(b"\x1b[M"):  # a mouse report: three more bytes
            return self._end(OTHER) if len(pending) == 6 else ""
        if pending == b"\x1b[[":  # function keys of the Linux console: one more byte
            return ""
        if pending.startswith(b"\x1b[[") or not 0x20 <= byte <= 0x7E:
            return self._end(OTHER)
        if byte < 0x40:  # a number or a separator
            return ""
        text = pending.decode("ascii")
        if text[-1] == "~":
            return self._end(NUMBERED.get(text[2:-1].partition(";")[0], OTHER))
        return self._end(FINALS.get(text[-1], OTHER))

    def _end(self, name: str) -> str:
        self._pending.clear()
        return name

    def _decode_string(self, byte: int) -> str:
        pending = self._pending
        if byte == 0x07 or (pending == b"\x1b" and byte == 0x5C):
            self._string = False
            return self._end(OTHER)
        pending[:] = b"\x1b" if byte == ESC else b""
        return ""


def is_foreground(descriptor: int) -> bool:
    """Return whether it is the terminal of this process, and no other process group has it."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # no terminal, or not the one that controls this process
        return False


@contextlib.contextmanager
def terminal(live: bool) -> Iterator[Callable[[float], list[str]] | None]:
    """Read single keys from the terminal; its settings are restored at the end.

    Args:
        live: whether to read keys at all.
    Returns:
        a function that waits at most the given seconds and returns the keys; None without a terminal, or if another process
        group has it.
    """
    if not live or not is_foreground(sys.stdin.fileno()):
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
