"""The service of posted tasks around a real database, without a broker."""

import itertools
import time

import structlog
from effect_fixture import EffectFixture
from request_arguments import serve

from hulak.bus.backoff import Backoff
from hulak.bus.broker.posted_task_service import PostedTaskService, policy_of
from hulak.bus.core.effects import Asker
from hulak.bus.core.journal.broker_clock import Ages
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.errors import ProtocolError
from hulak.bus.process.settings import BrokerSettings, Settings
from hulak.bus.wire.messages import Ready, Reply, Result

NO_LOG = structlog.get_logger()
COUNT = itertools.count()  # of requests


class PostedTaskFixture(EffectFixture):
    """The service of posted tasks, its dispatcher, and the answers to clients."""

    def __init__(self, folder, **bounds):
        super().__init__(folder)
        settings = Settings(broker=BrokerSettings(**bounds))
        now = time.monotonic()
        self.dispatcher = Dispatcher(7, policy_of(settings), Backoff(0.5, 60.0, lambda: 0.5), now)
        self.posted_tasks = PostedTaskService(settings, self.database, Ages(0.0, now), self.dispatcher, NO_LOG)
        self.writers.update(self.posted_tasks.writers)
        self.carry_out(self.posted_tasks.begin())
        self.database.start()

    def answers_to(self, request_id):
        return [message for _, message in self.answers if message.id == request_id]

    def send(self, control, request_id=None, connection=None, **args):
        """Send a request; returns its id."""
        asker = Asker(b"c", request_id or b"%016d" % next(COUNT), connection)
        try:
            self.carry_out(serve(f"hulak.{control}", asker, time.monotonic(), args, tasks=self.posted_tasks))
        except ProtocolError as error:
            self.carry_out([asker.refuse(error)])
        return asker.request

    def beat(self, now=None):
        self.carry_out(self.posted_tasks.beat(time.monotonic() if now is None else now))

    def ask(self, control, request_id=None, **args):
        """Send a request, and return the value or the code of the answer."""
        before = len(self.answers_to(request_id))
        asked = self.send(control, request_id, **args)
        self.until(lambda: len(self.answers_to(asked)) > before)
        message = self.answers_to(asked)[-1]
        return message.value if isinstance(message, Reply) else message.code

    def post(self, **args):
        return self.ask("post", **{"service": "s", "action": "a", **args})

    def work(self, task, value=5, *, done=True):
        """Let a worker do a queued task; of a previous broker it waits until the workers have registered again."""
        name = task.hex()[-8:]
        now = max(time.monotonic(), self.dispatcher.settled_at)
        self.carry_out(self.dispatcher.advance(now))
        self.carry_out(self.dispatcher.ready(now, name.encode(), Ready("s", name, 100)))
        for worker in list(self.dispatcher.roster):
            if task in worker.held:
                self.carry_out(self.dispatcher.result(now, worker.identity, Result(task, worker.held[task], done, value)))
        self.until(lambda: self.ask("result", task=task)["ended_ns"])

    def close(self):
        self.database.close()
        self.database.finished()
