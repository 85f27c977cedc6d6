"""The random events of `walk_world` and their weights; and the invariants of a dispatcher's tables."""

from collections import Counter

from hulak.bus.core.effects import ToClient, ToWorker
from hulak.bus.core.tasks import task_counts
from hulak.bus.core.tasks.task_queue import TaskState


def check_census(dispatcher):
    """Compare what the dispatcher counts with what there is."""
    by_both = Counter((task.service, task.state) for task in dispatcher.tasks.values())
    names = ("queued", "waiting", "running")
    by_service = {key: {name: by_both[key, TaskState(name)] for name in names} for key, _ in by_both}
    totals = task_counts.totals(dispatcher.lifecycle, dispatcher.roster)
    assert totals == {name: sum(row[name] for row in by_service.values()) for name in names}
    counted = task_counts.by_service(dispatcher.lifecycle, dispatcher.roster)
    assert {key: row for key, row in counted.items() if any(row.values())} == {
        key: row for key, row in by_service.items() if any(row.values())
    }


def check_books(dispatcher):
    """Check the invariants of a dispatcher's tables."""
    held = {}
    for worker in dispatcher.roster:
        assert dispatcher.roster.at(worker.identity) is worker
        assert dispatcher.roster.named(worker.name) is worker
        assert len(worker.held) <= worker.credit or not worker.credit, f"{worker.name} is given {worker.held}"
        for task_id, attempt in worker.held.items():
            task = dispatcher.tasks[task_id]
            assert task_id not in held, "two workers hold one task"
            assert (task.worker, task.attempt) == (worker.name, attempt)
            assert task.state in (TaskState.RUNNING, TaskState.EXPIRED)
            held[task_id] = worker
        free = worker.free > 0 and worker.service in dispatcher.queue.services()
        assert not free, f"{worker.name} is free, and tasks wait"
        suspects = [task_id for task_id in worker.held if dispatcher.tasks[task_id].suspect]
        assert not suspects or len(worker.held) == 1, f"{worker.name} holds {worker.held}, and {suspects} are suspects"
        able = worker.credit > 0 and not (worker.retiring or worker.held or worker.strays)
        assert not (able and worker.service in dispatcher.queue.suspects), f"{worker.name} is empty, and suspects wait"
        assert not worker.alone or worker.held, f"{worker.name} is kept for nothing"
    queued = [task.id for task in dispatcher.queue]
    assert len(queued) == len(dispatcher.queue) == len(set(queued))
    states = {task_id: task.state for task_id, task in dispatcher.tasks.items()}
    assert set(queued) == {task_id for task_id, state in states.items() if state is TaskState.QUEUED}
    assert set(held) == {task_id for task_id, state in states.items() if state in (TaskState.RUNNING, TaskState.EXPIRED)}
    assert dispatcher.size == sum(task.size for task in dispatcher.tasks.values())
    assert all(task.attempt <= task.retries + 1 for task in dispatcher.tasks.values())
    assert len(dispatcher.tasks) <= dispatcher.policy.max_tasks
    timers = dispatcher.timers
    assert len(timers) <= 1 + 3 * len(dispatcher.tasks)
    assert len(timers._heap) <= 2 * len(timers) + 64


def fault_freeze(world):
    if worker := world.some():
        worker.frozen = True
        world.later(world.random.choice((0.3, 1.2, 3.0)), lambda: worker.frozen and worker.thaw())


def fault_kill(world):
    if worker := world.some():
        world.replace(worker)


def fault_reconnect(world):
    if worker := world.some():
        worker.reconnect()


def fault_restart(world):
    if world.broker_up:
        world.kill_broker()
        world.later(world.random.random(), lambda: world.broker_up or world.start_broker())


def fault_freeze_broker(world):
    if world.broker_up and not world.broker_frozen:
        world.broker_frozen = True
        world.later(world.random.choice((0.2, 1.0, 4.0)), world.thaw_broker)


def event_call(world):
    for _ in range(world.random.choice((1, 1, 2, 8))):
        world.call()


def event_repeat(world):
    unfinished = [request for request in world.callers.values() if request["answer"] is None]
    if unfinished:
        world.ask(world.random.choice(unfinished))


def event_join(world):
    world.join()


def event_leave(world):
    if worker := world.some():
        worker.leave()


def event_retire(world):
    if world.broker_up and not world.broker_frozen and (worker := world.some()):
        world.carry_out(world.dispatcher.retire(worker.session.name, "an operator asked for it"))


FAULTS = (
    (
        event_call,
        event_repeat,
        event_join,
        event_leave,
        event_retire,
        fault_freeze,
        fault_kill,
        fault_reconnect,
        fault_restart,
        fault_freeze_broker,
    ),
    (40, 8, 5, 3, 3, 5, 5, 5, 2, 3),
)


def alone(effects):
    """Take messages apart that go out together."""
    for effect in effects:
        if isinstance(effect, ToClient | ToWorker) and isinstance(effect.message, list):
            yield from (type(effect)(effect.identity, item) for item in effect.message)
        else:
            yield effect
