"""A worker's process around the real session, on the simulated network of `walk_world`."""

from hulak.bus.core.tasks.policy import Policy
from hulak.bus.wire.messages import Result, TaskPart
from hulak.workers.runtime.session import Exit, Interrupt, Run, Send, Session

POLICY = Policy(heartbeat_s=0.5, lease_s=1.5, soft_s=2.0, hard_s=3.0, timeout_s=6.0, retries=3, max_tasks=30)
FATES = (("works", "slow", "retryable", "final", "hangs", "kills"), (60, 10, 12, 8, 4, 6))


class Wire:
    """One connection of a worker: in order both ways, until it dies."""

    def __init__(self, identity):
        self.identity = identity
        self.up = True
        self.noticed = False  # the broker's next send fails
        self.free_at = {"broker": 0.0, "worker": 0.0}


class SimWorker:
    """A process around the real session."""

    def __init__(self, world, name, service, credit):
        self.world = world
        self.session = Session(service, name, credit, POLICY.heartbeat_s)
        self.alive, self.frozen = True, False
        self.reconnected = False  # while the broker lived
        self.inbox = []  # messages that wait while it is frozen
        self.wire = world.connect()
        self.due = 0.0
        self.begun = 0  # counts task starts, so that the end of an earlier one is not taken for a later one's

    def do(self, actions):
        for action in actions:
            if not self.alive:
                return
            match action:
                case Send(message):
                    if self.wire.up and self.world.broker_up:
                        self.world.to_broker(self.wire, message)
                    else:
                        self.session.unsent(action)
                case Run(task):
                    self.begun += 1
                    self.world.carry_out_task(self, task, self.begun)
                case Interrupt(task):
                    if self.world.random.random() < 0.7:
                        failed = {"code": "SOFT_LIMIT", "text": "too slow", "retryable": True}
                        self.world.later(0.01, self.ended, self.begun, False, failed)
                case Exit():
                    self.die(noticed=True)
        self.plan()

    def plan(self):
        """Come back when the session has something to do."""
        due = self.session.next_due()
        if self.alive and (due < self.due or self.due <= self.world.now):
            self.due = max(due, self.world.now)
            self.world.at(self.due, self.advance)

    def advance(self):
        if self.alive and not self.frozen and self.world.now >= self.due:
            self.do(self.session.advance(self.world.now))

    def receive(self, message):
        if self.frozen:
            self.inbox.append((self.receive, (message,)))
        elif self.alive:
            self.do(self.session.received(self.world.now, message))
            self.world.check_worker(self)

    def ended(self, begun, done, value):
        if self.frozen:
            self.inbox.append((self.ended, (begun, done, value)))
        elif self.alive and begun == self.begun and self.session.running is not None:
            task = self.session.running
            self.do(self.session.finished(self.world.now, [Send(Result(task.id, task.attempt, done, value))]))

    def part(self, begun, number):
        if self.alive and not self.frozen and begun == self.begun and self.session.running is not None:
            task = self.session.running
            self.do(self.session.part(TaskPart(task.id, task.attempt, number, number)))

    def leave(self):
        if self.alive and not self.frozen:
            self.do(self.session.leave(self.world.now, "stopped by a signal", 5.0))

    def thaw(self):
        self.frozen = False
        inbox, self.inbox = self.inbox, []
        for method, arguments in inbox:
            method(*arguments)
        self.due = self.world.now
        self.advance()

    def reconnect(self):
        self.reconnected = True
        self.wire.up = False
        self.wire.noticed = self.world.random.random() < 0.7
        self.wire = self.world.connect()

    def die(self, *, noticed):
        self.alive, self.wire.up, self.wire.noticed = False, False, noticed


def answer_of(chance, fate, task):
    """Make the value with which a worker ends a task of this fate."""
    if fate in ("works", "slow"):
        return task.id
    after_ms = chance.choice((None, 0, 300))
    details = chance.choice(({}, {"code": 429, "task": "x", "text": "y"}, {7: 8}, None))
    return {"code": "NO", "text": "it failed", "retryable": fate == "retryable", "retry_after_ms": after_ms, "details": details}
