"""The error of each observed failure: a table of responses and codes."""

import pytest
import requests
from urllib3.exceptions import ReadTimeoutError

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse.faults import HttpRequest, HttpResponse, fault_of, parse, parse_object, retry_after_s
from hulak.workers.nepse.http import fault_of_error

ASKED = HttpRequest("GET", "/api/nots/nepse-index", "secret-token")
HTML = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/json"}
DATE = "Wed, 22 Apr 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("status", "headers", "body", "code", "retryable", "wait_s"),
    [
        (401, JSON, b'{"status":401}', "UNAUTHORIZED", False, None),
        (401, HTML, b"<h1>UNAUTHORIZED ACCESS</h1>", "UNAUTHORIZED", False, None),
        (500, JSON, b'{"message":"invalid jwe header"}', "UNAUTHORIZED", False, None),
        (403, HTML, b"<html><h1>403 Forbidden</h1>nginx</html>", "BLOCKED", False, None),
        (403, HTML | {"retry-after": "5"}, b"", "BLOCKED", False, None),
        (429, JSON, b"", "RATE_LIMITED", True, None),
        (429, JSON | {"retry-after": "12"}, b"", "RATE_LIMITED", True, 12.0),
        (429, JSON | {"date": DATE, "retry-after": "Wed, 22 Apr 2026 10:00:30 GMT"}, b"", "RATE_LIMITED", True, 30.0),
        (500, JSON, b"{}", "UPSTREAM", True, None),
        (502, HTML, b"<html>", "UPSTREAM", True, None),
        (503, HTML | {"retry-after": "60"}, b"<html>", "UPSTREAM", True, 60.0),
        (504, HTML, b"", "UPSTREAM", True, None),
        (408, HTML, b"", "UPSTREAM", True, None),
        (500, {"content-type": "text/plain"}, b"Searched Date is not valid.", "NO_SUCH_DAY", False, None),
        (200, {"content-type": "text/plain"}, b"Searched Date is not valid.", "NO_SUCH_DAY", False, None),
        (404, JSON, b"{}", "NOT_FOUND", False, None),
        (405, JSON, b"{}", "REFUSED", False, None),
        (302, {"location": "https://elsewhere.example/"}, b"", "REFUSED", False, None),
        (200, JSON, b"", "EMPTY", True, None),
        (200, {}, b" \r\n", "EMPTY", True, None),
        (200, HTML, b"<html>secret-token</html>", "NOT_JSON", True, None),
        (200, JSON, b'{"cut off', "NOT_JSON", True, None),
        (200, JSON, b"\xff\xfe\xfd", "NOT_JSON", True, None),
        (200, JSON, b"[" * 100_000, "NOT_JSON", True, None),
    ],
)
def test_every_failed_response_has_a_code_and_is_retryable_or_not(status, headers, body, code, retryable, wait_s):
    with pytest.raises(TaskFailed) as caught:
        parse(ASKED, HttpResponse(status, headers, body))
    error = caught.value
    assert (error.code, error.retryable, error.retry_after_s) == (code, retryable, wait_s)
    assert error.details == {"status": status}
    assert f"HTTP {status}" in str(error)
    assert "/api/nots/nepse-index" in str(error)
    assert "secret-token" not in str(error)


def test_a_successful_response_is_its_json_value_without_a_fault():
    answer = HttpResponse(200, JSON, b'[{"id": 131}]')
    assert fault_of(ASKED, answer) is None
    assert parse(ASKED, answer) == [{"id": 131}]


def test_a_list_instead_of_an_object_is_a_bad_answer():
    with pytest.raises(TaskFailed, match="JSON list") as caught:
        parse_object(ASKED, HttpResponse(200, JSON, b"[]"))
    assert caught.value.code == "BAD_ANSWER"
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "9" * 5000}, 86_400.0),
        ({"retry-after": DATE}, None),
        ({"retry-after": DATE, "date": "Wed, 22 Apr 2026 10:00:05 GMT"}, 0.0),
        ({"retry-after": "Wed, 22 Apr 2099 10:00:00 GMT", "date": DATE}, 86_400.0),
        ({"retry-after": "Wed, 99 Apr 2026 10:00:00 GMT", "date": DATE}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_against_the_servers_own(headers, wait_s):
    assert retry_after_s(headers) == wait_s


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (requests.exceptions.SSLError("unable to get local issuer certificate"), "TLS", False),
        (requests.ConnectTimeout("secret-token"), "TIMEOUT", True),
        (requests.ReadTimeout("secret-token"), "TIMEOUT", True),
        (requests.ConnectionError(ReadTimeoutError(None, "/", "Read timed out.")), "TIMEOUT", True),
        (requests.ConnectionError("Connection reset by peer"), "NETWORK", True),
        (requests.exceptions.ChunkedEncodingError("cut off"), "NETWORK", True),
        (requests.exceptions.ContentDecodingError("bad gzip"), "NETWORK", True),
    ],
)
def test_a_missing_response_is_a_tls_timeout_or_network_error(error, code, retryable):
    fault = fault_of_error(ASKED, error)
    assert (fault.code, fault.retryable) == (code, retryable)
    assert "secret-token" not in str(fault)


@pytest.mark.parametrize(
    ("status", "headers", "body", "wanted"),
    [
        (429, {}, b"", 5.0),
        (429, {"retry-after": "7"}, b"", 7.0),
        (503, {"retry-after": "9"}, b"", 9.0),
        (503, {}, b"", None),
        (403, {}, b'{"status":403}', None),
        (401, {}, b"", None),
    ],
)
def test_a_refusal_that_concerns_all_workers_pauses_the_service(status, headers, body, wanted):
    fault = fault_of(HttpRequest("GET", "/x"), HttpResponse(status, headers, body))
    assert fault.cool_down_s == wanted
