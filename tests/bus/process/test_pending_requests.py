"""Matching of answers, expiry and repetition of requests; time is a number."""

import math

import pytest

from hulak.bus.process.pending_requests import PendingRequest, PendingRequests
from hulak.bus.wire.messages import Error, Part, Reply, Request

SILENCE_S = 5.0


def number(value):
    return value.to_bytes(16, "big")


def begin(table, id_, now=100.0, *, timeout_s=math.inf, send_due=math.inf, once=False):
    request = PendingRequest(Request(number(id_), "hulak.stats", ""), id_, now + timeout_s, once)
    table.begin(request, now, send_due)
    return request


@pytest.fixture
def table():
    return PendingRequests(SILENCE_S)


def test_answers_match_their_requests_and_all_but_parts_end_them(table):
    first, second = begin(table, 1), begin(table, 2)
    assert table.match(Part(number(2), 1, "some")) is second
    assert table.match(Reply(number(2), "all")) is second
    assert table.match(Error(number(1), "BUSY", "x")) is first
    assert (len(table), table.strays) == (0, 0)


@pytest.mark.parametrize("answer", [Part(number(1), 1, 0), Reply(number(1), 0), Error(number(1), "BUSY", "x")])
def test_late_foreign_and_duplicate_answers_are_counted_and_end_nothing(table, answer):
    request, other = begin(table, 1), begin(table, 2)
    table.forget(request)
    assert table.match(answer) is None
    assert table.match(answer) is None
    assert (table.strays, list(table.under_way.values())) == (2, [other])


def test_an_error_without_an_id_answers_no_request_and_is_no_stray(table):
    begin(table, 1)
    assert table.match(Error(None, "BAD_BODY", "x")) is None
    assert (len(table), table.strays) == (1, 0)


def test_a_request_expires_after_its_time_and_others_continue(table):
    late, soon, never = begin(table, 1, timeout_s=2.0), begin(table, 2, timeout_s=0.1), begin(table, 3)
    table.received(200.0)
    assert table.next_due() == 100.1
    assert list(table.expire(100.0)) == []
    assert list(table.expire(102.5)) == [soon, late]
    assert list(table.under_way.values()) == [never]
    assert table.match(Reply(soon.id, 0)) is None


def test_a_request_with_an_earlier_deadline_than_those_before_it_expires_in_time(table):
    begin(table, 1, timeout_s=0.5)
    assert list(table.expire(100.4)) == []
    begin(table, 2, timeout_s=10.0)
    assert [expired.about for expired in table.expire(100.5)] == [1]
    third = begin(table, 3, now=100.6, timeout_s=0.01)
    assert table.next_due() == third.due
    assert [expired.about for expired in table.expire(third.due)] == [3]


def test_a_request_without_a_connection_is_sent_at_its_time_and_once(table):
    request = begin(table, 1, send_due=100.02)
    assert (table.to_send(100.01), table.next_due()) == ([], 100.02)
    assert table.to_send(100.02) == [request]
    table.send_at(request, 100.04)  # there was no connection still
    assert table.to_send(100.03) == []
    table.send_at(request, math.inf)  # it was sent
    assert (table.to_send(101.0), table.next_due()) == ([], 100.0 + SILENCE_S)


@pytest.mark.parametrize(
    "end",
    [
        lambda table, request: table.forget(request),
        lambda table, request: table.match(Reply(request.id, 0)),
        lambda table, request: list(table.expire(200.0)),
    ],
)
def test_an_ended_request_is_not_sent(table, end):
    end(table, begin(table, 1, timeout_s=1.0, send_due=100.02))
    assert (table.to_send(300.0), table.next_due()) == ([], math.inf)


def test_after_each_silence_of_the_connection_all_requests_are_sent_again(table):
    requests = [begin(table, 1), begin(table, 2, now=103.0)]
    assert table.to_send(104.9) == []
    for now in (105.0, 110.0):
        assert table.next_due() == now
        assert table.to_send(now) == requests
        for request in requests:
            table.send_at(request, math.inf)
        assert table.to_send(now + 4.9) == []


def test_any_message_delays_that_all_requests_are_sent_again(table):
    begin(table, 1)
    table.received(104.0)
    assert (table.to_send(108.9), table.next_due()) == ([], 109.0)
    assert len(table.to_send(109.0)) == 1


def test_the_silence_before_the_first_request_does_not_count(table):
    table.forget(begin(table, 1))
    begin(table, 2, now=1000.0)
    assert (table.to_send(1004.9), table.next_due()) == ([], 1005.0)


def test_without_a_limit_no_silence_sends_requests_again():
    table = PendingRequests()
    begin(table, 1)
    assert (table.to_send(1e9), table.next_due()) == ([], math.inf)


def test_after_a_reconnection_all_requests_are_sent_in_the_order_of_their_beginning(table):
    requests = [begin(table, 3), begin(table, 1, send_due=110.0), begin(table, 2)]
    table.send_all(101.0)
    assert table.to_send(101.0) == requests


def test_a_request_that_is_sent_once_is_not_sent_again_after_a_silence_or_a_reconnection(table):
    begin(table, 1, once=True)
    assert table.to_send(100.0 + SILENCE_S) == []
    table.send_all(200.0)
    assert (table.to_send(200.0), len(table)) == ([], 1)


def test_after_renewal_an_answer_to_the_former_id_is_a_stray(table):
    first, second = begin(table, 1, send_due=100.0), begin(table, 2, send_due=100.0)
    for request, id_ in zip(table.to_send(100.0), (11, 12), strict=True):
        table.renew(request, number(id_))
        table.send_at(request, math.inf)
    assert (first.id, second.id, first.request.service) == (number(11), number(12), "hulak.stats")
    assert table.match(Part(number(1), 1, 0)) is None
    assert table.match(Reply(number(1), 0)) is None
    assert table.match(Reply(number(12), 0)) is second
    assert (table.strays, list(table.under_way.values()), table.to_send(101.0)) == (2, [first], [])
