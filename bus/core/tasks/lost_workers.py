"""What is charged to whom when a worker is lost, or does not hold what it should. PROTOCOL.md section 6.3. Pure.

Only what was surely begun counts as an attempt: what a lost worker held alone, and what passed its hard limit. Of several that it
held any may have been begun, and any may have killed it. They are suspects: none is charged, and from then on each is given to a
worker that holds nothing else, until it has ended. So one that kills its workers is charged from the second time on, and what
stood beside it never. What a leaving worker hands back, since it has not begun it, is not charged either. All of this at most
`MOST_SPARED` times for each task.
"""

from collections.abc import Iterable
from enum import Enum

from hulak.bus.core.tasks.task_queue import CalledTask

MOST_SPARED = 5  # lost attempts of a task that do not count; beyond, something is wrong with it or with who takes it


class Loss(Enum):
    """What a lost attempt is for its task."""

    SPARED = "spared"  # it does not count, and the task is tried again
    CHARGED = "charged"  # it counts, and the task is tried again
    LAST = "last"  # it counts, and its caller allows no further one


def surely_begun(held: Iterable[bytes], blamed: bytes = b"") -> set[bytes]:
    """Find the tasks that a lost worker had begun for sure.

    Args:
        held: ids of what it held.
        blamed: id of the task that passed its hard limit, if one did.
    """
    ids = set(held)
    return ids if len(ids) == 1 else ids & {blamed}


def judge(task: CalledTask, *, begun: bool) -> Loss:
    """Judge the loss of a task's present attempt; `begun`: it had surely begun."""
    if not begun and task.spared < MOST_SPARED:
        return Loss.SPARED
    return Loss.LAST if task.attempt > task.retries else Loss.CHARGED
