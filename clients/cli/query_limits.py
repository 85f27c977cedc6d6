"""The limits of a query: Ctrl-C, and the memory of the process. The database runs outside of Python."""

import os
import resource
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ENDED = 130  # exit code of a program that Ctrl-C has ended
SPARE_BYTES = 2 << 30  # of memory beside the database's: a segment, its tables, libraries


@contextmanager
def interruptible(interrupt: Callable[[], None], temporary: Path) -> Iterator[None]:
    """Let Ctrl-C interrupt the database for a block, and a second Ctrl-C end the process.

    Python notices a signal only when the database has returned. The database looks for an interruption between two batches of
    rows; a single huge value may take it minutes. So a thread waits for the signal.

    Args:
        interrupt: interrupts the database; callable from another thread.
        temporary: folder of the database, removed if the process ends.
    Raises:
        KeyboardInterrupt: the block failed after a Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are another thread's
        yield
        return
    pressed = threading.Event()
    reader, writer = socket.socketpair()
    writer.setblocking(False)  # as a signal's descriptor must be
    thread = threading.Thread(target=_watch, args=(reader, pressed, interrupt, temporary), daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            writer.close()
            thread.join()  # it has handled every signal now
            reader.close()
    except Exception:
        if pressed.is_set():
            raise KeyboardInterrupt from None
        raise


def _watch(reader: socket.socket, pressed: threading.Event, interrupt: Callable[[], None], temporary: Path) -> None:
    """Handle the numbers of signals, until the other end is closed."""
    while numbers := reader.recv(16):
        for _ in range(numbers.count(signal.SIGINT)):
            if pressed.is_set():
                shutil.rmtree(temporary, ignore_errors=True)
                os._exit(ENDED)
            pressed.set()
            interrupt()


@contextmanager
def bounded_memory(database_bytes: int) -> Iterator[None]:
    """Bound the memory of this process for a block: the database's own limit does not hold for a single value.

    Args:
        database_bytes: limit of the database.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    status = Path("/proc/self/status").read_text().split()
    most = int(status[status.index("VmData:") + 1]) * 1024 + database_bytes + SPARE_BYTES
    if soft == resource.RLIM_INFINITY or most < soft:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
