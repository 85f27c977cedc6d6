"""The posted tasks of the broker, around its database. PROTOCOL.md section 6.2.

A post is answered when it is safe, a result when its end is safe. What the store cannot take (a full disk) is refused, and never
accepted; how a task ended is written again every second until it is safe.
"""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from bus.broker.bug_guard import BugGuard, internal
from bus.broker.callbacks import Answer, CarryOut, ControlHandler
from bus.broker.post_service import PostService
from bus.broker.storage import row_retention, task_rows
from bus.broker.storage.database import Asker, Database, Job, JobCallback
from bus.broker.storage.dead_letters import DeadLetters
from bus.broker.task_backlog import TaskBacklog
from bus.core import control_requests
from bus.core.effects import Begun, Delayed, Effect, Ended
from bus.core.journal.broker_clock import Ages
from bus.core.tasks.dispatcher import Dispatcher
from bus.core.tasks.moments import Moment
from bus.core.tasks.policy import Policy
from bus.errors import ProtocolError
from bus.process.lifecycle import boot_id, since_boot
from bus.process.settings import Settings
from bus.wire.messages import Error, Reply, Request

MAX_WAITERS = 10_000
ROWS = 100  # listed, if no number is given
SAME_MOMENT_S = 0.001
CLEAN_S = 60.0
MOST_CLEANED = 1000  # rows of each kind, in one beat: posts wait for no more than that
AGAIN_S = 1.0


def policy_of(settings: Settings) -> Policy:
    """Take the task side's times and bounds from the settings."""
    task = settings.task
    return Policy(
        heartbeat_s=task.heartbeat_s,
        lease_s=task.lease_s,
        soft_s=task.soft_s,
        hard_s=task.hard_s,
        timeout_s=task.timeout_s,
        retries=task.retries,
        max_tasks=settings.broker.max_tasks,
        max_task_bytes=settings.broker.max_task_bytes,
    )


