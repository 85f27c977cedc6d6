"""A broker, workers and callers on a simulated network with a virtual clock: everything real but sockets, threads and time.

Messages of one connection arrive in order, each after its own delay; a connection that dies loses what is under way. A dead
peer is either noticed at the next send (EHOSTUNREACH) or merely silent. A frozen process does nothing until it thaws, then
everything that waited for it at once. While faults last, any of that happens; after them, everything must come to its end.
"""

import heapq
import itertools
import random
from collections import Counter

from walk_callers import FAULTS_S, SERVICES, SLACK_S, START_S, Callers
from walk_events import FAULTS, alone, check_books, check_census
from walk_workers import POLICY, SimWorker, Wire, answer_of

from hulak.bus.backoff import Backoff
from hulak.bus.core.effects import LogLine, ToClient, ToWorker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.wire.messages import Goodbye, Part, Ready, Result, Task, TaskPart, WorkerHeartbeat


class Life:
    """One life of the broker, and what it owes: exactly one end for each acceptance."""

    def __init__(self, dispatcher):
        self.dispatcher = dispatcher
        self.accepted, self.ended, self.expired_again = Counter(), Counter(), Counter()
        self.given = set()


class World(Callers):
    """Everything, driven by one seed.

    Args:
        seed: of the schedule.
        kind: the dispatcher's class, a broken one to see whether the walk finds it.
        books: look at the dispatcher's own books after each step, too.
    """

    def __init__(self, seed, kind=Dispatcher, *, books=True):
        self.random = random.Random(seed)
        self.kind, self.books = kind, books
        self.now, self.count, self.events = START_S, 0, []
        self.calm = False
        self.wires, self.workers = {}, []
        super().__init__()
        self.broker_up, self.broker_frozen, self.backlog, self.epoch = False, False, [], 0
        self.seen = Counter()
        self.start_broker()
        for _ in range(self.random.randint(1, 3)):
            self.join()

    # Time

    def at(self, when, what, *arguments):
        self.count += 1
        heapq.heappush(self.events, (when, self.count, what, arguments))

    def later(self, delay_s, what, *arguments):
        self.at(self.now + delay_s, what, *arguments)

    def run(self):
        """Let faults happen for a while, then none, and look whether all came to its end."""
        over = self.now + FAULTS_S
        for _ in range(self.random.randint(10, 40)):
            self.at(self.now + self.random.random() * FAULTS_S, self.random.choices(*FAULTS)[0], self)
        self.at(over, self.be_calm)
        self._run_until(over + POLICY.timeout_s + POLICY.hard_s + POLICY.lease_s + SLACK_S)
        self.check_end()

    def _run_until(self, end):
        for step in itertools.count():
            if not self.events or self.events[0][0] > end:
                return
            self.now, _, what, arguments = heapq.heappop(self.events)
            what(*arguments)
            if self.broker_up and self.books:
                check_books(self.dispatcher)
                if step % 8 == 0:  # a wrong count stays wrong
                    check_census(self.dispatcher)

    def be_calm(self):
        self.calm = True
        if not self.broker_up:
            self.start_broker()
        self.thaw_broker()
        for worker in self.workers:
            if worker.frozen:
                worker.thaw()
        for service in SERVICES:
            self.join(service)

    # The broker's shell

    def start_broker(self):
        self.epoch += 1
        backoff = Backoff(0.1, 1.0, self.random.random)
        self.dispatcher = self.kind(self.epoch, POLICY, backoff, self.now)
        self.life = Life(self.dispatcher)
        self.broker_up, self.broker_frozen, self.backlog, self.broker_due = True, False, [], 0.0
        for worker in self.workers:
            if worker.alive:
                worker.wire = self.connect()
        for request in self.callers.values():
            if request["answer"] is None:
                self.ask(request)
        self.plan_broker()

    def kill_broker(self):
        self.broker_up = False
        for wire in self.wires.values():
            wire.up = False
        self.wires = {}

    def plan_broker(self):
        due = self.dispatcher.timers.next()
        if due < self.broker_due or self.broker_due <= self.now:
            self.broker_due = max(due, self.now)
            self.at(self.broker_due, self.advance_broker, self.epoch)

    def advance_broker(self, epoch):
        if self.broker_up and epoch == self.epoch and self.now >= self.broker_due and not self.broker_frozen:
            self.carry_out(self.dispatcher.advance(self.now))
            self.plan_broker()

    def thaw_broker(self):
        if self.broker_frozen:
            self.broker_frozen = False
            backlog, self.backlog = self.backlog, []
            for method, arguments in backlog:
                method(*arguments)
            self.broker_due = self.now
            self.advance_broker(self.epoch)

    def carry_out(self, effects):
        for effect in alone(effects):
            match effect:
                case ToClient(client, message):
                    self.to_client(client, message)
                case ToWorker(identity, message):
                    wire = self.wires.get(identity)
                    if wire is None or (not wire.up and wire.noticed):
                        self.carry_out(self.dispatcher.lost(self.now, identity, "its connection is gone"))
                    else:
                        self.to_worker(wire, message)
                case LogLine():
                    pass

    def broker_request(self, client, request):
        if self.broker_frozen:
            self.backlog.append((self.broker_request, (client, request)))
            return
        known = self.dispatcher.tasks.get(request.id)
        if known is not None and known.state is TaskState.EXPIRED:
            self.life.expired_again[request.id] += 1
        refused = self.dispatcher.refused
        effects = self.dispatcher.requests(self.now, client, [request])
        if self.dispatcher.refused > refused:
            [effect] = effects
            self.seen[effect.message.code] += 1
            self.deliver(client, effect.message)
        else:
            self.life.accepted[request.id] += known is None
            self.carry_out(effects)
            self.plan_broker()

    def broker_receive(self, wire, message):
        if self.broker_frozen:
            self.backlog.append((self.broker_receive, (wire, message)))
            return
        if isinstance(message, Result) and self.count % 2:  # as one of several, or alone: it must make no difference
            self.carry_out(self.dispatcher.results(self.now, wire.identity, [message]))
            self.plan_broker()
            return
        handlers = {
            Ready: self.dispatcher.ready,
            WorkerHeartbeat: self.dispatcher.heartbeat,
            Result: self.dispatcher.result,
            TaskPart: self.dispatcher.part,
            Goodbye: self.dispatcher.goodbye,
        }
        self.carry_out(handlers[type(message)](self.now, wire.identity, message))
        self.plan_broker()

    # The network

    def connect(self):
        wire = Wire(self.random.randbytes(5))
        self.wires[wire.identity] = wire
        return wire

    def delay_s(self):
        return self.random.random() * (0.01 if self.calm or self.random.random() < 0.8 else 0.6)

    def send(self, wire, towards, what, *arguments):
        wire.free_at[towards] = when = max(wire.free_at[towards], self.now + self.delay_s())
        self.at(when, what, *arguments)

    def to_broker(self, wire, message):
        epoch = self.epoch

        def arrive():
            if self.broker_up and epoch == self.epoch and (wire.up or wire.noticed):
                self.broker_receive(wire, message)

        self.send(wire, "broker", arrive)

    def to_worker(self, wire, message):
        owner = next((worker for worker in self.workers if worker.wire is wire), None)
        if isinstance(message, Task):
            self.check_given(wire.identity, message)
        if owner is None:
            return

        def arrive():
            if wire.up and owner.wire is wire:
                owner.receive(message)

        self.send(wire, "worker", arrive)

    def to_client(self, client, message):
        if not isinstance(message, Part):
            self.life.ended[message.id] += 1
            owed = self.life.accepted[message.id] + self.life.expired_again[message.id]
            first_give = message.id in self.dispatcher.tasks or message.id in self.life.accepted
            assert first_give, f"{message.id.hex()} ended without being accepted"
            assert self.life.ended[message.id] <= max(owed, 1), f"{message.id.hex()} ended twice"
        else:
            assert message.id in self.dispatcher.tasks, f"{message.id.hex()} sent a part after its end"
            assert self.dispatcher.tasks[message.id].state is TaskState.RUNNING, "a part of what is not running"
        self.later(self.delay_s(), self.deliver, client, message)

    # Workers

    def join(self, service=None):
        service = service or self.random.choice(SERVICES)
        worker = SimWorker(self, f"{service}/{len(self.workers)}", service, self.random.choice((1, 1, 2, 4)))
        self.workers.append(worker)
        worker.advance()

    def some(self, *, frozen=False):
        alive = [worker for worker in self.workers if worker.alive and worker.frozen is frozen]
        return self.random.choice(alive) if alive else None

    def carry_out_task(self, worker, task, begun):
        fate = task.args["fate"]
        if self.random.random() < 0.3:
            self.later(0.02, worker.part, begun, 1)
        delay_s = self.random.random() * (0.3 if fate != "slow" else 1.8)
        if fate == "kills":
            if not self.calm or self.random.random() < 0.5:
                self.later(delay_s, lambda: worker.alive and self.replace(worker))
            else:
                self.later(delay_s, worker.ended, begun, True, task.id)
        elif fate != "hangs":
            self.later(delay_s, worker.ended, begun, fate in ("works", "slow"), answer_of(self.random, fate, task))

    def replace(self, worker):
        worker.die(noticed=self.random.random() < 0.7)
        self.later(0.2, self.join, worker.session.service)

    # Invariants

    def check_given(self, identity, task):
        worker = self.dispatcher.roster.at(identity)
        assert worker is None or worker.free >= 0, f"{worker.name} is given {worker.held}, is still at {worker.strays}"
        known = self.dispatcher.tasks.get(task.id)
        spared = known.spared if known else 0  # the numbers of attempts that do not count are given again
        key = (task.id, self.life.accepted[task.id], task.attempt, spared)
        assert key not in self.life.given, f"attempt {task.attempt} of {task.id.hex()} was given twice"
        self.life.given.add(key)
        retries = self.callers[task.id]["request"].options["retries"]
        assert task.attempt <= retries + 1, f"attempt {task.attempt} of {task.id.hex()}, allowed are {retries + 1}"

    def check_worker(self, worker):
        session = worker.session
        holds = (session.running is not None) + len(session.waiting)
        if worker.reconnected and self.broker_up:
            # A registration from its dead connection may be read after the new one's: tasks in flight are then dropped
            # unnoticed. Only the tasks that the broker still counts must fit.
            books = self.dispatcher.roster.named(session.name)
            holds = sum(books is not None and books.held.get(task.task) == task.attempt for task in session.held())
        assert holds <= session.credit, f"{session.name} holds {holds}, offered {session.credit}"

    def check_end(self):
        for identity, request in self.callers.items():
            assert request["answer"] is not None, f"{identity.hex()} was lost"
        for identity, accepted in self.life.accepted.items():
            owed = accepted + self.life.expired_again[identity]
            assert self.life.ended[identity] == owed, f"{identity.hex()} ended {self.life.ended[identity]} times, not {owed}"
        assert not self.dispatcher.tasks, f"{len(self.dispatcher.tasks)} tasks are still in the books"
        assert len(self.dispatcher.queue) == 0
        assert len(self.dispatcher.timers) == 1, "timers are left over"
        living = {worker.session.name for worker in self.workers if worker.alive}
        assert not any(worker.retiring for worker in self.dispatcher.roster), "a worker received RETIRE, and stays"
        assert {worker.name for worker in self.dispatcher.roster} == living
        for worker in self.dispatcher.roster:
            assert worker.free == worker.credit, f"{worker.name} does not get back what it offered"
