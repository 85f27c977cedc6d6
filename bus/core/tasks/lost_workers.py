"""What is charged to whom when a worker is lost, or does not hold what it should. PROTOCOL.md section 6.3. Pure.

Only what was surely begun counts as an attempt: what a lost worker held alone, and what passed its hard limit. Of several that it
held any may have been begun, and any may have killed it. They are suspects: none is charged, and from then on each is given to a
worker that holds nothing else, until it has ended. So one that kills its workers is charged from the second time on, and what
stood beside it never. What a leaving worker hands back, since it has not begun it, is not charged either. All of this at most
`MOST_SPARED` times for each task.
"""

from bus.core.effects import Effect, LogLine
from bus.core.tasks.task_lifecycle import TaskLifecycle
from bus.core.tasks.task_queue import GIVEN_UP, CalledTask, TaskState
from bus.core.tasks.worker_roster import Worker

MOST_SPARED = 5  # lost attempts of a task that do not count; beyond, something is wrong with it or with who takes it


class LostWorkers(TaskLifecycle):
    """All called tasks and the workers that hold them, and what becomes of the tasks that workers lose."""

    def _all_lost(self, worker: Worker, why: str, blamed: bytes = b"") -> list[Effect]:
        """Give all that a lost worker held to others; `blamed` is the task that passed its hard limit, if one did."""
        alone = len(worker.held) == 1
        effects: list[Effect] = []
        for task_id in list(worker.held):
            effects += self._attempt_lost(worker, task_id, why, counts=alone or task_id == blamed, suspect=True)
        return effects

    def _attempt_lost(self, worker: Worker, task_id: bytes, why: str, *, counts: bool, suspect: bool) -> list[Effect]:
        """Give a task to another worker, or end it.

        Args:
            worker: that held it.
            task_id: of the task.
            why: it lost it.
            counts: it counts as an attempt.
            suspect: it may be why the worker is lost.
        """
        worker.missed.pop((task_id, worker.held[task_id]), None)  # the number may be given again
        self._release(worker, task_id)
        task = self.tasks[task_id]
        if task.state in GIVEN_UP:
            self._put_down(task)
            return []
        task.suspect = task.suspect or suspect
        if not counts and task.spared < MOST_SPARED:
            return self._spare(worker, task, why)
        task.troubles.append(f"{worker.name}: {why}")
        if task.attempt > task.retries:
            text = f"{task.attempt} workers were lost with it, the last one ({worker.name}) since {why}"
            return self._end(task, TaskState.FAILED, task.error("WORKER_LOST", text))
        self.counters["retried"] += 1
        return self._requeue(task, "task requeued", why)

    def _spare(self, worker: Worker, task: CalledTask, why: str) -> list[Effect]:
        task.attempt -= 1
        task.spared += 1
        task.troubles.append(f"{worker.name}: {why}; not counted, since it may not have been begun")
        return self._requeue(task, "task given back", why)

    def _requeue(self, task: CalledTask, event: str, why: str) -> list[Effect]:
        task.become(TaskState.QUEUED)
        self.queue.add(task, first=True)
        told = LogLine(event, {"task": task.id.hex(), "attempt": task.attempt, "why": why})
        return [told, *self._noted(task, 0.0)]