class PostedTaskService:
    """The durable half of the task side.

    Args:
        settings: checked.
        home: of the store.
        ages: the broker's own clock.
        dispatcher: carries the tasks.
        answer: sends a message to a client.
        carry_out: carries out effects.
        guard: told of bugs.
        log: of this process.
    """

    def __init__(
        self,
        settings: Settings,
        home: Path,
        ages: Ages,
        dispatcher: Dispatcher,
        answer: Answer,
        carry_out: CarryOut,
        guard: BugGuard,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self.settings = settings.task
        self.ages = ages
        self.dispatcher = dispatcher
        self.answer = answer
        self.guard = guard
        self.log = log
        self.carry_out = carry_out
        self.boot = boot_id()
        self.database = Database(home, self._trouble)
        self.waiters: dict[bytes, list[tuple[bytes, bytes, float]]] = {}  # task -> client, request, until when
        self.waiting = 0  # in all of these
        self.again: list[tuple[float, Job, JobCallback]] = []  # what the store could not take, and when it is tried again
        self._moment: Moment | None = None
        self.clean_at = 0.0
        self.cleaned: Counter[str] = Counter()  # since the start
        self.told_cleaned: Counter[str] = Counter()
        self.told_failed = ""
        self.database.open()
        self._tell_store()
        self.dead_letters = DeadLetters(self.database)
        self.backlog = TaskBacklog(self.database, dispatcher, self.settings.lease_s, self.moment, self._restored, log)
        self.backlog.begin()
        how = (self.settings.key_keep_s, self.moment, answer, carry_out)
        self.posts = PostService(self.database, dispatcher, self.backlog, *how)
        self.services: dict[str, ControlHandler] = {
            "hulak.post": self.posts.post,
            "hulak.result": self._result,
            "hulak.cancel": self._cancel,
            "hulak.tasks": self._tasks,
            "hulak.retry": self.posts.retry,
            "hulak.drop": self._drop,
        }

    def moment(self) -> Moment:
        """Read all clocks; what is written within a millisecond has one moment."""
        now, last = time.monotonic(), self._moment
        if last is None or now - last.now >= SAME_MOMENT_S:
            last = self._moment = Moment(now, time.time_ns(), self.ages.now(now), self.boot, since_boot())
        return last

    def _tell_store(self) -> None:
        file = self.database.file
        if file.why_aside:
            self.log.error("store set aside", why=file.why_aside, aside=file.aside, salvaged=file.salvaged)
            file.why_aside = ""

    def _restored(self, effects: list[Effect], now: float) -> None:
        """Carry out what comes of a task that was restored: at a start, when there are no peers, only what is to be written."""
        for effect in effects:
            if isinstance(effect, Begun | Delayed | Ended):
                self.note(effect)
            else:
                self.carry_out([effect], now)

    def _trouble(self, error: Exception, asker: Asker | None) -> None:
        """Answer for what was to be done for a finished job, and was not; an error that is not a peer's is told."""
        if isinstance(error, ProtocolError):
            told = partial(Error, code=error.code, text=str(error), details=error.details)
        else:
            self.guard.tell("what follows a job of the store", error)
            told = partial(internal, error=error)
        if asker is not None:
            client, request_id = asker
            self.answer(client, told(request_id))

    # What becomes of them

    def note(self, effect: Begun | Delayed | Ended) -> None:
        """Write what became of a posted task."""
        match effect:
            case Begun(task, attempt, worker):
                self._write(partial(task_rows.begun, task=task, attempt=attempt, worker=worker))
            case Delayed(task, attempt, in_s, why):
                moment = self.moment()
                self._write(partial(task_rows.delayed, task=task, attempt=attempt, in_s=in_s, why=why, moment=moment))
            case Ended(task, state, attempt, message):
                job = partial(task_rows.ended, task=task, state=state, attempt=attempt, message=message, moment=self.moment())
                self._write(job, lambda: self._wake(task))

    def _write(self, job: Job, after: Callable[[], None] = lambda: None) -> None:
        def then(value: Any, why: str) -> None:
            del value
            if why:
                self.again.append((time.monotonic() + AGAIN_S, job, then))
            else:
                after()

        self.database.put(job, then)

    def _wake(self, task: bytes) -> None:
        waiters = self.waiters.pop(task, [])
        self.waiting -= len(waiters)
        for client, request_id, _ in waiters:
            self._read(client, request_id, task)

    # Results and the rest

    def _result(self, client: bytes, request: Request, args: control_requests.ResultArguments, now: float) -> None:
        until = now + args.wait_ms / 1000 if args.wait_ms else None
        if args.task in self.dispatcher.tasks and until is not None:
            self._wait(client, request.id, args.task, until)
        else:
            self._read(client, request.id, args.task, until)

    def _wait(self, client: bytes, request_id: bytes, task: bytes, until: float) -> None:
        if self.waiting >= MAX_WAITERS:
            raise ProtocolError("BUSY", f"{MAX_WAITERS} requests wait for results, no more are taken")
        self.waiting += 1
        self.waiters.setdefault(task, []).append((client, request_id, until))

    def _read(self, client: bytes, request_id: bytes, task: bytes, until: float | None = None) -> None:
        """Answer with a task's row; if it has not ended, and there is a time until when that is waited for, then."""

        def then(value: Any, why: str) -> None:
            if why:
                raise ProtocolError("STORE_FAILED", why)
            if value is None:
                raise ProtocolError("UNKNOWN_TASK", f"there is no posted task {task.hex()}")
            if value["ended_ns"] is None and until is not None:
                self._wait(client, request_id, task, until)
            else:
                self.answer(client, Reply(request_id, value))

        self.database.put(partial(task_rows.read, task=task), then, (client, request_id))

    def _cancel(self, client: bytes, request: Request, args: control_requests.TaskIdArguments, now: float) -> None:
        task = args.task
        found = self.dispatcher.tasks.get(task)
        if found is not None and found.posted:
            self.carry_out(self.dispatcher.cancel(task), now)
        elif self.backlog.more:
            self.backlog.cancel(task)
            error = Error(task, "CANCELLED", "it was cancelled")
            self._write(partial(task_rows.cancel, task=task, message=error, moment=self.moment()), lambda: self._wake(task))
        self._read(client, request.id, task)  # behind the end that was just put in: they are done in order

    def _tasks(self, client: bytes, request: Request, args: control_requests.TasksArguments, now: float) -> None:
        del now
        self._do(client, request, partial(task_rows.rows, state=args.state, service=args.service, most=args.limit or ROWS))

    def _drop(self, client: bytes, request: Request, args: control_requests.TaskIdArguments, now: float) -> None:
        del now
        self._do(client, request, partial(task_rows.drop, task=args.task))

    def _do(self, client: bytes, request: Request, job: Job) -> None:
        def then(value: Any, why: str) -> None:
            self.answer(client, Error(request.id, "STORE_FAILED", why) if why else Reply(request.id, value))

        self.database.put(job, then, (client, request.id))

    # Life

    def beat(self, now: float) -> None:
        """Answer who has waited long enough; write again what could not be; read what waits for room; let old rows go."""
        for task in list(self.waiters):
            over = [one for one in self.waiters[task] if one[2] <= now]
            for client, request_id, _ in over:
                self._read(client, request_id, task)
            self.waiting -= len(over)
            left = [one for one in self.waiters[task] if one[2] > now]
            if left:
                self.waiters[task] = left
            else:
                del self.waiters[task]
        due, self.again = [one for one in self.again if one[0] <= now], [one for one in self.again if one[0] > now]
        for _, job, then in due:
            self.database.put(job, then)
        self.backlog.look()
        self.dead_letters.look(now)
        if self.database.failed != self.told_failed:
            self.told_failed = self.database.failed
            if self.told_failed:
                self.log.error("store failed", why=self.told_failed)
            else:
                self.log.info("store live again")
        self._tell_store()
        if now >= self.clean_at:
            self.clean_at = now + CLEAN_S
            self._clean()

    def _clean(self) -> None:
        keep = row_retention.RowRetention(self.settings.result_keep_s, self.settings.key_keep_s, self.settings.dead_keep_s)

        def then(found: tuple[Counter[str], bool] | None, why: str) -> None:
            del why  # it is tried again in a minute
            gone, more = found or (Counter(), False)
            self.cleaned += gone
            if more:
                self.clean_at = 0.0  # with the next beat
            elif self.cleaned != self.told_cleaned:
                self.log.info("old tasks let go", **(self.cleaned - self.told_cleaned))
                self.told_cleaned = self.cleaned.copy()

        age_s = self.ages.now(time.monotonic())
        self.database.put(partial(row_retention.clean, keep=keep, age_s=age_s, most=MOST_CLEANED), then)

    def stats(self) -> dict[str, Any]:
        """What the store tells of itself."""
        why = self.database.dead or self.database.failed
        return {
            "state": "failed" if why else "live",
            "why": why,
            "commits": self.database.commits,
            "restored": self.backlog.restored,
            "behind": self.backlog.more,
            "dead_letters": self.dead_letters.count,
            "unreadable": self.backlog.unreadable,
            "aside": self.database.file.aside,
            "waiters": self.waiting,
            "let_go": dict(self.cleaned),
        }

    def close(self) -> None:
        """Write what is left."""
        self.database.close()
