"""A dispatcher at which tests play clients, workers and time; nothing of it is simulated but them."""

from hulak.bus.backoff import Backoff
from hulak.bus.core.effects import LogLine, ToClient, ToWorker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.wire.messages import BrokerHeartbeat, Ready, Request, Result, Task, WorkerHeartbeat

POLICY = Policy(
    heartbeat_s=0.25, lease_s=1.5, soft_s=10.0, hard_s=20.0, timeout_s=60.0, max_timeout_s=600.0, retries=3, max_tasks=3
)
A, B = bytes(15) + b"a", bytes(15) + b"b"
RETRYABLE = {"code": "BLOCKED", "text": "429", "retryable": True}


class DispatcherFixture:
    """A dispatcher whose effects are sorted by their receiver; the test sets the time."""

    def __init__(self, policy=POLICY):
        self.now = 100.0
        self.core = Dispatcher(7, policy, Backoff(0.5, 60.0, lambda: 0.5), self.now)

    def sort(self, effects):
        """Return messages to clients, messages to workers but heartbeats, and the names of notes."""
        clients = [(effect.identity, effect.message) for effect in effects if isinstance(effect, ToClient)]
        workers = [(effect.identity, effect.message) for effect in effects if isinstance(effect, ToWorker)]
        workers = [pair for pair in workers if not isinstance(pair[1], BrokerHeartbeat)]
        return clients, workers, [effect.event for effect in effects if isinstance(effect, LogLine)]

    def request(self, task=A, client=b"c", service="nepse", **options):
        return self.sort(self.core.request(self.now, client, Request(task, service, "do", {"x": 1}, options)))

    def ready(self, identity=b"w1", name=None, credit=1, held=(), service="nepse"):
        name = identity.decode() if name is None else name
        return self.sort(self.core.ready(self.now, identity, Ready(service, name, credit, held, {"pid": 1})))

    def beat(self, identity=b"w1", *held):
        return self.sort(self.core.heartbeat(self.now, identity, WorkerHeartbeat(held)))

    def result(self, task=A, attempt=1, value=None, identity=b"w1", done=True):
        return self.sort(self.core.result(self.now, identity, Result(task, attempt, done, value)))

    def lost(self, identity=b"w1"):
        return self.sort(self.core.lost(self.now, identity, "its connection is gone"))

    def pass_time(self, seconds, *beating):
        """Let time pass in heartbeats, while these workers go on beating; collect what comes of it."""
        end, effects = self.now + seconds, []
        while self.now < end:
            self.now = min(end, self.now + 0.25)
            for identity, held in beating:
                effects += self.core.heartbeat(self.now, identity, WorkerHeartbeat(held))
            effects += self.core.advance(self.now)
        return self.sort(effects)

    def state(self, task=A):
        return self.core.tasks[task].state


def task(attempt, identity=A):
    return Task(identity, attempt, "do", {"x": 1}, 10_000, 20_000)
