"""The original pool had thirteen flaws, most of them observed by running it. Each has one test or more.

Some are also tested with real processes: the task storm (1, 2, 13), scaling up and down (3, 4), workers that finish before they
leave (6).
"""

import json

import pytest
from dispatcher_fixture import RETRYABLE, A, B, DispatcherFixture, task
from nepse_worker_fixture import ExchangeFetch as Exchange
from nepse_worker_fixture import reply

from hulak.bus.backoff import Backoff
from hulak.bus.errors import ProtocolError, TaskFailed
from hulak.bus.wire.messages import Goodbye, HeldTask, Reply, Result, Retire, Task
from hulak.workers.nepse import tokens
from hulak.workers.nepse.actions import NepseActions
from hulak.workers.nepse.endpoints import ENDPOINTS
from hulak.workers.nepse.token_bucket import TokenBucket
from hulak.workers.nepse.token_manager import PROVE, REFRESH_PATH
from hulak.workers.runtime.session import Exit, Run, Send, Session
from hulak.workers.scaling import Options, PoolWorker, Scaling, Slot

MORNING = 1_776_968_000.0  # 2026-04-23T18:13:20Z; 18:15 is midnight in Nepal
INDICES = "/api/nots/nepse-index"


@pytest.fixture
def dispatcher():
    return DispatcherFixture()


def one_each(slots, busy=0):
    """Return workers and slots as the scaler gets them: a worker in each running slot, the first ones busy."""
    slots = [Slot(f"nepse_{at:02d}", state, 100 + at if state == "running" else 0) for at, state in enumerate(slots)]
    running = [slot for slot in slots if slot.state == "running"]
    workers = [PoolWorker(f"{slot.name}/1", slot.name, slot.pid, at < busy, 0, 100.0) for at, slot in enumerate(running)]
    return workers, slots


# 1 to 5


def test_flaw_1_a_failed_task_kills_its_worker_and_hangs_its_caller(dispatcher):
    """Its retry was never queued again: the answer was "unknown", and the worker stayed busy."""
    dispatcher.ready()
    dispatcher.request(A)
    assert dispatcher.result(A, 1, RETRYABLE, done=False) == ([], [], ["task retried"])
    dispatcher.request(B)
    assert dispatcher.result(B, 1, "of b")[0] == [(b"c", Reply(B, "of b"))], "the worker is free for others meanwhile"
    assert dispatcher.pass_time(1.0, (b"w1", ()))[1] == [(b"w1", task(2))]
    assert dispatcher.result(A, 2, "of a")[0] == [(b"c", Reply(A, "of a"))]
    assert dispatcher.core.tasks == {}


def test_flaw_2_a_crash_without_retries_left_is_not_reported(dispatcher):
    """The task was neither rejected nor retried; a sweeper removed it after two minutes."""
    dispatcher.ready()
    dispatcher.request(A, retries=0)
    ((client, error),), _, _ = dispatcher.lost()
    assert (client, error.id, error.code) == (b"c", A, "WORKER_LOST")


def test_flaw_3_errors_end_the_last_worker_and_it_is_not_replaced(dispatcher):
    """More than five errors ended a worker; an empty pool had busy/size of 0/0, and never grew again."""
    dispatcher.ready()
    for number in range(20):
        task_id = bytes(15) + bytes([number])
        assert dispatcher.request(task_id)[1], "a worker whose tasks fail gets the next one"
        dispatcher.result(task_id, 1, {"code": "NOT_FOUND", "text": "no", "retryable": False}, done=False)
    scaling = Scaling(Options(min_workers=1))
    assert scaling.decide(0.0, *one_each(slots=["exited"] + ["stopped"] * 4), 0).start == ("nepse_00",)
    scaling = Scaling(Options())
    for now in (0.0, 1.0):
        decision = scaling.decide(now, *one_each(slots=["fatal"] + ["stopped"] * 4), 3)
    assert (decision.wanted, len(decision.start)) == (3, 3)


@pytest.mark.parametrize(("threshold", "wanted"), [(0.5, 5), (0.75, 5), (0.8, 4), (1.0, 4)])
def test_flaw_4_the_scaling_threshold_has_no_effect(threshold, wanted):
    """It was checked only when no worker was free, where any threshold is reached. Here: 3 of 4 are busy."""
    scaling = Scaling(Options(scaling_threshold=threshold))
    for now in (0.0, 1.0):
        decision = scaling.decide(now, *one_each(slots=["running"] * 4 + ["stopped"], busy=3), 2)
    assert decision.wanted == wanted


