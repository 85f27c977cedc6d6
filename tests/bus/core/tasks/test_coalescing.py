"""Equal reads under way at one time: done once, answered to all; with plain numbers for time."""

import pytest
from dispatcher_fixture import A, B, Desk

from bus.wire.messages import Error, Part, Reply, Request, TaskPart

C = bytes(15) + b"c"


@pytest.fixture
def desk():
    return Desk()


def test_equal_reads_are_one_task_whose_answer_and_parts_go_to_all_under_their_own_ids(desk):
    desk.ready()
    assert len(desk.request(A, client=b"c1", share=True)[1]) == 1
    assert desk.request(B, client=b"c2", share=True) == ([], [], [])
    assert desk.request(C, client=b"c3", share=True) == ([], [], [])
    parts = desk.sort(desk.core.part(desk.now, b"w1", TaskPart(A, 1, 1, "x")))[0]
    assert parts == [(b"c1", Part(A, 1, "x")), (b"c2", Part(B, 1, "x")), (b"c3", Part(C, 1, "x"))]
    assert desk.result(A, value=5)[0] == [(b"c1", Reply(A, 5)), (b"c2", Reply(B, 5)), (b"c3", Reply(C, 5))]
    assert desk.core.counters["shared"] == 2
    assert desk.core.tasks == {}


def test_a_read_that_comes_after_the_answer_is_done_anew(desk):
    desk.ready()
    desk.request(A, share=True)
    desk.result(A, value=5)
    assert len(desk.request(B, share=True)[1]) == 1


@pytest.mark.parametrize("options", [{"service": "other"}, {}])
def test_what_is_not_equal_or_does_not_allow_it_is_not_joined(desk, options):
    desk.request(A, share=True)
    share = {} if not options else {"share": True}
    desk.request(B, **options, **share)
    assert len(desk.core.tasks) == 2


def test_a_failure_is_told_to_all(desk):
    desk.ready()
    desk.request(A, client=b"c1", share=True)
    desk.request(B, client=b"c2", share=True)
    told = desk.result(A, value={"code": "BLOCKED", "text": "403"}, done=False)[0]
    assert [(client, type(message), message.id, message.code) for client, message in told] == [
        (b"c1", Error, A, "BLOCKED"),
        (b"c2", Error, B, "BLOCKED"),
    ]


def test_it_goes_on_for_as_long_as_the_last_one_waits(desk):
    desk.request(A, client=b"c1", share=True, timeout_ms=1000)
    desk.request(B, client=b"c2", share=True, timeout_ms=5000)
    assert desk.pass_time(4.0)[0] == []
    assert [client for client, _ in desk.pass_time(2.0)[0]] == [b"c1", b"c2"]


def test_a_follower_that_comes_again_on_a_new_connection_is_answered_there(desk):
    desk.ready()
    desk.request(A, client=b"c1", share=True)
    desk.request(B, client=b"c2", share=True)
    desk.request(B, client=b"c2-again", share=True)
    assert [client for client, _ in desk.result(A, value=5)[0]] == [b"c1", b"c2-again"]


def test_the_order_of_arguments_does_not_matter(desk):

    for request_id, args in ((A, {"a": 1, "b": 2}), (B, {"b": 2, "a": 1}), (C, {"a": 1, "b": 3})):
        desk.core.request(desk.now, b"c", Request(request_id, "nepse", "do", args, {"share": True}))
    assert len(desk.core.tasks) == 2
