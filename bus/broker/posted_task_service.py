"""The posted tasks of the broker, around its database. PROTOCOL.md section 6.2.

A post is answered when it is safe, a result when its end is safe. A post that the store cannot write (full disk) is refused, and
never accepted; the end of a task is written again every second until it is safe.
"""

import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from hulak.bus.broker.effect_runner import TaskWriters
from hulak.bus.broker.post_service import PostService
from hulak.bus.broker.storage import row_retention, task_rows
from hulak.bus.broker.storage.database import Database, Job
from hulak.bus.broker.storage.dead_letters import DeadLetters
from hulak.bus.broker.storage.task_writes import BeginWrite, EndWrite, RowsRead
from hulak.bus.broker.store_effects import BrokerEffect, Post, ReadTask, Store, check_stored
from hulak.bus.broker.task_backlog import TaskBacklog
from hulak.bus.broker.task_inspection import TaskInspection, check_service
from hulak.bus.broker.waiters import Waiters
from hulak.bus.core.control_requests import ResultArguments, TaskIdArguments, TasksArguments
from hulak.bus.core.effects import Asker, Begun, Delayed, Ended
from hulak.bus.core.journal.broker_clock import Ages
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.errors import ProtocolError
from hulak.bus.process.lifecycle import boot_id, since_boot
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings
from hulak.bus.wire.messages import Error

MAX_WAITERS = 10_000
ROWS = 100  # listed, if the request names no number
SAME_MOMENT_S = 0.001
CLEAN_S = 60.0
MOST_CLEANED = 1000  # rows of each kind deleted in one beat: posts wait for no more than that
AGAIN_S = 1.0


