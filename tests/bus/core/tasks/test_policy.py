"""Options of requests, and decisions about failed attempts."""

import math

import pytest

from hulak.bus.backoff import Backoff
from hulak.bus.core.tasks.policy import Policy, read_options, retry_delay_s
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.failures import Failure
from hulak.bus.wire.messages import Request

POLICY = Policy(timeout_s=60.0, retries=3, max_timeout_s=3600.0, max_retries=20)
BACKOFF = Backoff(0.5, 60.0, lambda: 0.5)


def failure(*, retryable=True, retry_after_s=None):
    return Failure("NO", "it failed", retryable, retry_after_s, {})


def read(**options):
    return read_options(Request(bytes(16), "nepse", "do", {}, options), POLICY)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, (60.0, 3)),
        ({"timeout_ms": 1}, (0.001, 3)),
        ({"timeout_ms": 2500.5, "retries": 0}, (2.5005, 0)),
        ({"timeout_ms": 3_600_000, "retries": 20}, (3600.0, 20)),
    ],
)
def test_options_are_read_with_the_policys_defaults(options, wanted):
    assert read(**options) == wanted


@pytest.mark.parametrize("timeout_ms", [0, -1, 3_600_001, "5", None, True, math.nan, math.inf, [1]])
def test_a_timeout_out_of_range_is_refused_with_value_and_range(timeout_ms):
    with pytest.raises(ProtocolError, match=r"timeout_ms is .*, must be 1 to 3600000") as caught:
        read(timeout_ms=timeout_ms)
    assert caught.value.code == "BAD_OPTION"


@pytest.mark.parametrize("retries", [-1, 21, 1.0, "1", None, True])
def test_retries_out_of_range_are_refused_with_value_and_range(retries):
    with pytest.raises(ProtocolError, match=r"retries is .*, must be 0 to 20") as caught:
        read(retries=retries)
    assert caught.value.code == "BAD_OPTION"


def test_an_unknown_option_is_refused_by_its_name():
    with pytest.raises(ProtocolError, match="option 'retry' is unknown, must be timeout_ms, retries, share, priority"):
        read(retry=1)


def test_a_failure_is_parsed_as_its_worker_sent_it():
    value = {"code": "BLOCKED", "text": "429", "retryable": True, "retry_after_ms": 1500, "details": {"status": 429}}
    assert Failure.of(value) == Failure("BLOCKED", "429", True, 1.5, {"status": 429})


@pytest.mark.parametrize("value", [None, 7, "no", [], {}, {"details": [1]}, {"retryable": 1}, {"retry_after_ms": "5"}])
def test_missing_fields_make_a_failure_final(value):
    failure = Failure.of(value)
    assert (failure.code, failure.retryable, failure.retry_after_s, failure.details) == ("FAILED", False, None, {})
    assert failure.text == "the worker gave no reason"


@pytest.mark.parametrize("after_ms", [-1, True, 1.5, None])
def test_an_invalid_wait_is_ignored(after_ms):
    assert Failure.of({"retry_after_ms": after_ms}).retry_after_s is None


def test_the_text_of_a_failure_is_bounded():
    wide = {"code": "C" * 101, "text": "t" * 10_001, "retryable": True, "retry_after_ms": 10**16, "cool_down_ms": 10**16}
    failure = Failure.of({**wide, "details": {"page": "x" * 70_000}})
    assert (len(failure.code), len(failure.text)) == (100, 10_000)
    assert (failure.retry_after_s, failure.cool_down_s) == (86400, 3600)
    assert failure.details == {"left_out": "70011 bytes of details, 65536 are kept at most"}


@pytest.mark.parametrize("odd", [7, b"x", [1], {"a": 1}, float("nan"), 1 << 63])
def test_a_code_or_text_of_another_type_is_shown_in_few_characters(odd):
    failure = Failure.of({"code": odd, "text": odd})
    assert failure.code == failure.text != ""
    assert len(failure.code) <= 60


def test_only_details_with_text_keys_are_kept_since_no_other_can_be_sent():
    assert Failure.of({"details": {"a": 1, 2: 3, b"c": 4}}).details == {"a": 1}


@pytest.mark.parametrize(
    ("attempt", "retries", "wanted"), [(1, 3, 0.25), (2, 3, 0.5), (3, 3, 1.0), (4, 3, None), (1, 0, None), (9, 20, 30.0)]
)
def test_a_retryable_failure_is_tried_again_as_often_as_its_caller_allows(attempt, retries, wanted):
    assert retry_delay_s(failure(), attempt, retries, BACKOFF) == wanted


def test_a_final_failure_is_not_tried_again():
    assert retry_delay_s(failure(retryable=False), 1, 3, BACKOFF) is None


def test_the_delay_is_at_least_what_the_upstream_asked_for():
    assert retry_delay_s(failure(retry_after_s=7.0), 1, 3, BACKOFF) == 7.0
    assert retry_delay_s(failure(retry_after_s=0.1), 1, 3, BACKOFF) == 0.25
