"""The simulated exchange's log, its limit, and its faults, without a socket."""

import pytest

from hulak.sim.nepse.fault_injection import EXPIRED, FAULTS, FaultInjection
from hulak.sim.nepse.request_log import Visit, Visits, by_visitor, most_in_a_second

ONE, OTHER, THIRD = ("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.1", 3)


def test_requests_with_one_token_or_over_one_connection_are_one_visitors():
    log = [
        Visit(0.0, ONE, "", "/prove"),
        Visit(1.0, ONE, "a", "/x"),
        Visit(2.0, OTHER, "", "/prove"),
        Visit(3.0, THIRD, "a", "/x"),  # its connection was lost
        Visit(4.0, OTHER, "b", "/x"),
    ]
    assert sorted(by_visitor(log)) == [[0.0, 1.0, 3.0], [2.0, 4.0]]


def test_two_that_turn_out_to_be_one_are_joined():
    log = [Visit(0.0, ONE, "a", "/"), Visit(1.0, OTHER, "b", "/"), Visit(2.0, OTHER, "a", "/"), Visit(3.0, ONE, "b", "/")]
    assert by_visitor(log) == [[0.0, 1.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    ("times", "most"), [([], 0), ([5.0], 1), ([0.0, 0.5, 1.0], 2), ([0.0, 0.5, 0.999], 3), ([0.9, 1.0, 1.1, 9.0], 3)]
)
def test_the_fullest_second_is_found_wherever_it_begins(times, most):
    assert most_in_a_second(times) == most


def test_a_visitor_that_comes_too_often_is_refused_and_others_are_not():
    visits = Visits(limit=2)
    assert [visits.enter(Visit(at, ONE, "a", "/")) for at in (0.0, 0.5)] == [None, None]
    refusal = visits.enter(Visit(0.9, ONE, "", "/"))
    assert (refusal.status, refusal.headers) == (429, {"Retry-After": "1"})
    assert visits.enter(Visit(0.9, OTHER, "a", "/")).status == 429, "the same session over another connection"
    assert visits.enter(Visit(0.9, THIRD, "b", "/")) is None
    assert visits.enter(Visit(2.0, ONE, "a", "/")) is None
    assert len(visits.log) == 6


def test_faults_of_every_kind_have_the_set_rate_and_repeat_with_the_same_seed():
    ended = []
    drawn = [FaultInjection(0.25, (), 3, lambda: ended.append(1)) for _ in range(2)]
    first, second = ([injection.draw() for _ in range(4000)] for injection in drawn)
    assert first == second
    happened = [reply for reply in first if reply is not None]
    assert {id(reply) for reply in happened} == {id(reply) for reply in FAULTS.values()}
    assert 0.2 < (len(happened) + len(ended) / 2) / 4000 < 0.3


def test_only_wanted_kinds_happen_and_unknown_ones_are_refused():
    ended = []
    expiring = FaultInjection(1.0, (EXPIRED,), 1, lambda: ended.append(1))
    assert [expiring.draw() for _ in range(3)] == [None] * 3
    assert len(ended) == 3
    assert FaultInjection(0.0, (), 1, ended.clear).draw() is None
    with pytest.raises(ValueError, match="earthquake"):
        FaultInjection(0.5, ("earthquake",), 1, ended.clear)
