"""Surplus workers: the workers of a service that have to leave when another one registers. Pure.

Rule 1: a supervisor's slot has one worker: the one whose process was started last. The other one was left behind by a killed
        supervisord.
Rule 2: a service with a setting `max_workers` has at most as many workers. Workers of slots take precedence over workers that
        were started by hand, since a slot's worker would be restarted; among equals the earlier one takes precedence.

A worker that has to leave finishes the tasks that it holds, and gets no more.
"""

from collections.abc import Iterable

from hulak.bus.core.tasks.worker_roster import Worker


def to_leave(workers: Iterable[Worker], newcomer: Worker, most: int | None) -> list[tuple[str, str]]:
    """Return the workers that have to leave now.

    Args:
        workers: all live workers, the newcomer included.
        newcomer: the worker that has just registered.
        most: largest number of workers of its service; None: any number.
    Returns:
        name and reason of each.
    """
    staying = [worker for worker in workers if worker.service == newcomer.service and not worker.retiring]
    slot = _slot(newcomer)
    same = sorted((worker for worker in staying if slot is not None and _slot(worker) == slot), key=_age)
    leaving = {worker.name: f"slot {newcomer.info['slot']} has a newer worker, {same[-1].name}" for worker in same[:-1]}
    if most is not None:
        remaining = sorted(
            (worker for worker in staying if worker.name not in leaving), key=lambda worker: (_slot(worker) is None, worker.since)
        )
        leaving |= {
            worker.name: f"{most} workers serve {worker.service} already (setting max_workers)" for worker in remaining[most:]
        }
    return list(leaving.items())


def _slot(worker: Worker) -> tuple[str, str] | None:
    slot, host = worker.info.get("slot"), worker.info.get("host", "")
    return (str(host), slot) if isinstance(slot, str) and slot else None


def _age(worker: Worker) -> tuple[float, float]:
    started = worker.info.get("started_ns")
    return (started if isinstance(started, int) else worker.since * 1e9, worker.since)
