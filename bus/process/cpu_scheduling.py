"""CPU scheduling policy: threads run as SCHED_BATCH, so that a wake-up does not preempt a running thread. Linux only.

The threads of a bus are woken thousands of times a second. Under the default policy each wake-up may preempt a running sender,
so that messages arrive one by one instead of in groups, which costs all processes more than it gains. Under `SCHED_BATCH`
(sched(7), Linux; needs no privilege) the woken thread waits for a free processor or for the end of the other's time slice.
A process that was started with another policy, for example by `chrt`, keeps it.
"""

import contextlib
import os
from collections.abc import Iterator


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
