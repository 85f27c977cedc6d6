"""Equal reads under way at one time: done once, answered to all; with plain numbers for time."""

import pytest
from dispatcher_fixture import A, B, DispatcherFixture

from hulak.bus.wire.messages import Error, Part, Reply, Request, TaskPart

C = bytes(15) + b"c"


@pytest.fixture
def dispatcher():
    return DispatcherFixture()


def test_equal_reads_are_one_task_whose_answer_and_parts_go_to_each_caller_under_its_id(dispatcher):
    dispatcher.ready()
    assert len(dispatcher.request(A, client=b"c1", share=True)[1]) == 1
    assert dispatcher.request(B, client=b"c2", share=True) == ([], [], [])
    assert dispatcher.request(C, client=b"c3", share=True) == ([], [], [])
    parts = dispatcher.sort(dispatcher.core.part(dispatcher.now, b"w1", TaskPart(A, 1, 1, "x")))[0]
    assert parts == [(b"c1", Part(A, 1, "x")), (b"c2", Part(B, 1, "x")), (b"c3", Part(C, 1, "x"))]
    assert dispatcher.result(A, value=5)[0] == [(b"c1", Reply(A, 5)), (b"c2", Reply(B, 5)), (b"c3", Reply(C, 5))]
    assert dispatcher.core.counters["shared"] == 2
    assert dispatcher.core.tasks == {}


def test_a_read_that_comes_after_the_answer_is_a_new_task(dispatcher):
    dispatcher.ready()
    dispatcher.request(A, share=True)
    dispatcher.result(A, value=5)
    assert len(dispatcher.request(B, share=True)[1]) == 1


@pytest.mark.parametrize("options", [{"service": "other"}, {}])
def test_what_is_not_equal_or_does_not_allow_it_is_not_joined(dispatcher, options):
    dispatcher.request(A, share=True)
    share = {} if not options else {"share": True}
    dispatcher.request(B, **options, **share)
    assert len(dispatcher.core.tasks) == 2


def test_a_failure_is_sent_to_all(dispatcher):
    dispatcher.ready()
    dispatcher.request(A, client=b"c1", share=True)
    dispatcher.request(B, client=b"c2", share=True)
    effect = dispatcher.result(A, value={"code": "BLOCKED", "text": "403"}, done=False)[0]
    assert [(client, type(message), message.id, message.code) for client, message in effect] == [
        (b"c1", Error, A, "BLOCKED"),
        (b"c2", Error, B, "BLOCKED"),
    ]


def test_it_goes_on_for_as_long_as_the_last_one_waits(dispatcher):
    dispatcher.request(A, client=b"c1", share=True, timeout_ms=1000)
    dispatcher.request(B, client=b"c2", share=True, timeout_ms=5000)
    assert dispatcher.pass_time(4.0)[0] == []
    assert [client for client, _ in dispatcher.pass_time(2.0)[0]] == [b"c1", b"c2"]


def test_a_follower_that_comes_again_on_a_new_connection_is_answered_there(dispatcher):
    dispatcher.ready()
    dispatcher.request(A, client=b"c1", share=True)
    dispatcher.request(B, client=b"c2", share=True)
    dispatcher.request(B, client=b"c2-again", share=True)
    assert [client for client, _ in dispatcher.result(A, value=5)[0]] == [b"c1", b"c2-again"]


def test_the_order_of_arguments_does_not_matter(dispatcher):

    for request_id, args in ((A, {"a": 1, "b": 2}), (B, {"b": 2, "a": 1}), (C, {"a": 1, "b": 3})):
        dispatcher.core.request(dispatcher.now, b"c", Request(request_id, "nepse", "do", args, {"share": True}))
    assert len(dispatcher.core.tasks) == 2
