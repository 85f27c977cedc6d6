"""Ends a worker whose task never lets go of the interpreter's lock (the GIL).

The main thread enforces the limits of a task, but it cannot run while a regular expression that backtracks without end, or a
native library, holds the lock: the worker would be frozen for as long, and supervisord would see it run. A thread of
`faulthandler` needs no lock. Unless it is postponed, it writes where each thread is, to standard error, and ends the process with
exit code 1.
"""

import contextlib
import faulthandler
import os

RENEW_S = 1.0  # between two postponements: each starts a thread
SLACK_S = 3.0  # after the hard limit, at which the main thread ends the process if it can run
KEEP_S = 60.0  # after the last task. An idle worker may be stopped (Ctrl-Z) for any time, and calls in a row cost no new thread


class Watchdog:
    """The timer of one process. Its methods are called by one thread at a time, with the lock of the worker."""

    def __init__(self) -> None:
        self.hard_ms = 0  # limit that it is armed with; 0: it is not armed
        self._renew_at = 0.0
        try:
            self._out = os.dup(2)  # the task may close its own
        except OSError:
            self._out = os.open(os.devnull, os.O_WRONLY)

    def arm(self, now: float, hard_ms: int) -> None:
        """Start the timer, or start it again.

        Args:
            now: monotonic seconds.
            hard_ms: hard limit of the task that begins.
        """
        self.hard_ms, self._renew_at = hard_ms, now + RENEW_S
        with contextlib.suppress(RuntimeError):  # the system refuses another thread
            faulthandler.dump_traceback_later(hard_ms / 1000 + SLACK_S, exit=True, file=self._out)

    def renew(self, now: float, used: float) -> None:
        """Postpone the end of the process, or disarm the timer where no task has begun for long; call it a few times a second.

        Args:
            now: monotonic seconds.
            used: when the last task began; `now` if one runs.
        """
        if not self.hard_ms or now < self._renew_at:
            return
        if now - used < KEEP_S:
            self.arm(now, self.hard_ms)
        else:
            self.disarm()

    def disarm(self) -> None:
        """Stop the timer."""
        self.hard_ms = 0
        faulthandler.cancel_dump_traceback_later()
