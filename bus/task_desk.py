"""The task desk of the broker: posted tasks around the store. PROTOCOL.md section 6.2.

A post is answered when it is safe, a result when its end is safe. What the store cannot take (a full disk) is refused, and never
accepted; how a task ended is written again every second until it is safe.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from bus import ledger, targets
from bus.core import requests
from bus.core.dispatch import Dispatcher
from bus.core.effects import Begun, Delayed, Effect, Ended
from bus.core.policy import Policy, too_many
from bus.core.posted import Keys, Posting, posting_of
from bus.errors import ProtocolError
from bus.messages import ID_BYTES, Error, Reply, Request
from bus.settings import Settings
from bus.store import Job, Store, Then

MAX_WAITERS = 10_000
ROWS = 100  # listed, if no number is given
CLEAN_S = 60.0
AGAIN_S = 1.0
Answer = Callable[[bytes, Any], bool]
CarryOut = Callable[[list[Effect], float], None]


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
    )


class TaskDesk:
    """The durable half of the task side.

    Args:
        settings: checked.
        home: of the store.
        dispatcher: carries the tasks.
        answer: sends a message to a client.
        carry_out: carries out effects.
        log: of this process.
    Raises:
        ConfigError: the store cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        home: Path,
        dispatcher: Dispatcher,
        answer: Answer,
        carry_out: CarryOut,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self.settings = settings.task
        self.dispatcher = dispatcher
        self.answer = answer
        self.carry_out = carry_out
        self.log = log
        self.store = Store(home)
        self.keys = Keys(self.settings.key_keep_s)
        self.waiters: dict[bytes, list[tuple[bytes, bytes, float]]] = {}  # task -> client, request, until when
        self.again: list[tuple[float, Job, Then]] = []  # what the store could not take, and when it is tried again
        self.unsafe: dict[bytes, bytes] = {}  # posted, and not yet in the store -> the client to answer
        self.clean_at = 0.0
        now, now_ns = time.monotonic(), time.time_ns()
        grace_s = self.settings.lease_s
        unfinished = partial(ledger.unfinished, now=now, now_ns=now_ns, grace_s=grace_s)
        (found, keys), self.targets = self.store.open(lambda connection: (unfinished(connection), targets.read(connection)))
        for key, task, posted_ns in keys:
            self.keys.add(key, task, now - (now_ns - posted_ns) / 1e9)
        for one in found:
            dispatcher.restore(now, one.task, one.in_s)
        self.restored = len(found)
        self.services: dict[str, Callable[[bytes, Request, Any, float], None]] = {
            "hulak.post": self._post,
            "hulak.result": self._result,
            "hulak.cancel": self._cancel,
            "hulak.tasks": self._tasks,
            "hulak.retry": self._retry,
            "hulak.drop": self._drop,
        }

    # Posting

    def _post(self, client: bytes, request: Request, args: requests.Post, now: float) -> None:
        posting = posting_of(request.id, args, self.dispatcher.policy)
        known = self.keys.find(posting.key, now)
        if posting.id in self.unsafe:
            self.unsafe[posting.id] = client  # repeated while the first is under way: the newest is answered
        elif known is not None or posting.id in self.dispatcher.tasks:
            self._tell(client, request, known or posting.id)
        else:
            self._insert(client, request, posting, now)

    def _insert(self, client: bytes, request: Request, posting: Posting, now: float) -> None:
        if len(self.dispatcher.tasks) + len(self.unsafe) >= self.dispatcher.policy.max_tasks:
            raise too_many(len(self.dispatcher.tasks) + len(self.unsafe))
        self.unsafe[posting.id] = client
        self.keys.add(posting.key, posting.id, now)

        def then(value: Any, why: str) -> None:
            newest = self.unsafe.pop(posting.id)
            if why:
                self.keys.remove(posting.key)
                self.answer(newest, Error(request.id, "STORE_FAILED", f"the task was not accepted: {why}"))
                return
            moment = time.monotonic()
            if value:  # else it was there already, from before a restart: it goes its way, or has gone it
                self.carry_out(self.dispatcher.accept(moment, posting.task(moment)), moment)
            self.answer(newest, Reply(request.id, {"task": posting.id, "state": "queued" if value else "known", "new": value}))

        self.store.put(partial(ledger.insert, posting=posting, now_ns=time.time_ns()), then)

    def _tell(self, client: bytes, request: Request, task: bytes) -> None:
        """Answer a post with the task that its id or key means already."""

        def then(value: Any, why: str) -> None:
            state = value["state"] if value else "queued"
            message = (
                Error(request.id, "STORE_FAILED", why) if why else Reply(request.id, {"task": task, "state": state, "new": False})
            )
            self.answer(client, message)

        self.store.put(partial(ledger.read, task=task), then)

    # What becomes of them

    def note(self, effect: Begun | Delayed | Ended) -> None:
        """Write what became of a posted task."""
        now_ns = time.time_ns()
        match effect:
            case Begun(task, attempt, worker):
                self._write(partial(ledger.begun, task=task, attempt=attempt, worker=worker))
            case Delayed(task, attempt, in_s, why):
                due_ns = now_ns + int(in_s * 1e9)
                self._write(partial(ledger.delayed, task=task, attempt=attempt, due_ns=due_ns, why=why[:500]))
            case Ended(task, state, attempt, message):
                job = partial(ledger.ended, task=task, state=state, attempt=attempt, message=message, now_ns=now_ns)
                self._write(job, lambda: self._wake(task))

    def _write(self, job: Job, after: Callable[[], None] = lambda: None) -> None:
        def then(value: Any, why: str) -> None:
            del value
            if why:
                self.log.error("store failed", why=why)
                self.again.append((time.monotonic() + AGAIN_S, job, then))
            else:
                after()

        self.store.put(job, then)

    def _wake(self, task: bytes) -> None:
        for client, request_id, _ in self.waiters.pop(task, []):
            self._read(client, request_id, task)

    # Results and the rest

    def _result(self, client: bytes, request: Request, args: requests.Result, now: float) -> None:
        task, wait_ms = args.task, args.wait_ms
        if not wait_ms or not (task in self.dispatcher.tasks or task in self.unsafe):
            self._read(client, request.id, task)
            return
        if sum(map(len, self.waiters.values())) >= MAX_WAITERS:
            raise ProtocolError("BUSY", f"{MAX_WAITERS} requests wait for results, no more are taken")
        self.waiters.setdefault(task, []).append((client, request.id, now + wait_ms / 1000))

    def _read(self, client: bytes, request_id: bytes, task: bytes) -> None:
        def then(value: Any, why: str) -> None:
            if why:
                self.answer(client, Error(request_id, "STORE_FAILED", why))
            elif value is None:
                self.answer(client, Error(request_id, "UNKNOWN_TASK", f"there is no posted task {task.hex()}"))
            else:
                self.answer(client, Reply(request_id, value))

        self.store.put(partial(ledger.read, task=task), then)

    def _cancel(self, client: bytes, request: Request, args: requests.OfTask, now: float) -> None:
        task = args.task
        found = self.dispatcher.tasks.get(task)
        if found is not None and found.posted:
            self.carry_out(self.dispatcher.cancel(task), now)
        self._read(client, request.id, task)  # behind the end that was just put in: they are done in order

    def _tasks(self, client: bytes, request: Request, args: requests.Tasks, now: float) -> None:
        del now
        state = None if args.state is None else args.state.value
        self._do(client, request, partial(ledger.rows, state=state, service=args.service, most=args.limit or ROWS))

    def _drop(self, client: bytes, request: Request, args: requests.OfTask, now: float) -> None:
        del now
        self._do(client, request, partial(ledger.drop, task=args.task))

    def _do(self, client: bytes, request: Request, job: Job) -> None:
        def then(value: Any, why: str) -> None:
            self.answer(client, Error(request.id, "STORE_FAILED", why) if why else Reply(request.id, value))

        self.store.put(job, then)

    def _retry(self, client: bytes, request: Request, args: requests.OfTask, now: float) -> None:
        """Post a dead letter anew: a task of its own, so that the old one has ended once."""
        task = args.task

        def then(value: Any, why: str) -> None:
            if why or value is None:
                code, text = ("STORE_FAILED", why) if why else ("UNKNOWN_TASK", f"there is no dead letter {task.hex()}")
                self.answer(client, Error(request.id, code, text))
                return
            service, action, args, retries = value
            again = Posting(os.urandom(ID_BYTES), None, service, action, args, retries, float("inf"))
            self._insert(client, request, again, now)

        self.store.put(partial(ledger.posting, task=task), then)

    # Life

    def beat(self, now: float) -> None:
        """Answer who has waited long enough; write again what could not be; let old rows go."""
        for task in list(self.waiters):
            over = [one for one in self.waiters[task] if one[2] <= now]
            for client, request_id, _ in over:
                self._read(client, request_id, task)
            left = [one for one in self.waiters[task] if one[2] > now]
            if left:
                self.waiters[task] = left
            else:
                del self.waiters[task]
        due, self.again = [one for one in self.again if one[0] <= now], [one for one in self.again if one[0] > now]
        for _, job, then in due:
            self.store.put(job, then)
        if now >= self.clean_at:
            self.clean_at = now + CLEAN_S
            self.keys.forget(now)
            moments = [
                time.time_ns() - int(keep_s * 1e9)
                for keep_s in (self.settings.result_keep_s, self.settings.key_keep_s, self.settings.dead_keep_s)
            ]
            self._write(partial(ledger.clean, results_ns=moments[0], keys_ns=moments[1], dead_ns=moments[2]))

    def stats(self) -> dict[str, Any]:
        """What the store tells of itself."""
        return {
            "state": "failed" if self.store.failed else "live",
            "why": self.store.failed,
            "commits": self.store.commits,
            "restored": self.restored,
            "waiters": sum(map(len, self.waiters.values())),
        }

    def close(self) -> None:
        """Write what is left."""
        self.store.close()
