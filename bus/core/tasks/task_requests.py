"""Requests of clients become tasks. PROTOCOL.md sections 4.2 and 6. Pure.

The common requests, calls that are neither repeated nor shared, are handled in one loop. All others are handled by `request`, one
by one and in their order. The results of a burst are those of its messages sent one by one, except for how messages are batched;
a test checks this.
"""

from collections.abc import Sequence

from hulak.bus.core.effects import Effect, ToClient
from hulak.bus.core.tasks.policy import Policy, read_options, too_many, too_much
from hulak.bus.core.tasks.task_assignment import TaskAssignment
from hulak.bus.core.tasks.task_lifecycle import DEADLINE, TaskLifecycle
from hulak.bus.core.tasks.task_queue import GIVEN_UP, CalledTask
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import Error, Request
from hulak.bus.wire.trace_context import TaskTrace, read_context


class TaskRequests:
    """Accepts requests, or refuses them.

    Args:
        lifecycle: gets their tasks.
        assignment: gives them to workers.
        policy: times and bounds.
    """

    def __init__(self, lifecycle: TaskLifecycle, assignment: TaskAssignment, policy: Policy) -> None:
        self.lifecycle = lifecycle
        self.tasks, self.timers = lifecycle.tasks, lifecycle.timers
        self.assignment = assignment
        self.policy = policy
        self.refused = 0  # requests that were answered with an ERROR

    def request(self, now: float, client: bytes, request: Request, size: int = 0) -> list[Effect]:
        """Accept a request, or join it to the running request with the same id.

        Args:
            now: monotonic seconds.
            client: that sent it.
            request: for a worker.
            size: bytes that its arguments count for.
        Raises:
            ProtocolError: `BAD_OPTION`; `BUSY`, the queue is full; `BAD_ID`, the id is that of a posted task.
        """
        tasks = self.tasks
        if request.id in tasks:
            known = tasks[request.id]
            if known.posted:
                raise ProtocolError("BAD_ID", "its id is that of a posted task")
            known.client = client
            over = known.state in GIVEN_UP
            return [ToClient(client, known.error(known.state.name, "the request has ended"))] if over else []
        timeout_s, retries = read_options(request, self.policy)
        context = read_context(request.options)
        share = request.options.get("share")
        if share and self._follows(now, client, request, timeout_s):
            return []
        if len(tasks) >= self.policy.max_tasks:
            raise too_many(len(tasks))
        task = CalledTask.of(client, request, now, timeout_s, retries)
        task.size = size
        task.trace = None if context is None else TaskTrace(context, now)
        self.lifecycle.add(now, task)
        if share:
            self.lifecycle.coalescing.lead(request)
        return self.assignment.accept(now, [task])

    def _follows(self, now: float, client: bytes, request: Request, timeout_s: float) -> bool:
        """Let an equal read in progress answer this request too; its deadline is extended to this request's."""
        lifecycle = self.lifecycle
        leader = self.tasks.get(lifecycle.coalescing.follow(request, client) or b"")
        if leader is None or leader.state in GIVEN_UP:
            return False
        lifecycle.extend(now, leader, timeout_s)
        lifecycle.counters["shared"] += 1
        return True

    def requests(self, now: float, client: bytes, requests: Sequence[Request], size: int = 0) -> list[Effect]:
        """Accept requests as `request` does; refused ones are answered with an ERROR, and counted in `refused`.

        Args:
            now: monotonic seconds.
            client: that sent them.
            requests: in their order.
            size: bytes of the frame in which they came, if it was large; else 0.
        """
        if size:
            return [effect for request in requests for effect in self._large(now, client, request, size // len(requests))]
        effects: list[Effect] = []
        fresh: list[CalledTask] = []
        tasks, most, accept = self.tasks, self.policy.max_tasks, self.assignment.accept
        last_ms, timeout_s, retries, lane = 0, 0.0, 0, None
        for request in requests:
            task_id, options, service = request.id, request.options, request.service
            timeout_ms = options.get("timeout_ms")
            common = len(options) == 1 and type(timeout_ms) is int and task_id not in tasks and len(tasks) < most
            if common and timeout_ms != last_ms:
                last_ms, timeout_s, retries, lane = self._lane(now, request)
            if fresh and (not common or lane is None or service != fresh[0].service):
                effects += accept(now, fresh)
                fresh = []
            if not common or lane is None:
                effects += self._alone(now, client, request)
                continue
            deadline = now + timeout_s
            task = CalledTask(task_id, client, service, request.action, request.args, retries, now, deadline, 1, timeout_s)
            tasks[task_id] = task
            lane[DEADLINE + task_id] = deadline
            fresh.append(task)
        return effects + accept(now, fresh) if fresh else effects

    def _lane(self, now: float, request: Request) -> tuple[int, float, int, dict[bytes, float] | None]:
        """Parse the options of a request: its timeout in ms and in s, its retries, and its deadline's lane; None: refused."""
        try:
            timeout_s, retries = read_options(request, self.policy)
        except ProtocolError:
            return 0, 0.0, 0, None
        return request.options["timeout_ms"], timeout_s, retries, self.timers.lane(now, timeout_s)

    def _large(self, now: float, client: bytes, request: Request, size: int) -> list[Effect]:
        """Accept a request whose arguments may take up to `size` bytes, if there is room for them."""
        taken = self.lifecycle.size
        if request.id not in self.tasks and taken + size > self.policy.max_task_bytes:
            return self._refuse(client, request, too_much(taken, self.policy))
        return self._alone(now, client, request, size)

    def _alone(self, now: float, client: bytes, request: Request, size: int = 0) -> list[Effect]:
        try:
            return self.request(now, client, request, size)
        except ProtocolError as error:
            return self._refuse(client, request, error)

    def _refuse(self, client: bytes, request: Request, error: ProtocolError) -> list[Effect]:
        self.refused += 1
        return [ToClient(client, Error(request.id, error.code, str(error), error.details))]
