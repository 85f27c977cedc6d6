"""Waiting for a 4-byte word in shared memory to change: futex(2) by ctypes. Linux on x86-64 only.

Waiting and waking also work on memory that is mapped read-only. A waiter names a mask of bits, and is woken only by a call
whose mask has one of them.
"""

import ctypes
import functools
import mmap
import platform
import struct
import sys
import time
from typing import Any

SYS_FUTEX = 202  # on x86-64
WAIT_BITS, WAKE_BITS = 9, 10  # FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET: not private, since the waiters are other processes
ANY = 0xFFFFFFFF


def missing() -> str | None:
    """Return why this process cannot use a ring; None if it can.

    CPython offers no memory fence. On x86-64 stores become visible in the order in which they are made, and loads are made in
    order, so that none is needed; on other processors that is not so.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64" or struct.calcsize("P") != 8:
        return f"it needs Linux on x86-64, this is {sys.platform} on {platform.machine()}"
    return _refused()


@functools.cache
def _refused() -> str | None:
    """Return why the system call cannot be used, as in a sandbox."""
    word = mmap.mmap(-1, mmap.PAGESIZE)
    if _system_call(blocks=False)(SYS_FUTEX, address_of(word), WAKE_BITS, 1, None, None, ANY) != 0:
        return "the system does not allow futex(2)"
    return None


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("ns", ctypes.c_long))


class _Buffer(ctypes.Structure):
    """Py_buffer: the only way to the address of memory that is read-only."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


def address_of(memory: mmap.mmap) -> int:
    """Return the address of a mapping; it is valid as long as the mapping is."""
    buffer = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(memory), ctypes.byref(buffer), 0)
    try:
        return int(buffer.buf)
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))


def _system_call(*, blocks: bool) -> Any:
    """Return syscall(2); for a call that blocks, it releases Python's lock; keeping it costs less."""
    library = ctypes.CDLL(None) if blocks else ctypes.PyDLL(None)
    call = library.syscall
    call.restype = ctypes.c_long
    call.argtypes = (
        ctypes.c_long,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_uint32,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint32,
    )
    return call


class Futex:
    """One word of a mapping; for one thread.

    Args:
        memory: shared by all; kept alive.
        at: offset of the word, a multiple of 4.
    """

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory = memory
        self._address = address_of(memory) + at
        self._wait, self._wake = _system_call(blocks=True), _system_call(blocks=False)
        self._until = _Timespec()
        self._until_at = ctypes.addressof(self._until)

    def wait(self, value: int, bits: int, seconds: float) -> bool:
        """Sleep until woken, if the word is still `value`; at most this long. True if it was woken; false also after a signal."""
        until = time.monotonic() + seconds  # CLOCK_MONOTONIC, as the call takes it
        self._until.seconds = whole = int(until)
        self._until.ns = int((until - whole) * 1e9)
        return bool(self._wait(SYS_FUTEX, self._address, WAIT_BITS, value, self._until_at, None, bits) == 0)

    def wake(self, most: int, bits: int = ANY) -> int:
        """Wake up to this many of the waiters whose mask has one of these bits; return how many."""
        return int(self._wake(SYS_FUTEX, self._address, WAKE_BITS, most, None, None, bits))