def policy_of(settings: Settings) -> Policy:
    """Return the times and bounds of tasks in the settings."""
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
    """The durable part of tasks.

    Args:
        settings: checked.
        database: open.
        ages: the broker's clock.
        dispatcher: runs the tasks.
        log: of this process.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        ages: Ages,
        dispatcher: Dispatcher,
        log: Log,
    ) -> None:
        self.settings = settings.task
        self.ages = ages
        self.dispatcher = dispatcher
        self.log = log
        self.boot = boot_id()
        self.database = database
        self.waiters: Waiters[bytes] = Waiters(MAX_WAITERS, "results")  # by task
        self.ending: set[bytes] = set()  # tasks whose ends wait for the store
        self.again: list[tuple[float, Store]] = []  # writes that failed, and when each is tried again
        self._moment: Moment | None = None
        self.clean_at = 0.0
        self.cleaned: Counter[str] = Counter()  # since the start
        self.logged_cleaned: Counter[str] = Counter()
        self.logged_failed = ""
        self.dead_letters = DeadLetters()
        self.backlog = TaskBacklog(dispatcher, self.settings.lease_s, self.moment, log)
        self.inspection = TaskInspection(dispatcher)
        self.posts = PostService(dispatcher, self.backlog, self.settings.key_keep_s, self.moment)

    def begin(self) -> list[BrokerEffect]:
        """Read the tasks in the store, and log whether its file is a new one."""
        self._log_store()
        return self.backlog.begin()

    def moment(self) -> Moment:
        """Read all clocks; writes within a millisecond share one moment."""
        now, last = time.monotonic(), self._moment
        if last is None or now - last.now >= SAME_MOMENT_S:
            last = self._moment = Moment(now, time.time_ns(), self.ages.now(now), self.boot, since_boot())
        return last

    def _log_store(self) -> None:
        file = self.database.file
        if file.why_aside:
            self.log.error("store set aside", why=file.why_aside, aside=file.aside, salvaged=file.salvaged)
            file.why_aside = ""

    # The life of a posted task

    @property
    def writers(self) -> TaskWriters:
        """The functions that make jobs of the effects on posted tasks."""
        posts, reads = self.posts.put_together, self._read_together
        return {Post: posts, ReadTask: reads, Begun: self._begin, Delayed: self._delay, Ended: self._end}

    def _begin(self, begun: Sequence[Begun]) -> list[Store]:
        return [self._until_stored(BeginWrite(begun))]

    def _delay(self, delayed: Sequence[Delayed]) -> list[Store]:
        jobs: list[Job] = [
            partial(task_rows.delayed, task=wait.task, attempt=wait.attempt, in_s=wait.in_s, why=wait.why, moment=self.moment())
            for wait in delayed
        ]
        return [self._until_stored(job) for job in jobs]

    def _end(self, ends: Sequence[Ended], *, is_held: bool = True) -> list[Store]:
        """Write the ends of tasks, again until they are written; then answer the clients that wait for them.

        The transaction that ends a task reads its row too, if a client waits by then: the answer needs no second transaction. The
        last attempt of a task that is not `is_held` in memory is known to its row only.
        """
        self.ending.update([end.task for end in ends])
        return [self._until_stored(EndWrite(ends, self.moment(), self._is_wanted, is_held))]

    def _is_wanted(self, task: bytes) -> bool:
        """Return whether a client waits for a task, whose end is being written; called in the store's thread.

        A client that asks from now on must read the row itself, behind this transaction: `_stored` would be later.
        """
        self.ending.discard(task)
        return task in self.waiters

    def _until_stored(self, job: Job) -> Store:
        """Run a job until it succeeds; then answer the clients that wait for the tasks that it ends."""
        # No closure that refers to itself: it would be garbage for the collector.
        return Store(job, partial(self._stored, job))

    def _stored(self, job: Job, rows: Sequence[dict[str, Any] | None] | None, why: str) -> list[BrokerEffect]:
        if why:  # one of its tasks may be the reason: each is tried again alone
            due = time.monotonic() + AGAIN_S
            alone = job.apart() if isinstance(job, BeginWrite | EndWrite) else [job]
            self.again += [(due, self._until_stored(single)) for single in alone]
            return []
        if not isinstance(job, EndWrite):
            return []
        effects: list[BrokerEffect] = []
        for end, row in zip(job.ends, rows or (), strict=True):
            for asker in self.waiters.pop(end.task):
                read = ReadTask(asker, end.task)
                effects += [read] if row is None else self._answer(read, row)
        return effects

    # Results and the rest

    def result(self, asker: Asker, args: ResultArguments, now: float) -> list[BrokerEffect]:
        """Answer with a task's row, once it has ended or the time has expired.

        Raises:
            ProtocolError: `BUSY`.
        """
        until = now + args.wait_ms / 1000 if args.wait_ms else None
        pending = self.dispatcher.tasks.get(args.task)
        if pending is not None:
            check_service(asker, pending.service, reads=True)
        if until is None or (pending is None and args.task not in self.ending):
            return [ReadTask(asker, args.task, until)]
        self.waiters.add(args.task, asker, until)
        return []

    def _read_together(self, reads: Sequence[ReadTask]) -> list[Store]:
        """Answer with the rows of tasks, which one job reads."""
        return [Store(RowsRead([read.task for read in reads]), partial(self._have_read, reads), [read.asker for read in reads])]

    def _have_read(self, reads: Sequence[ReadTask], rows: Sequence[dict[str, Any] | None] | None, why: str) -> list[BrokerEffect]:
        if why and len(reads) > 1:  # one of the rows may be the reason: each is read alone
            return [store for read in reads for store in self._read_together([read])]
        check_stored(why)
        return [answer for read, row in zip(reads, rows or (), strict=True) for answer in self._answer(read, row)]

    def _answer(self, read: ReadTask, row: dict[str, Any] | None) -> list[BrokerEffect]:
        """Answer a request with a task's row, or let it wait for the end of the task."""
        asker = read.asker
        try:
            if row is None:
                raise ProtocolError("UNKNOWN_TASK", f"there is no posted task {read.task.hex()}")
            check_service(asker, row["service"], reads=True)
            if row["ended_ns"] is not None or read.until is None:
                return [asker.reply(row)]
            self.waiters.add(read.task, asker, read.until)
        except ProtocolError as error:
            return [asker.refuse(error)]
        return []

    def cancel(self, asker: Asker, args: TaskIdArguments, now: float) -> list[BrokerEffect]:
        """End a task before its time."""
        del now
        if asker.caller is None or args.task in self.dispatcher.tasks:
            return self._cancel(asker, args.task)

        def then(value: Any, why: str) -> list[BrokerEffect]:
            check_stored(why)
            if value is not None:
                check_service(asker, value["service"])
            return self._cancel(asker, args.task)

        return [Store(partial(task_rows.read, task=args.task), then, [asker])]  # its service is in its row only

    def _cancel(self, asker: Asker, task: bytes) -> list[BrokerEffect]:
        effects = list[BrokerEffect]()
        pending = self.dispatcher.tasks.get(task)
        if pending is not None and pending.posted:
            check_service(asker, pending.service)
            effects += self.dispatcher.cancel(task)
        elif self.backlog.more:
            self.backlog.cancel(task)
            error = Error(task, "CANCELLED", "it was cancelled")
            effects += self._end([Ended(task, TaskState.CANCELLED.value, 0, error)], is_held=False)
        return [*effects, ReadTask(asker, task)]  # after the job that ends it: jobs run in order

    def tasks(self, asker: Asker, args: TasksArguments, now: float) -> list[BrokerEffect]:
        """List posted tasks."""
        del now
        which: dict[str, Any] = {"state": args.state, "service": args.service, "most": args.limit or ROWS, "before": args.before}

        def then(value: Any, why: str) -> list[BrokerEffect]:
            check_stored(why)
            if value is None and args.before is not None:
                raise ProtocolError("UNKNOWN_TASK", f"argument before: there is no posted task {args.before.hex()}")
            return [asker.reply(value)]

        return [Store(partial(task_rows.rows, **which), then, [asker])]

    def drop(self, asker: Asker, args: TaskIdArguments, now: float) -> list[BrokerEffect]:
        """Delete a dead letter."""
        del now
        return self._do(asker, partial(task_rows.drop, task=args.task))

    def _do(self, asker: Asker, job: Job) -> list[BrokerEffect]:
        def then(value: Any, why: str) -> list[BrokerEffect]:
            check_stored(why)
            return [asker.reply(value)]

        return [Store(job, then, [asker])]

    # Periodic work

    def beat(self, now: float) -> list[BrokerEffect]:
        """Answer requests that have expired; retry failed writes; read tasks there is room for; delete old rows."""
        effects: list[BrokerEffect] = [ReadTask(asker, task) for task, asker in self.waiters.pop_over(now)]
        effects += [store for due, store in self.again if due <= now]
        self.again = [(due, store) for due, store in self.again if due > now]
        effects += [*self.backlog.read_more(), *self.dead_letters.poll(now)]
        if self.database.failed != self.logged_failed:
            self.logged_failed = self.database.failed
            if self.logged_failed:
                self.log.error("store failed", why=self.logged_failed)
            else:
                self.log.info("store live again")
        self._log_store()
        if now >= self.clean_at:
            self.clean_at = now + CLEAN_S
            effects += self._clean()
        return effects

    def _clean(self) -> list[BrokerEffect]:
        keep = row_retention.RowRetention(self.settings.result_keep_s, self.settings.key_keep_s, self.settings.dead_keep_s)

        def then(result: tuple[Counter[str], bool] | None, why: str) -> list[BrokerEffect]:
            del why  # tried again in a minute
            gone, more = result or (Counter(), False)
            self.cleaned += gone
            if more:
                self.clean_at = 0.0  # with the next beat
            elif self.cleaned != self.logged_cleaned:
                self.log.info("old tasks deleted", **(self.cleaned - self.logged_cleaned))
                self.logged_cleaned = self.cleaned.copy()
            return []

        age_s = self.ages.now(time.monotonic())
        return [Store(partial(row_retention.clean, keep=keep, age_s=age_s, most=MOST_CLEANED), then)]

    def stats(self) -> dict[str, Any]:
        """Return the state of the store."""
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
            "waiters": len(self.waiters),
            "let_go": dict(self.cleaned),
        }
