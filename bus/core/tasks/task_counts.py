"""The number of tasks in each state, at a cost that does not grow with their number. Pure.

Each known task waits in the queue, waits for its next attempt, or is held by a worker; a held task may have been given up. So
the hot path counts nothing: the queue and the workers know their sizes.
"""

import itertools
from collections import Counter

from hulak.bus.core.tasks.task_lifecycle import TaskLifecycle
from hulak.bus.core.tasks.worker_roster import WorkerRoster

MOST_SERVICES = 1000  # services that the statistics name: the names come from clients


def totals(lifecycle: TaskLifecycle, roster: WorkerRoster) -> dict[str, int]:
    """Count the tasks that are queued, waiting and running."""
    held = sum(len(worker.held) for worker in roster)
    waiting = lifecycle.waiting.total()
    return {
        "queued": len(lifecycle.tasks) - held - waiting,
        "waiting": waiting,
        "running": held - lifecycle.given_up.total(),
    }


def oldest(lifecycle: TaskLifecycle, now: float) -> dict[str, float]:
    """Return, of each service with queued tasks, for how many seconds the oldest of them has been in the broker."""
    queue = lifecycle.queue
    names = itertools.islice(dict.fromkeys((*queue.by_service, *queue.suspects)), MOST_SERVICES)
    since = {name: queue.oldest(name) for name in names}
    return {name: round(max(0.0, now - at), 3) for name, at in since.items() if at is not None}


def by_service(lifecycle: TaskLifecycle, roster: WorkerRoster) -> dict[str, dict[str, int]]:
    """Count the tasks of each service that has any."""
    running: Counter[str] = Counter()
    for worker in roster:
        running[worker.service] += len(worker.held)
    running -= lifecycle.given_up
    queue = lifecycle.queue
    names = itertools.islice(dict.fromkeys((*running, *lifecycle.waiting, *queue.by_service, *queue.suspects)), MOST_SERVICES)
    return {name: {"queued": queue.count(name), "waiting": lifecycle.waiting[name], "running": running[name]} for name in names}
