"""The pool that this one replaces had thirteen flaws, most of them seen by running it. One test, or a few, for each of them.

Some are shown once more with real processes: the task storm (1, 2, 13), the pool that grows and shrinks (3, 4), the workers that
finish before they leave (6).
"""

import json

import pytest
from dispatcher_fixture import RETRYABLE, A, B, DispatcherFixture, task
from nepse_worker_fixture import ExchangeFetch as Exchange
from nepse_worker_fixture import reply

from bus.backoff import Backoff
from bus.errors import ProtocolError, TaskFailed
from bus.wire.messages import Goodbye, HeldTask, Reply, Result, Retire, Task
from workers.nepse import tokens
from workers.nepse.actions import NepseActions
from workers.nepse.endpoints import ENDPOINTS
from workers.nepse.token_bucket import TokenBucket
from workers.nepse.token_manager import PROVE, REFRESH_PATH
from workers.runtime.session import Exit, Run, Send, Session
from workers.scaling import FATAL_S, Options, PoolWorker, Scaling, Slot

MORNING = 1_776_968_000.0  # 2026-04-23T18:13:20Z; 18:15 is midnight in Nepal
INDICES = "/api/nots/nepse-index"


@pytest.fixture
def dispatcher():
    return DispatcherFixture()


def one_each(slots, busy=0):
    """Make workers and slots as the scaler sees them: a worker in each slot that runs, the first ones busy."""
    slots = [Slot(f"nepse_{at:02d}", state, 100 + at if state == "running" else 0) for at, state in enumerate(slots)]
    running = [slot for slot in slots if slot.state == "running"]
    workers = [PoolWorker(f"{slot.name}/1", slot.name, slot.pid, at < busy, 0, 100.0) for at, slot in enumerate(running)]
    return workers, slots


# 1 to 5


def test_flaw_1_a_failed_task_kills_its_worker_and_hangs_its_caller(dispatcher):
    """Its retry was never put back among the pending tasks: the answer was "unknown", the worker busy for ever."""
    dispatcher.ready()
    dispatcher.request(A)
    assert dispatcher.result(A, 1, RETRYABLE, done=False) == ([], [], ["task retried"])
    dispatcher.request(B)
    assert dispatcher.result(B, 1, "of b")[0] == [(b"c", Reply(B, "of b"))], "the worker is free for others meanwhile"
    assert dispatcher.pass_time(1.0, (b"w1", ()))[1] == [(b"w1", task(2))]
    assert dispatcher.result(A, 2, "of a")[0] == [(b"c", Reply(A, "of a"))]
    assert dispatcher.core.tasks == {}


def test_flaw_2_a_crash_without_retries_left_tells_nobody(dispatcher):
    """The task was neither rejected nor retried; a sweeper found it after two minutes."""
    dispatcher.ready()
    dispatcher.request(A, retries=0)
    ((client, error),), _, _ = dispatcher.lost()
    assert (client, error.id, error.code) == (b"c", A, "WORKER_LOST")


def test_flaw_3_errors_end_the_last_worker_and_nobody_comes_in_its_place(dispatcher):
    """More than five errors ended a worker; of a pool of nobody, busy/size was 0/0, and it never grew again."""
    dispatcher.ready()
    for number in range(20):
        one = bytes(15) + bytes([number])
        assert dispatcher.request(one)[1], "a worker whose tasks fail is given the next one all the same"
        dispatcher.result(one, 1, {"code": "NOT_FOUND", "text": "no", "retryable": False}, done=False)
    scaling = Scaling(Options(min_workers=1))
    assert scaling.decide(0.0, *one_each(slots=["exited"] + ["stopped"] * 4), 0).start == ("nepse_00",)
    scaling = Scaling(Options())
    for now in (0.0, FATAL_S + 1):
        decision = scaling.decide(now, *one_each(slots=["fatal"] + ["stopped"] * 4), 3)
    assert (decision.wanted, len(decision.start)) == (3, 3)


