"""Processes that a task forks (multiprocessing, `os.fork`) inherit nothing of the worker.

A forked child has a copy of everything: of the worker's signal handlers, which only set a flag, so that SIGTERM would not end it;
of its connections, which would stay open when the worker dies; of the code that called the task, which would continue as a
second worker. It also outlives its parent, unless it asks the system for a signal. Processes started by `subprocess` share only
this last problem: they run another program before any code of the worker could run in them.
"""

import contextlib
import ctypes
import os
import signal
import socket as plain
import stat
import sys
import threading
import traceback
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, NoReturn

from hulak.bus.process import sockets
from hulak.bus.process.lifecycle import PR_SET_PDEATHSIG, open_files
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings

ASKED = (signal.SIGTERM, signal.SIGINT)
BROKEN = 70  # exit code where a thread has ended that must not
ENDS_S = 0.5  # for processes that received SIGTERM


class Forks:
    """Hooks that run at each fork of this process, after `guard` was called.

    Args:
        peers: addresses to which only the worker's connections lead.
    """

    def __init__(self, peers: AbstractSet[Any]) -> None:
        self.child = False  # this process is a forked one
        self._peers = peers
        self._worker = os.getpid()
        # Ids of the threads that live as long as the worker. The system ends a child with the thread that forked it; a child of
        # another thread may be meant to outlive that thread.
        self._lasting: set[int] = set()
        self._masks = threading.local()
        self._prctl: Any = None

    def guard(self) -> None:
        """Install the hooks."""
        with contextlib.suppress(OSError, AttributeError):
            self._prctl = ctypes.CDLL(None).prctl
        os.register_at_fork(before=self._before, after_in_parent=self._unmask, after_in_child=self._in_child)

    def mark_lasting(self) -> None:
        """Mark the calling thread as living as long as the worker: processes that it forks from now on end with the worker."""
        self._lasting.add(threading.get_ident())

    def leave_child(self, error: BaseException | None = None) -> None:
        """End this process if it is a forked one: the caller of the task is code of the worker, which must not run here."""
        if not self.child:
            return
        code = 0 if error is None else 1
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        with contextlib.suppress(BaseException):
            if error is not None and not isinstance(error, SystemExit):
                traceback.print_exception(error)
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)

    def _before(self) -> None:
        # A signal that arrives before the child has its handlers must wait for them, or it would be lost.
        self._masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKED)

    def _unmask(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.before)

    def _in_child(self) -> None:
        if not self.child:
            self.child = True
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._end_with_worker()
            self._close_connections()
        self._unmask()

    def _end_with_worker(self) -> None:
        if self._prctl is not None and threading.get_ident() in self._lasting:
            self._prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != self._worker:  # the worker died in between
                os._exit(1)

    def _close_connections(self) -> None:
        for number in open_files():
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    self._close_if_of_worker(number)

    def _close_if_of_worker(self, number: int) -> None:
        socket = plain.socket(fileno=number)
        try:
            peer = socket.getpeername()
            if (peer[:2] if isinstance(peer, tuple) else peer) in self._peers:
                os.close(number)
        finally:
            socket.detach()


def broker_addresses(settings: Settings, home: Path) -> set[Any]:
    """Return the addresses of the broker as sockets of its peers report them: paths, and (host, port)."""
    addresses: set[Any] = {str(path) for name in sockets.NAMES if (path := sockets.ipc_path(home, name)) is not None}
    for name in sockets.NAMES:
        host, _, port = getattr(settings.broker, name).removeprefix("tcp://").rpartition(":")
        with contextlib.suppress(OSError, ValueError):
            addresses |= {info[4][:2] for info in plain.getaddrinfo(host.strip("[]"), int(port), type=plain.SOCK_STREAM)}
    return addresses


def break_off(log: Log, error: BaseException | str) -> NoReturn:
    """End the process at once, from any thread, since it can no longer work; its tasks go to other workers."""
    with contextlib.suppress(BaseException):
        log.error("worker broken", why=repr(error), exc_info=error if isinstance(error, BaseException) else None)
    with contextlib.suppress(BaseException):
        end_children()
    os._exit(BROKEN)


def end_children() -> None:
    """End all descendants of this process; their tasks go to other workers."""
    import psutil  # noqa: PLC0415 - only here: it would cost each worker 40 ms at its start

    with contextlib.suppress(psutil.Error, OSError):
        children = psutil.Process().children(recursive=True)
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.terminate()
        _, living = psutil.wait_procs(children, timeout=ENDS_S)
        for child in living:
            with contextlib.suppress(psutil.Error):
                child.kill()