def test_flaw_5_a_worker_gets_another_task_while_it_runs_a_slow_one_whose_result_is_lost(dispatcher):
    """At the time limit the worker counted as free, and the task was started again, four times."""
    dispatcher.ready()
    dispatcher.request(A, timeout_ms=2000)
    ((_, error),), _, _ = dispatcher.pass_time(2.0, (b"w1", (HeldTask(A, 1),)))
    assert error.code == "EXPIRED"
    assert dispatcher.request(B)[1] == [], "it still runs the first one"
    assert dispatcher.result(A, 1, "late")[1] == [(b"w1", task(1, B))]


def test_flaw_5_a_task_beyond_its_limit_is_interrupted_or_its_worker_replaced(dispatcher):
    """A soft limit in the worker ends with an answer; a hard one ends the process."""
    worker = Session("nepse", "w/1", 1, 0.25)
    worker.advance(0.0)
    worker.received(0.0, Task(A, 1, "do", {}, 2000, 3000))
    assert "Interrupt" in [type(action).__name__ for action in worker.advance(2.0)]
    assert Exit(70, f"task {A.hex()} exceeded its hard limit") in worker.advance(3.0)
    dispatcher.ready()
    dispatcher.request()
    assert [type(message) for _, message in dispatcher.pass_time(20.0, (b"w1", (HeldTask(A, 1),)))[1]] == [Retire]
    assert dispatcher.ready(b"w2")[1] == [(b"w2", task(2))]


# 6 to 8


def test_flaw_6_a_shutdown_discards_running_tasks():
    """Running tasks were rejected. Here a retiring worker finishes its tasks, sends it, and then GOODBYE."""
    worker = Session("nepse", "w/1", 1, 0.25)
    worker.advance(0.0)
    given = Task(A, 1, "do", {}, 60_000, 75_000)
    assert worker.received(0.0, given) == [Run(given)]
    worker.epoch = 7
    assert not any(isinstance(action, Exit) for action in worker.leave(1.0, "retired", None))
    ended = worker.finished(2.0, [Send(Result(A, 1, True, 5))])
    assert ended == [Send(Result(A, 1, True, 5)), Send(Goodbye("retired")), Exit(0, "retired")]


def test_flaw_7_a_queued_task_expires_after_two_minutes_and_runs_all_the_same(dispatcher):
    """Here a task waits as long as its caller; an expired task is not dispatched."""
    dispatcher.request(A, timeout_ms=600_000)
    dispatcher.request(B, timeout_ms=100_000)
    errors, _, _ = dispatcher.pass_time(300.0)
    assert [(error.id, error.code) for _, error in errors] == [(B, "EXPIRED")]
    assert dispatcher.ready()[1] == [(b"w1", task(1))]
    assert dispatcher.result(A, 1, 5) == ([(b"c", Reply(A, 5))], [], [])


def test_flaw_8_the_end_of_an_old_worker_removes_a_new_one_of_the_same_name(dispatcher):
    """The ids of ended workers were reused. Here a name contains the process id, and a loss belongs to a connection."""
    dispatcher.ready(b"old", name="nepse_00/1")
    dispatcher.ready(b"new", name="nepse_00/2")
    dispatcher.request()
    dispatcher.lost(b"old")
    assert [worker.name for worker in dispatcher.core.roster] == ["nepse_00/2"]
    dispatcher.ready(
        b"newer",
        name="nepse_00/2",
        held=tuple(HeldTask(*pair) for pair in dispatcher.core.roster.named("nepse_00/2").held.items()),
    )
    dispatcher.lost(b"new")
    assert [worker.identity for worker in dispatcher.core.roster] == [b"newer"]


