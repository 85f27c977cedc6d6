"""Trace contexts, from the options of a request to the workers that want them."""

import pytest
from dispatcher_fixture import RETRYABLE, A, DispatcherFixture, task

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import Ready, Request, TaskContext
from hulak.bus.wire.trace_context import LONGEST_STATE, TRACES, read_context

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CONTEXT = {"traceparent": PARENT, "tracestate": "a=b"}


@pytest.fixture
def dispatcher():
    return DispatcherFixture()


def ready(dispatcher, wanted, identity=b"w1", credit=1):
    info = {"pid": 1, TRACES: wanted}
    return dispatcher.sort(dispatcher.core.ready(dispatcher.now, identity, Ready("nepse", identity.decode(), credit, (), info)))[
        1
    ]


def test_a_worker_that_requests_contexts_gets_one_before_the_task_with_the_time_in_the_queue(dispatcher):
    dispatcher.request(**CONTEXT)
    dispatcher.now += 0.25
    assert ready(dispatcher, wanted=True) == [(b"w1", TaskContext(A, 1, CONTEXT, 250_000)), (b"w1", task(1))]


@pytest.mark.parametrize("wanted", [False, None, 1, "yes"])
def test_other_workers_get_the_task_alone(dispatcher, wanted):
    dispatcher.request(**CONTEXT)
    assert ready(dispatcher, wanted) == [(b"w1", task(1))]


def test_a_task_without_a_context_is_sent_alone(dispatcher):
    dispatcher.request()
    assert ready(dispatcher, wanted=True) == [(b"w1", task(1))]


def test_each_attempt_has_a_context_and_its_own_time_in_the_queue(dispatcher):
    ready(dispatcher, wanted=True)
    dispatcher.request(**CONTEXT)
    dispatcher.result(value=RETRYABLE, done=False)
    dispatcher.now += 0.25  # half of the longest delay
    messages = dispatcher.sort(dispatcher.core.advance(dispatcher.now))[1]
    assert messages == [(b"w1", TaskContext(A, 2, CONTEXT, 0)), (b"w1", task(2))]


def test_after_the_loss_of_a_worker_the_time_in_the_queue_is_unknown(dispatcher):
    ready(dispatcher, wanted=True)
    dispatcher.request(**CONTEXT)
    ready(dispatcher, wanted=True, identity=b"w2")
    assert dispatcher.lost()[1] == [(b"w2", TaskContext(A, 2, CONTEXT, None)), (b"w2", task(2))]


def test_among_the_tasks_of_one_message_only_those_with_a_context_have_one(dispatcher):
    ids = [number.to_bytes(16, "big") for number in range(3)]
    options = ({"timeout_ms": 5000}, {"timeout_ms": 5000, **CONTEXT}, {"timeout_ms": 5000})
    requests = [Request(task_id, "nepse", "do", {}, option) for task_id, option in zip(ids, options, strict=True)]
    dispatcher.core.requests(dispatcher.now, b"c", requests)
    messages = [message for _, message in ready(dispatcher, wanted=True, credit=3)]
    assert messages[0] == TaskContext(ids[1], 1, CONTEXT, 0)
    assert [given.id for given in messages[1]] == ids


@pytest.mark.parametrize(
    "options",
    [
        {"traceparent": 5},
        {"traceparent": PARENT.upper()},
        {"traceparent": PARENT[:-1]},
        {"traceparent": PARENT + "\n"},
        {"tracestate": "a=b"},
        {"traceparent": PARENT, "tracestate": 7},
        {"traceparent": PARENT, "tracestate": "x" * (LONGEST_STATE + 1)},
    ],
)
def test_a_malformed_context_is_refused(dispatcher, options):
    with pytest.raises(ProtocolError, match=r"traceparent|tracestate") as refused:
        dispatcher.request(**options)
    assert refused.value.code == "BAD_OPTION"
    assert dispatcher.core.tasks == {}


def test_an_empty_state_is_left_out():
    assert read_context({"traceparent": PARENT, "tracestate": ""}) == {"traceparent": PARENT}
    assert read_context({"timeout_ms": 5}) is None
