"""CPU scheduling policy of threads: SCHED_OTHER for latency, SCHED_BATCH for throughput. Linux only.

Under the default policy, SCHED_OTHER, a wake-up may preempt a running thread: a message is handled at once. Under `SCHED_BATCH`
(sched(7), Linux; needs no privilege) the woken thread waits for a free processor or for the end of the other's time slice, so
that messages arrive in groups instead of one by one. That costs latency, and saves CPU time where there are very many.
A process that was started with another policy, for example by `chrt`, keeps it.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

BUSY_PER_S = 20_000.0  # messages: from here on SCHED_BATCH has the higher rate (measured with ticks to 20 subscribers)
CALM_PER_S = 12_000.0  # messages: below, SCHED_OTHER has the lower latency, and the same CPU time
THREADS = Path("/proc/self/task")


class LoadRule:
    """Decides by the rate of messages whether a process runs as batch. Pure.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self.batch = False
        self._since = now
        self._handled = 0

    def update(self, now: float, handled: int) -> bool:
        """Return whether the decision has changed; `batch` has it.

        Args:
            now: monotonic seconds.
            handled: messages since the start.
        """
        per_s = (handled - self._handled) / max(now - self._since, 1e-3)
        self._since, self._handled = now, handled
        batch = per_s >= (CALM_PER_S if self.batch else BUSY_PER_S)
        changed, self.batch = batch != self.batch, batch
        return changed


def set_process_policy(*, batch: bool) -> None:
    """Set SCHED_BATCH or SCHED_OTHER for all threads of this process that have the other of the two."""
    with contextlib.suppress(AttributeError, OSError):  # not Linux; a sandbox; a thread that has just ended
        before, after = (os.SCHED_OTHER, os.SCHED_BATCH) if batch else (os.SCHED_BATCH, os.SCHED_OTHER)
        for thread in (int(path.name) for path in THREADS.iterdir()):
            if os.sched_getscheduler(thread) == before:
                os.sched_setscheduler(thread, after, os.sched_param(0))


def set_batch_policy() -> bool:
    """Set SCHED_BATCH for this thread and the threads that it starts later; false if it could not be set."""
    try:
        if os.sched_getscheduler(0) != os.SCHED_OTHER:
            return False
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except (AttributeError, OSError):  # not Linux; a sandbox
        return False
    return True


@contextlib.contextmanager
def batch_policy() -> Iterator[None]:
    """Start threads in this block under SCHED_BATCH; afterwards the calling thread has its former policy again."""
    changed = set_batch_policy()
    try:
        yield
    finally:
        if changed:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
