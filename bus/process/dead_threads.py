"""Threads of this process that ended by an error: the process goes on without them, so somebody has to be told."""

import threading
from types import TracebackType
from typing import Self

MOST = 10  # that are remembered
LONGEST = 200  # characters of one


class DeadThreads:
    """Remembers them while it is installed; a context manager. What was done before about such a thread is still done."""

    def __init__(self) -> None:
        self.told: list[str] = []  # "tasks: SystemExit: 1"
        self._before = threading.excepthook
        self._ours = self._hook  # one object, to be known again

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.uninstall()

    def install(self) -> None:
        """Begin."""
        self._before = threading.excepthook
        threading.excepthook = self._ours

    def uninstall(self) -> None:
        """End; whoever was installed after us stays."""
        if threading.excepthook is self._ours:
            threading.excepthook = self._before

    def _hook(self, args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread is not None else "?"
        if len(self.told) < MOST:
            self.told.append(f"{name}: {args.exc_type.__name__}: {args.exc_value}"[:LONGEST])
        self._before(args)