@pytest.mark.parametrize(("threshold", "wanted"), [(0.5, 5), (0.75, 5), (0.8, 4), (1.0, 4)])
def test_flaw_4_the_scaling_threshold_has_no_effect(threshold, wanted):
    """It was looked at only when nobody was free, when it is reached whatever it is. Here: 3 of 4 are busy."""
    scaling = Scaling(Options(scaling_threshold=threshold))
    for now in (0.0, 1.0):
        decision = scaling.decide(now, *one_each(slots=["running"] * 4 + ["stopped"], busy=3), 2)
    assert decision.wanted == wanted


def test_flaw_5_a_slow_tasks_worker_is_given_more_while_it_is_still_at_it_and_its_answer_is_thrown_away(dispatcher):
    """At the time limit the worker counted as free, and the task was begun anew, four times over."""
    dispatcher.ready()
    dispatcher.request(A, timeout_ms=2000)
    ((_, error),), _, _ = dispatcher.pass_time(2.0, (b"w1", (HeldTask(A, 1),)))
    assert error.code == "EXPIRED"
    assert dispatcher.request(B)[1] == [], "it is at the first one still"
    assert dispatcher.result(A, 1, "late")[1] == [(b"w1", task(1, B))]


def test_flaw_5_a_task_beyond_its_limit_is_interrupted_in_its_worker_and_the_worker_replaced_where_that_does_not_help(dispatcher):
    """A soft limit in the worker, whose end is an answer; a hard one, at which the process ends."""
    worker = Session("nepse", "w/1", 1, 0.25)
    worker.advance(0.0)
    worker.received(0.0, Task(A, 1, "do", {}, 2000, 3000))
    assert "Interrupt" in [type(action).__name__ for action in worker.advance(2.0)]
    assert Exit(70, f"task {A.hex()} passed its hard limit") in worker.advance(3.0)
    dispatcher.ready()
    dispatcher.request()
    assert [type(message) for _, message in dispatcher.pass_time(20.0, (b"w1", (HeldTask(A, 1),)))[1]] == [Retire]
    assert dispatcher.ready(b"w2")[1] == [(b"w2", task(2))]


# 6 to 8


def test_flaw_6_a_shutdown_throws_running_work_away():
    """Running tasks were rejected. A worker that has to go ends what it holds, tells it, and says goodbye behind it."""
    worker = Session("nepse", "w/1", 1, 0.25)
    worker.advance(0.0)
    given = Task(A, 1, "do", {}, 60_000, 75_000)
    assert worker.received(0.0, given) == [Run(given)]
    worker.epoch = 7
    assert not any(isinstance(action, Exit) for action in worker.leave(1.0, "retired", None))
    ended = worker.finished(2.0, [Send(Result(A, 1, True, 5))])
    assert ended == [Send(Result(A, 1, True, 5)), Send(Goodbye("retired")), Exit(0, "retired")]


def test_flaw_7_a_task_that_only_waits_is_given_up_after_two_minutes_and_done_all_the_same(dispatcher):
    """Here it waits for as long as its caller does; and one that is given up is given to nobody."""
    dispatcher.request(A, timeout_ms=600_000)
    dispatcher.request(B, timeout_ms=100_000)
    told, _, _ = dispatcher.pass_time(300.0)
    assert [(error.id, error.code) for _, error in told] == [(B, "EXPIRED")]
    assert dispatcher.ready()[1] == [(b"w1", task(1))]
    assert dispatcher.result(A, 1, 5) == ([(b"c", Reply(A, 5))], [], [])


def test_flaw_8_the_end_of_an_old_worker_takes_a_new_one_of_the_same_name_with_it(dispatcher):
    """The ids of ended workers were used again. A name has the process's number in it, and a loss is that of a connection."""
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


