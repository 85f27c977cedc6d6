"""Bursts: many messages at once have the same results as the messages one by one, except for batching."""

import random
from collections import defaultdict

import pytest
from dispatcher_fixture import POLICY

from hulak.bus.backoff import Backoff
from hulak.bus.core.effects import ToClient, ToWorker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.core.tasks.task_queue import CalledTask
from hulak.bus.core.tasks.worker_roster import MOST_GRAIN
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import Error, HeldTask, Ready, Reply, Request, Result, Task, WorkerHeartbeat

SERVICES = ("sums", "news")
OPTIONS = (
    *({"timeout_ms": 5000},) * 12,
    {"timeout_ms": 9000},
    {},
    {"timeout_ms": 5000, "priority": 0},
    {"timeout_ms": 5000, "share": True},
    {"timeout_ms": 0},
    {"timeout_ms": 2.5},
    {"unheard": 1},
)
FAILS = {"code": "BLOCKED", "text": "429", "retryable": True}


def dispatcher(**policy):
    return Dispatcher(7, Policy(**{"max_tasks": 60, **policy}), Backoff(0.5, 60.0, lambda: 0.5), 100.0)


def grouped(effects):
    """Group messages by recipient, batches split, and return the other effects separately."""
    sent, rest = defaultdict(list), []
    for effect in effects:
        if isinstance(effect, ToClient | ToWorker):
            sent[type(effect), effect.identity] += effect.message if isinstance(effect.message, list) else [effect.message]
        else:
            rest.append(effect)
    return sent, rest


def request(number, service="sums", options=None):
    return Request(number.to_bytes(16), service, "do", {"n": number}, {"timeout_ms": 5000} if options is None else options)


class Pair:
    """Two dispatchers with the same input: one gets each message by itself, the other consecutive messages at once."""

    def __init__(self):
        self.alone, self.at_once = dispatcher(), dispatcher()
        self.now = 100.0

    def both(self, alone, at_once):
        """Compare what each wants done: of a worker's messages the order too, of answers to different requests not."""
        (sent, rest), (its, others) = grouped(alone), grouped(at_once)
        for messages in (sent, its):
            for (kind, _), several in messages.items():
                if kind is ToClient:
                    several.sort(key=lambda message: message.id)
        assert (sent, sorted(rest, key=repr)) == (its, sorted(others, key=repr))

    def ready(self, name, service, credit):
        message = Ready(service, name, credit, (), {})
        self.both(self.alone.ready(self.now, name.encode(), message), self.at_once.ready(self.now, name.encode(), message))

    def beat(self, name):
        held = tuple(HeldTask(*item) for item in self.alone.roster.named(name).held.items())
        message, identity = WorkerHeartbeat(held), name.encode()
        self.both(self.alone.heartbeat(self.now, identity, message), self.at_once.heartbeat(self.now, identity, message))

    def requests(self, client, requests):
        alone = []
        for request in requests:
            try:
                alone += self.alone.request(self.now, client, request)
            except ProtocolError as error:
                alone.append(ToClient(client, Error(request.id, error.code, str(error), error.details)))
        self.both(alone, self.at_once.requests(self.now, client, requests))

    def results(self, identity, results):
        alone = [effect for result in results for effect in self.alone.result(self.now, identity, result)]
        self.both(alone, self.at_once.results(self.now, identity, results))

    def check(self):
        for dispatcher, its in ((self.alone, self.at_once), (self.at_once, self.alone)):
            assert list(dispatcher.tasks) == list(its.tasks)
            assert [worker.held for worker in dispatcher.roster] == [worker.held for worker in its.roster]
            assert [task.id for task in dispatcher.queue] == [task.id for task in its.queue]
            assert dispatcher.counters == its.counters
            assert dispatcher.timers.next() == its.timers.next()
            assert len(dispatcher.timers) == len(its.timers)


