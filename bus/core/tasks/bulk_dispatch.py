"""Many requests or results at a time: what `bus.core.tasks.dispatcher` does with each, at a third of its cost. Pure.

The common ones are dealt with in place, one loop for all of them: calls that nobody repeats or shares, and results of calls that
were done. All others go the way of `Dispatcher`, one by one and in their order. What comes of a burst is, but for how messages
are put together, what would have come of its messages alone: a test tries that.
"""

from collections.abc import Sequence

from bus.core.effects import Effect, ToClient, ToWorker
from bus.core.tasks.dispatcher import Dispatcher
from bus.core.tasks.policy import read_options, too_much
from bus.core.tasks.task_lifecycle import DEADLINE
from bus.core.tasks.task_queue import CalledTask, TaskState
from bus.core.tasks.worker_roster import Worker
from bus.errors import ProtocolError
from bus.wire.messages import BrokerHeartbeat, Error, Reply, Request, Result

RUNNING, DONE = TaskState.RUNNING, TaskState.DONE


class BulkDispatcher(Dispatcher):
    """A dispatcher that takes many messages of one peer at once."""

    def requests(self, now: float, client: bytes, requests: Sequence[Request], size: int = 0) -> list[Effect]:
        """Accept requests as `request` does; those that are refused are answered, and counted in `refused`.

        Args:
            now: monotonic seconds.
            client: that sent them.
            requests: in their order.
            size: bytes of the frame in which they came, if it was large; else 0.
        """
        if size:
            return [effect for request in requests for effect in self._large(now, client, request, size // len(requests))]
        if self.straying:
            return [effect for request in requests for effect in self._alone(now, client, request)]
        effects: list[Effect] = []
        fresh: list[CalledTask] = []
        tasks, most = self.tasks, self.policy.max_tasks
        last_ms, timeout_s, retries, lane = 0, 0.0, 0, None
        for request in requests:
            task_id, options, service = request.id, request.options, request.service
            timeout_ms = options.get("timeout_ms")
            common = len(options) == 1 and type(timeout_ms) is int and task_id not in tasks and len(tasks) < most
            if common and timeout_ms != last_ms:
                last_ms, timeout_s, retries, lane = self._lane(now, request)
            if fresh and (not common or lane is None or service != fresh[0].service):
                effects += self._accept_all(now, fresh)
                fresh = []
            if not common or lane is None:
                effects += self._alone(now, client, request)
                continue
            deadline = now + timeout_s
            task = CalledTask(task_id, client, service, request.action, request.args, retries, now, deadline, 1, timeout_s)
            tasks[task_id] = task
            lane[DEADLINE + task_id] = deadline
            fresh.append(task)
        return effects + self._accept_all(now, fresh) if fresh else effects

    def _lane(self, now: float, request: Request) -> tuple[int, float, int, dict[bytes, float] | None]:
        """Read the options of a request: its time in ms and in s, its retries, and where its deadline stands; None: refused."""
        try:
            timeout_s, retries = read_options(request, self.policy)
        except ProtocolError:
            return 0, 0.0, 0, None
        return request.options["timeout_ms"], timeout_s, retries, self.timers.lane(now, timeout_s)

    def _alone(self, now: float, client: bytes, request: Request) -> list[Effect]:
        try:
            return self.request(now, client, request)
        except ProtocolError as error:
            self.refused += 1
            return [ToClient(client, Error(request.id, error.code, str(error), error.details))]

    def _large(self, now: float, client: bytes, request: Request, size: int) -> list[Effect]:
        """Accept a request whose arguments may take up to `size` bytes, if there is room for them."""
        if request.id in self.tasks:
            return self._alone(now, client, request)
        if self.size + size > self.policy.max_task_bytes:
            self.refused += 1
            error = too_much(self.size, self.policy)
            return [ToClient(client, Error(request.id, error.code, str(error), error.details))]
        effects = self._alone(now, client, request)
        task = self.tasks.get(request.id)
        if task is not None:
            task.size = size
            self.size += size
        return effects

    def results(self, now: float, identity: bytes, results: Sequence[Result]) -> list[Effect]:
        """End attempts as `result` does."""
        worker = self.roster.by_identity.get(identity)
        if worker is None:
            self.counters["late"] += len(results)
            return [ToWorker(identity, BrokerHeartbeat(self.epoch, known=False))]
        worker.lease_until, worker.answered = now + worker.lease_s, now
        effects: list[Effect] = []
        answers: dict[bytes, list[Reply]] = {}
        self._end_all(now, worker, results, answers, effects)
        effects += [ToClient(client, replies if len(replies) > 1 else replies[0]) for client, replies in answers.items()]
        if worker.service in self.queue.by_service or worker.service in self.queue.suspects:
            effects += self._assign(now, worker.service)
        return effects

    def _end_all(
        self, now: float, worker: Worker, results: Sequence[Result], answers: dict[bytes, list[Reply]], effects: list[Effect]
    ) -> None:
        held, tasks, led, lane_of = worker.held, self.tasks, self.coalescing.led, self.timers.lane_of
        done, patience_s, lane = 0, 0.0, lane_of(0.0)
        for result in results:
            task_id = result.task
            if not result.done or held.get(task_id) != result.attempt:
                effects += self._settle(now, worker, result)
                continue
            task = tasks[task_id]
            if task.size or task.state is not RUNNING or task_id in led:  # with a size: posted, or large
                effects += self._settle(now, worker, result)
                continue
            task.state = DONE
            del held[task_id], tasks[task_id]
            if task.patience_s != patience_s:
                patience_s = task.patience_s
                lane = lane_of(patience_s)
            if lane.pop(DEADLINE + task_id, None) is None:
                self.timers.cancel(DEADLINE + task_id)
            done += 1
            replies = answers.get(task.client)
            if replies is None:
                replies = answers[task.client] = []
            replies.append(Reply(task_id, result.value))
        worker.done += done
        self.counters["done"] += done
        if done and not held:
            worker.alone = False
            self.timers.cancel_after(worker.timer, self.policy.hard_s)