def test_flaw_8_a_worker_that_ends_by_itself_takes_its_task_with_it(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    dispatcher.ready(b"w2")
    assert dispatcher.sort(dispatcher.core.goodbye(dispatcher.now, b"w1", Goodbye("a bug")))[1] == [(b"w2", task(2))]


# 9


@pytest.mark.parametrize(
    ("status", "code"), [(401, "UNAUTHORIZED"), (403, "BLOCKED"), (404, "NOT_FOUND"), (429, "RATE_LIMITED"), (500, "UPSTREAM")]
)
def test_flaw_9_an_error_of_the_exchange_is_given_out_as_data(status, code):
    """All of it was caught, or its JSON handed on; so no retry, time limit or counter ever did anything. Every action, here."""
    given = {"symbol": 131, "index": 58, "date": "2026-04-02"}
    for endpoint in ENDPOINTS:
        exchange = Exchange(server_s=MORNING)
        act = NepseActions(exchange, exchange.clock).by_name()
        act["market-id"]({})
        path = "/api/nots" + endpoint.path.format(**given)
        exchange.plan(path, *[reply(status, json.dumps({"message": "no"}))] * 3)
        wanted = {one.name: given[one.name] for one in endpoint.arguments if one.required}
        with pytest.raises(TaskFailed) as caught:
            list(act[endpoint.action](wanted))
        assert caught.value.code == code, endpoint.action


# 10: what was claimed, and not there


def test_flaw_10_there_is_no_exponential_back_off():
    ceilings = [Backoff(0.5, 60.0, lambda: 1.0).delay_s(attempt) for attempt in (1, 2, 3, 20)]
    assert ceilings == pytest.approx([0.5, 1.0, 2.0, 60.0])
    assert Backoff(0.5, 60.0, lambda: 0.25).delay_s(3) == pytest.approx(0.5), "with jitter over all of it"


def test_flaw_10_there_is_no_rate_limit():
    """The bucket; `RateLimit` around it, and the exchange's own count of a second, are tried elsewhere."""
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


def test_flaw_10_equal_reads_are_all_done(dispatcher):
    dispatcher.ready()
    dispatcher.request(A, client=b"one", share=True)
    assert dispatcher.request(B, client=b"two", share=True)[1] == []
    assert dispatcher.result(A, 1, 5)[0] == [(b"one", Reply(A, 5)), (b"two", Reply(B, 5))]


# 11 to 13


def test_flaw_11_a_session_is_never_refreshed_and_new_tokens_would_be_used_as_they_come():
    exchange = Exchange(server_s=MORNING)
    act = NepseActions(exchange, exchange.clock).by_name()
    first = act["salts"]({})
    exchange.now += 46.0
    second = act["salts"]({})
    assert exchange.paths() == [PROVE.path, REFRESH_PATH]
    assert second["salts"] != first["salts"]
    assert tokens.has_known_header(second["access_token"])
    assert act["nepse-index"]({}), "the exchange takes the new token"


def test_flaw_12_a_401_is_nothing_to_it():
    exchange = Exchange(server_s=MORNING)
    act = NepseActions(exchange, exchange.clock).by_name()
    act["nepse-index"]({})
    exchange.gate.forget_sessions()
    assert act["nepse-index"]({})
    assert exchange.paths()[-4:] == [INDICES, REFRESH_PATH, PROVE.path, INDICES]


@pytest.mark.parametrize("server_s", [MORNING, MORNING + 200.0, MORNING + 86_400.0, MORNING - 20 * 3600.0])
def test_flaw_12_the_day_is_that_of_this_machine_and_not_nepals(server_s):
    """Around midnight in Nepal, and with clocks that are a day apart: the exchange takes each body id."""
    exchange = Exchange(server_s=server_s)
    act = NepseActions(exchange, exchange.clock).by_name()
    assert act["company-details"]({"symbol": 131})
    exchange.now += 150.0  # where it began before midnight, it is tomorrow now
    assert act["company-details"]({"symbol": 131})
    assert not any(request.token is None and request.path != PROVE.path for request in exchange.requests)


def test_flaw_13_the_answer_of_an_attempt_that_was_given_up_reaches_the_caller(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    dispatcher.ready(b"w2")
    dispatcher.lost(b"w1")
    dispatcher.ready(b"w1", held=(HeldTask(A, 1),))
    assert dispatcher.result(A, 1, "of the first", b"w1")[0] == []
    assert dispatcher.result(A, 2, "of the second", b"w2")[0] == [(b"c", Reply(A, "of the second"))]
    assert dispatcher.core.counters["late"] == 1