@pytest.mark.parametrize("seed", range(40))
def test_a_burst_is_what_its_messages_are_alone(seed):
    """One worker to a service: with more, a burst of results frees all its places before it fills any."""
    drawn, pair = random.Random(seed), Pair()
    for service in SERVICES:
        pair.ready(service, service, drawn.choice((1, 3, 16)))
    count = 0
    for _ in range(60):
        pair.now += drawn.random() * 0.2
        for service in SERVICES:
            pair.beat(service)
        if drawn.random() < 0.5:
            asked = []
            for _ in range(drawn.randint(1, 20)):
                count += drawn.random() < 0.95  # else the one before comes again
                asked.append(request(count, drawn.choice(SERVICES), dict(drawn.choice(OPTIONS))))
            pair.requests(drawn.choice((b"a", b"b")), asked)
        else:
            name = drawn.choice(SERVICES)
            held = list(pair.alone.roster.named(name).held.items())
            some = drawn.sample(held, drawn.randint(0, len(held)))
            ends = [Result(task, attempt, drawn.random() < 0.9, FAILS) for task, attempt in some]
            ends += [Result(bytes(16), 1, True, None)] * (drawn.random() < 0.2)
            if ends:
                pair.results(name.encode(), ends)
        if drawn.random() < 0.2:
            pair.both(pair.alone.advance(pair.now), pair.at_once.advance(pair.now))
        pair.check()
    assert count > 100


def test_a_burst_goes_out_as_one_message_to_each_peer():
    core = dispatcher()
    core.ready(100.0, b"w", Ready("sums", "w", 8, (), {}))
    [given] = core.requests(100.0, b"c", [request(number) for number in range(3)])
    assert given == ToWorker(b"w", [Task(number.to_bytes(16), 1, "do", {"n": number}, 60_000, 75_000) for number in range(3)])
    [answered] = core.results(100.1, b"w", [Result(number.to_bytes(16), 1, True, number) for number in range(3)])
    assert answered == ToClient(b"c", [Reply(number.to_bytes(16), number) for number in range(3)])
    assert not core.tasks
    assert len(core.timers) == 1  # the heartbeat's


def test_one_that_is_refused_costs_the_others_nothing_and_is_counted():
    core = Dispatcher(7, POLICY, Backoff(0.5, 60.0, lambda: 0.5), 100.0)  # takes 3 tasks
    asked = [request(1), request(2, options={"timeout_ms": "soon"}), request(3), request(4), request(5)]
    refused = core.requests(100.0, b"c", asked)
    assert [(effect.message.id[-1], effect.message.code) for effect in refused] == [(2, "BAD_OPTION"), (5, "BUSY")]
    assert refused[1].message.details == {"retry_after_ms": 1000}
    assert [task.id[-1] for task in core.tasks.values()] == [1, 3, 4]
    assert core.refused == 2


def test_results_of_an_unknown_worker_are_late_and_it_gets_one_heartbeat():
    core = dispatcher()
    [heartbeat] = core.results(100.0, b"w", [Result(bytes(16), 1, True, None)] * 3)
    assert heartbeat.message.known is False
    assert core.counters["late"] == 3


def test_a_posted_task_and_a_shared_one_end_among_others_as_they_do_alone():
    core = dispatcher()
    core.ready(100.0, b"w", Ready("sums", "w", 8, (), {}))
    core.accept(100.0, [CalledTask(bytes(16), b"", "sums", "do", {}, 3, 100.0, 1e9, size=1, posted=True)])
    core.requests(100.0, b"c", [request(1, options={"share": True}), request(2)])
    core.requests(100.0, b"d", [Request((3).to_bytes(16), "sums", "do", {"n": 1}, {"share": True})])
    effects = core.results(100.1, b"w", [Result(number.to_bytes(16), 1, True, number) for number in range(3)])
    sent, rest = grouped(effects)
    assert sent == {
        (ToClient, b"c"): [Reply((1).to_bytes(16), 1), Reply((2).to_bytes(16), 2)],
        (ToClient, b"d"): [Reply((3).to_bytes(16), 1)],
    }
    assert [(effect.state, effect.message.value) for effect in rest] == [("done", 0)]
    assert not core.tasks


