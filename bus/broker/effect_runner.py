"""Carries out the effects that the core and the services return; they hold no part of the loop.

Messages to peers are sent with the next flush of the outbox, publications at once, jobs go to the store's thread. The callback
of a job runs in the loop's thread when the job has finished, and its effects are carried out likewise. Consecutive effects on
posted tasks of one class are one job.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from hulak.bus.broker.bug_guard import BugGuard, internal
from hulak.bus.broker.outbox import Outbox
from hulak.bus.broker.storage.database import Database
from hulak.bus.broker.store_effects import AfterJob, BrokerEffect, Load, Store
from hulak.bus.core.effects import Asker, LogLine, Publish, ToClient
from hulak.bus.errors import ProtocolError
from hulak.bus.process.log_type import Log

TaskWriters = Mapping[type, Callable[[Sequence[Any]], list[Store]]]


class EffectRunner:
    """The one place where effects are carried out.

    Args:
        outbox: sends messages to peers.
        publish: sends a message to the subscribers.
        database: runs jobs.
        writers: return the jobs for effects on posted tasks, by the class of these effects.
        guard: counts and logs bugs.
        log: of this process.
    """

    def __init__(
        self,
        outbox: Outbox,
        publish: Callable[[bytes], None],
        database: Database,
        writers: TaskWriters,
        guard: BugGuard,
        log: Log,
    ) -> None:
        self._outbox = outbox
        self._publish = publish
        self._database = database
        self._writers = writers
        self._guard = guard
        self._log = log
        self._following: list[BrokerEffect] | None = None  # effects of the jobs of one transaction, while these are collected

    def carry_out(self, effects: Sequence[BrokerEffect]) -> None:
        """Carry out effects, in order; a bug met by one does not prevent the others."""
        run, do = self._guard.run, self._do
        for kind, alike in groupby(self._outbox.put(effects), type):
            writer = self._writers.get(kind)
            if writer is not None:
                nothing: list[Store] = []
                alike = iter(run("tasks for the store", writer, list(alike), otherwise=nothing))
            for effect in alike:
                run("an effect", do, effect, otherwise=None)

    def finish_jobs(self) -> None:
        """Run the callbacks of finished jobs, and carry out their effects together: peers get them in few frames."""
        following: list[BrokerEffect] = []
        self._following = following
        try:
            self._database.finished()
        finally:
            self._following = None
        self.carry_out(following)

    def _do(self, effect: BrokerEffect) -> None:
        match effect:
            case Store(job, then, askers):
                self._database.put(job, partial(self._follow, then, askers))
            case LogLine(event, fields):
                self._log.info(event, **fields)
            case Publish(message):
                self._publish(message)
            case Load(job, then):
                self._database.load(job, partial(self._follow, then, ()))

    def _follow(self, then: AfterJob, askers: Sequence[Asker], value: Any, why: str) -> None:
        """Run the callback of a job; its failure is answered, and does not affect others."""
        try:
            effects = then(value, why)
        except ProtocolError as error:
            effects = [asker.refuse(error) for asker in askers]
        except Exception as error:  # noqa: BLE001 - a bug of the broker, met by one job
            self._guard.report("a callback of the store", error)
            effects = [ToClient(asker.client, internal(asker.request, error)) for asker in askers]
        if self._following is not None:
            self._following += effects
        elif effects:
            self.carry_out(effects)
