"""The attempts that count when a worker is lost, or does not hold its tasks any more. PROTOCOL.md section 6.3. Pure.

Only a surely begun attempt counts: that of a task which a lost worker held alone, or which passed its hard limit. Of several held
tasks any may have been begun, and any may have killed the worker. They are suspects: none is charged, and from then on each is
given to a worker that holds nothing else, until it has ended. So a task that kills its workers is charged from the second time
on, and the tasks beside it never. A task that a leaving worker hands back, since it has not begun it, is not charged either. Each
task is spared at most `MOST_SPARED` times.
"""

from collections.abc import Iterable
from enum import Enum

from hulak.bus.core.tasks.task_queue import CalledTask

MOST_SPARED = 5  # lost attempts of a task that do not count; beyond it, the task or its workers are faulty


class Loss(Enum):
    """The effect of a lost attempt on its task."""

    SPARED = "spared"  # it does not count, and the task is retried
    CHARGED = "charged"  # it counts, and the task is retried
    LAST = "last"  # it counts, and no further attempt is allowed


def surely_begun(held: Iterable[bytes], blamed: bytes = b"") -> set[bytes]:
    """Return the tasks that a lost worker had surely begun.

    Args:
        held: ids of the tasks that it held.
        blamed: id of the task that passed its hard limit, if one did.
    """
    ids = set(held)
    return ids if len(ids) == 1 else ids & {blamed}


def judge(task: CalledTask, *, begun: bool) -> Loss:
    """Judge the loss of a task's present attempt; `begun`: it had surely begun."""
    if not begun and task.spared < MOST_SPARED:
        return Loss.SPARED
    return Loss.LAST if task.attempt > task.retries else Loss.CHARGED
