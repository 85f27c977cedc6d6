"""How threads of ours are woken: without stopping others for it, where the system has a policy for that.

A bus is woken thousands of times a second. Each time the kernel may stop whoever runs for it, whose messages then come one by one
instead of several at a time: that costs all of them more than it brings. `SCHED_BATCH` (sched(7), Linux; anybody may ask for
it) has the woken wait until a processor is free, or the others have had their share. Who was started with a policy of its own,
as by `chrt`, keeps that.
"""

import contextlib
import os
from collections.abc import Iterator


def give_way() -> bool:
    """Have this thread, and those it starts from now on, be woken so; false where that cannot be, or is not wanted."""
    try:
        if os.sched_getscheduler(0) != os.SCHED_OTHER:
            return False
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except (AttributeError, OSError):  # another system; a sandbox
        return False
    return True


@contextlib.contextmanager
def giving_way() -> Iterator[None]:
    """Have threads that are started in here be woken so, and leave the caller's own as it was."""
    changed = give_way()
    try:
        yield
    finally:
        if changed:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
