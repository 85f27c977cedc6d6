"""Threads of this process that were ended by an error: the process continues without them, so the error must be reported."""

import threading
from types import TracebackType
from typing import Self

MOST = 10  # errors kept
LONGEST = 200  # characters of one error


class DeadThreads:
    """Records such threads while it is installed; a context manager. The former `threading.excepthook` is still called."""

    def __init__(self) -> None:
        self.errors: list[str] = []  # "tasks: SystemExit: 1"
        self._before = threading.excepthook
        self._installed = self._hook  # one object, for the comparison in `uninstall`

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.uninstall()

    def install(self) -> None:
        """Install the hook."""
        self._before = threading.excepthook
        threading.excepthook = self._installed

    def uninstall(self) -> None:
        """Remove the hook, unless another one was installed after it."""
        if threading.excepthook is self._installed:
            threading.excepthook = self._before

    def _hook(self, args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread is not None else "?"
        if len(self.errors) < MOST:
            self.errors.append(f"{name}: {args.exc_type.__name__}: {args.exc_value}"[:LONGEST])
        self._before(args)
