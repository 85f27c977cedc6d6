"""Who of a service's workers has to leave when another one comes. Pure.

Rule 1: a supervisor's slot has one worker: the one whose process was started last. The other is one that a killed supervisord
        left behind.
Rule 2: a service that is scaled has as many workers as `[scaling] max_workers` at most. Those of slots go before those that were
        started by hand, for a slot's is started again whatever we say; else who was there first goes first.

Who has to leave finishes what it holds, and is given nothing more.
"""

from collections.abc import Iterable

from hulak.bus.core.tasks.worker_roster import Worker


def to_leave(workers: Iterable[Worker], newcomer: Worker, most: int | None) -> list[tuple[str, str]]:
    """Say who has to leave now.

    Args:
        workers: all that are alive, the newcomer included.
        newcomer: that has just registered.
        most: workers of its service; None: any number.
    Returns:
        name and reason of each.
    """
    staying = [one for one in workers if one.service == newcomer.service and not one.retiring]
    slot = _slot(newcomer)
    same = sorted((one for one in staying if slot is not None and _slot(one) == slot), key=_age)
    leaving = {one.name: f"slot {newcomer.info['slot']} has a newer worker, {same[-1].name}" for one in same[:-1]}
    if most is not None:
        left = sorted((one for one in staying if one.name not in leaving), key=lambda one: (_slot(one) is None, one.since))
        leaving |= {one.name: f"{most} workers serve {one.service} already ([scaling] max_workers)" for one in left[most:]}
    return list(leaving.items())


def _slot(worker: Worker) -> tuple[str, str] | None:
    slot, host = worker.info.get("slot"), worker.info.get("host", "")
    return (str(host), slot) if isinstance(slot, str) and slot else None


def _age(worker: Worker) -> tuple[float, float]:
    started = worker.info.get("started_ns")
    return (started if isinstance(started, int) else worker.since * 1e9, worker.since)