def test_while_a_worker_may_run_an_unknown_attempt_requests_are_handled_one_by_one():
    core = dispatcher()
    stray = HeldTask((2).to_bytes(16), 1)
    core.ready(100.0, b"w", Ready("sums", "w", 1, (stray,), {}))
    assert core.requests(100.0, b"c", [request(1), request(2)]) == []  # the second is at work there: adopted, not given
    assert core.roster.named("w").held == {stray.task: 1}


def test_the_time_of_a_burst_passes_for_each_of_its_tasks():
    core = dispatcher()
    core.requests(100.0, b"c", [request(1), request(2, options={"timeout_ms": 2000}), request(3)])
    assert core.timers.next() == 100.25
    ended = [effect.message.id[-1] for effect in core.advance(102.1) if isinstance(effect, ToClient)]
    assert ended == [2]
    ended = [effect.message.id[-1] for effect in core.advance(105.1) if isinstance(effect, ToClient)]
    assert ended == [1, 3]


def hands(sent):
    """Return the tasks of each worker, by the last byte of their ids."""
    return {identity: [task.id[-1] for task in hand] for (_, identity), hand in sent.items()}


def two_workers(task_s):
    """Two idle workers of a service that have reported the duration of their tasks."""
    core = dispatcher()
    for name in ("v", "w"):
        core.ready(100.0, name.encode(), Ready("sums", name, 64, (), {}))
        core.heartbeat(100.1, name.encode(), WorkerHeartbeat((), None if task_s is None else {"task_s": task_s}))
    return core


def numbered(first, last):
    return [request(number) for number in range(first, last + 1)]


@pytest.mark.parametrize("task_s", [None, 0.5, 0.0004, 1, "x", -1.0, 0.0, float("nan"), float("inf")])
def test_tasks_go_one_by_one_to_the_worker_that_holds_the_fewest(task_s):
    sent, _ = grouped(two_workers(task_s).requests(100.2, b"c", numbered(1, 5)))
    assert hands(sent) == {b"v": [1, 3, 5], b"w": [2, 4]}


def test_tasks_that_take_no_time_go_to_a_worker_several_in_a_row():
    sent, _ = grouped(two_workers(0.0001).requests(100.2, b"c", numbered(1, 12)))
    assert hands(sent) == {b"v": [1, 2, 3, 4, 5, 11, 12], b"w": [6, 7, 8, 9, 10]}


def test_a_worker_that_reports_less_than_any_task_can_take_gets_no_more_than_the_most():
    core = two_workers(5e-324)
    assert {worker.grain for worker in core.roster} == {MOST_GRAIN}


def test_a_running_worker_gets_half_a_millisecond_of_short_tasks_before_another_is_woken():
    core = two_workers(0.0001)
    core.requests(100.2, b"c", numbered(1, 7))
    core.results(100.21, b"w", [Result((6).to_bytes(16), 1, True, None), Result((7).to_bytes(16), 1, True, None)])
    sent, _ = grouped(core.requests(100.211, b"c", numbered(11, 13)))
    assert hands(sent) == {b"w": [11, 12, 13]}
    sent, _ = grouped(core.requests(100.2115, b"c", numbered(14, 17)))
    assert hands(sent) == {b"v": [16, 17], b"w": [14, 15]}


def test_a_worker_without_a_recent_result_may_run_a_long_task_and_gets_no_more_short_ones():
    core = two_workers(0.0001)
    core.requests(100.2, b"c", [request(1)])
    core.results(100.201, b"v", [Result((1).to_bytes(16), 1, True, None)])
    core.requests(100.202, b"c", [request(2)])
    sent, _ = grouped(core.requests(100.21, b"c", [request(3)]))
    assert hands(sent) == {b"w": [3]}