def test_flaw_8_a_worker_that_ends_by_itself_loses_its_task(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    dispatcher.ready(b"w2")
    assert dispatcher.sort(dispatcher.core.goodbye(dispatcher.now, b"w1", Goodbye("a bug")))[1] == [(b"w2", task(2))]


# 9


@pytest.mark.parametrize(
    ("status", "code"), [(401, "UNAUTHORIZED"), (403, "BLOCKED"), (404, "NOT_FOUND"), (429, "RATE_LIMITED"), (500, "UPSTREAM")]
)
def test_flaw_9_an_error_of_the_exchange_is_returned_as_data(status, code):
    """All errors were caught, or returned as JSON; so no retry, time limit or counter had any effect. Tested for every action."""
    given = {"symbol": 131, "index": 58, "date": "2026-04-02", "category": "weekly", "name": "a.pdf", "id": "a", "location": "a"}
    for endpoint in ENDPOINTS:
        exchange = Exchange(server_s=MORNING)
        act = NepseActions(exchange, exchange.clock).by_name()
        act["market-id"]({})
        path = endpoint.api + endpoint.path.format(**given | {"category": 1})
        exchange.plan(path, *[reply(status, json.dumps({"message": "no"}))] * 3)
        wanted = {argument.name: given[argument.name] for argument in endpoint.arguments if argument.required}
        with pytest.raises(TaskFailed) as caught:
            list(act[endpoint.action](wanted))
        assert caught.value.code == code, endpoint.action


# 10: claimed features that did not exist


def test_flaw_10_there_is_no_exponential_back_off():
    ceilings = [Backoff(0.5, 60.0, lambda: 1.0).delay_s(attempt) for attempt in (1, 2, 3, 20)]
    assert ceilings == pytest.approx([0.5, 1.0, 2.0, 60.0])
    assert Backoff(0.5, 60.0, lambda: 0.25).delay_s(3) == pytest.approx(0.5), "with jitter over all of it"


def test_flaw_10_there_is_no_rate_limit():
    """Tests the bucket; `RateLimit` and the exchange's own count are tested elsewhere."""
    bucket = TokenBucket(rate=2.0, burst=1, now=0.0)
    assert [bucket.take(at / 10) for at in range(11)] == [True, *[False] * 4, True, *[False] * 4, True]


def test_flaw_10_the_queue_has_no_bound(dispatcher):
    for number in range(3):
        dispatcher.request(bytes(15) + bytes([number]))
    with pytest.raises(ProtocolError) as caught:
        dispatcher.request(A)
    assert (caught.value.code, caught.value.details) == ("BUSY", {"retry_after_ms": 1000})


def test_flaw_10_there_are_no_priorities(dispatcher):
    dispatcher.request(A, priority=2)
    dispatcher.request(B, priority=0)
    assert dispatcher.ready()[1] == [(b"w1", task(1, B))]


def test_flaw_10_nothing_can_be_cancelled(dispatcher):
    dispatcher.request(A)
    ((_, error),), _, _ = dispatcher.sort(dispatcher.core.cancel(A))
    assert (error.code, dispatcher.ready()[1]) == ("CANCELLED", [])


def test_flaw_10_equal_reads_are_not_shared(dispatcher):
    dispatcher.ready()
    dispatcher.request(A, client=b"one", share=True)
    assert dispatcher.request(B, client=b"two", share=True)[1] == []
    assert dispatcher.result(A, 1, 5)[0] == [(b"one", Reply(A, 5)), (b"two", Reply(B, 5))]


# 11 to 13


def test_flaw_11_a_session_is_never_refreshed_and_new_tokens_are_not_decoded():
    exchange = Exchange(server_s=MORNING)
    act = NepseActions(exchange, exchange.clock).by_name()
    first = act["salts"]({})
    exchange.now += 46.0
    second = act["salts"]({})
    assert exchange.paths() == [PROVE.path, REFRESH_PATH]
    assert second["salts"] != first["salts"]
    assert tokens.has_known_header(second["access_token"])
    assert act["nepse-index"]({}), "the exchange accepts the new token"


def test_flaw_12_a_401_is_ignored():
    exchange = Exchange(server_s=MORNING)
    act = NepseActions(exchange, exchange.clock).by_name()
    act["nepse-index"]({})
    exchange.gate.forget_sessions()
    assert act["nepse-index"]({})
    assert exchange.paths()[-4:] == [INDICES, REFRESH_PATH, PROVE.path, INDICES]


@pytest.mark.parametrize("server_s", [MORNING, MORNING + 200.0, MORNING + 86_400.0, MORNING - 20 * 3600.0])
def test_flaw_12_the_day_is_that_of_the_machine_and_not_of_nepal(server_s):
    """Around midnight in Nepal, and with clocks that are a day apart: the exchange accepts each body id."""
    exchange = Exchange(server_s=server_s)
    act = NepseActions(exchange, exchange.clock).by_name()
    assert act["company-details"]({"symbol": 131})
    exchange.now += 150.0  # where it began before midnight, it is tomorrow now
    assert act["company-details"]({"symbol": 131})
    assert not any(request.token is None and request.path != PROVE.path for request in exchange.requests)


def test_flaw_13_the_answer_of_an_abandoned_attempt_reaches_the_caller(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    dispatcher.ready(b"w2")
    dispatcher.lost(b"w1")
    dispatcher.ready(b"w1", held=(HeldTask(A, 1),))
    assert dispatcher.result(A, 1, "of the first", b"w1")[0] == []
    assert dispatcher.result(A, 2, "of the second", b"w2")[0] == [(b"c", Reply(A, "of the second"))]
    assert dispatcher.core.counters["late"] == 1
