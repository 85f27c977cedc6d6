"""Effects carried out without sockets: answers and publications are kept in lists, jobs are done by a real database."""

import structlog
from waiting import eventually

from hulak.bus.broker.bug_guard import BugGuard
from hulak.bus.broker.effect_runner import EffectRunner
from hulak.bus.broker.storage.database import Database
from hulak.bus.core.effects import Begun, Delayed, Ended, ToClient, ToWorker


class EffectFixture:
    """The broker as its services see it.

    Args:
        folder: of the store.
    """

    def __init__(self, folder):
        self.answers = []  # (client, message), in order
        self.published = []
        self.acts = []  # actions as (name, message), in order
        self.guard = BugGuard(structlog.get_logger())
        self.writers = dict.fromkeys((Begun, Delayed, Ended), lambda _: [])  # they store nothing, without a service that does
        self.database = Database(folder)
        self.database.open()
        self.runner = EffectRunner(self, self.publish, self.database, self.writers, self.guard, structlog.get_logger())
        self.carry_out = self.runner.carry_out

    def put(self, effects):
        """Take messages to peers, as the outbox does."""
        self.answers += [(effect.identity, effect.message) for effect in effects if isinstance(effect, ToClient)]
        self.acts += [("answer", effect.message) for effect in effects if isinstance(effect, ToClient)]
        return [effect for effect in effects if not isinstance(effect, ToClient | ToWorker)]

    def publish(self, message):
        self.published.append(message)
        self.acts.append(("publish", message))

    def until(self, condition):
        """Let the store finish jobs until it is so."""
        eventually(lambda: self.database.finished() or condition(), within_s=30, every_s=0.001)

    def settle(self):
        """Let the store finish all that is under way, and what follows of it."""
        for _ in range(3):  # a job may put another one
            done = []
            self.database.put(lambda _: None, lambda *_, done=done: done.append(1))
            self.until(lambda done=done: done)

    def take(self):
        """Return what was answered since the last call: values, or codes of errors."""
        answers, self.answers = self.answers, []
        return [getattr(message, "value", None) if hasattr(message, "value") else message.code for _, message in answers]
