"""How many tasks are in which state, now: what it costs does not grow with their number. Pure.

Each task of the books waits in the queue, waits for its next attempt, or is held by a worker; what is held may have been given
up. So nothing need be counted where tasks are dealt with: the queue and the workers know how much they hold.
"""

import itertools
from collections import Counter

from bus.core.tasks.task_lifecycle import TaskLifecycle

MOST_SERVICES = 1000  # that are told by name: they come from clients


def totals(books: TaskLifecycle) -> dict[str, int]:
    """Count the tasks that are queued, waiting and running."""
    held = sum(len(worker.held) for worker in books.roster)
    waiting = books.waiting.total()
    return {
        "queued": len(books.tasks) - held - waiting,
        "waiting": waiting,
        "running": held - books.given_up.total(),
    }


def by_service(books: TaskLifecycle) -> dict[str, dict[str, int]]:
    """Count the tasks of each service that has any."""
    running: Counter[str] = Counter()
    for worker in books.roster:
        running[worker.service] += len(worker.held)
    running -= books.given_up
    queue = books.queue
    names = itertools.islice(dict.fromkeys((*running, *books.waiting, *queue.by_service, *queue.suspects)), MOST_SERVICES)
    return {name: {"queued": queue.count(name), "waiting": books.waiting[name], "running": running[name]} for name in names}
