"""Arguments of requests: read from path, query and body, and refused by name."""

import re
from pathlib import Path

import pytest

from hulak.bus.core.control_requests import PostArguments, ScaleArguments, TaskIdArguments, TasksArguments, TopicRemoveArguments
from hulak.bus.errors import BusError, BusTimeout, TaskFailed
from hulak.clients.gateway.api.arguments import TicksQuery
from hulak.clients.gateway.api.events import resumed
from hulak.clients.gateway.api.problems import Problem, problem_of
from hulak.clients.gateway.api.request_reader import arguments_of, decode_body

TOPICS = ["tick.A", "tick.B", "tick.C"]
ROOT = Path(__file__).resolve().parents[4]
TASK = "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize(
    ("cls", "path", "query", "body", "args"),
    [
        (TasksArguments, {}, [("limit", "5"), ("state", "done")], {}, {"limit": 5, "state": "done"}),
        (TaskIdArguments, {"task": TASK}, [], {}, {"task": bytes.fromhex(TASK)}),
        (
            TopicRemoveArguments,
            {},
            [("topics", "tick.A,tick.B"), ("topics", "tick.C")],
            {},
            {"topics": TOPICS},
        ),
        (ScaleArguments, {"service": "nepse"}, [], {"workers": "auto"}, {"service": "nepse", "workers": "auto"}),
        (TicksQuery, {}, [("from", "7")], {}, {"from": 7}),
    ],
)
def test_arguments_are_read_from_their_places(cls, path, query, body, args):
    assert arguments_of(cls, path, query, body) == args


@pytest.mark.parametrize(
    ("cls", "path", "query", "body", "text"),
    [
        (TasksArguments, {}, [("limit", "many")], {}, "argument limit is 'many', must be a whole number from 1 to 1000"),
        (TasksArguments, {}, [("limit", "1"), ("limit", "2")], {}, "argument limit is there 2 times, must occur once"),
        (TasksArguments, {}, [("wrong", "1")], {}, "argument 'wrong' is unknown, must be state, service, before, limit"),
        (TaskIdArguments, {"task": "7"}, [], {}, "argument task: task '7' must be 32 hexadecimal digits"),
        (ScaleArguments, {"service": "a"}, [], {"service": "b", "workers": 1}, "argument service is there twice"),
        (PostArguments, {}, [], {"service": "hulak.stats"}, "argument service is 'hulak.stats', must be the name of a service"),
        (PostArguments, {}, [], {}, "argument service is missing"),
    ],
)
def test_other_arguments_are_refused_by_name(cls, path, query, body, text):
    with pytest.raises(Problem) as caught:
        arguments_of(cls, path, query, body)
    assert caught.value.status == 400
    assert caught.value.text.startswith(text)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b"{} {}",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"\xff",
        b'{"a": "\\ud800"}',
        b'{"a": 18446744073709551616}',
        b"[" * 200,
    ],
)
def test_a_body_that_is_no_object_of_64_bit_values_is_refused(body):
    with pytest.raises(Problem) as caught:
        decode_body(body)
    assert (caught.value.status, caught.value.code) == (400, "BAD_ARGUMENT")


def test_a_body_is_decoded_exactly():
    assert decode_body(b'{"a": 18446744073709551615, "b": -9223372036854775808}') == {"a": (1 << 64) - 1, "b": -(1 << 63)}
    assert decode_body(b" ") == {}


@pytest.mark.parametrize(
    ("error", "up", "status", "code"),
    [
        (BusError("UNKNOWN_TASK", "x"), True, 404, "UNKNOWN_TASK"),
        (BusError("OTHER_VERSION", "x"), True, 409, "OTHER_VERSION"),
        (BusError("BUSY", "x"), True, 503, "BUSY"),
        (BusError("NEW_CODE", "x"), True, 502, "NEW_CODE"),
        (BusTimeout("x"), True, 504, "TIMEOUT"),
        (BusTimeout("x"), False, 503, "NO_BROKER"),
        (TaskFailed("UNAUTHORIZED", "x"), True, 502, "UNAUTHORIZED"),
        (TaskFailed("BAD_ARGUMENT", "x"), True, 400, "BAD_ARGUMENT"),
    ],
)
def test_each_code_of_the_bus_has_its_status(error, up, status, code):
    problem = problem_of(error, broker_up=up)
    assert (problem.status, problem.code) == (status, code)
    assert problem.members()["title"] == problem.status.phrase
    assert ("Retry-After" in problem.headers) == (code == "BUSY")


def test_a_stream_of_one_topic_goes_on_at_the_next_number_others_at_the_time():
    assert resumed(("tick.EURUSD",), "7/41/1800000000000000999") == {"from_sequence": 42}
    assert resumed(("ticks",), "7/41/1800000000000000999") == {"from_sequence": 42}
    for topics in (("tick.",), ("tick.EUR*",), ("tick.A", "tick.B")):
        assert resumed(topics, "7/41/1800000000000000999")["since"].timestamp() == 1_800_000_000
    with pytest.raises(Problem) as caught:
        resumed(("ticks",), "41")
    assert "EPOCH/SEQUENCE/TIME_NS" in caught.value.text


def test_every_code_of_the_bus_that_blames_the_client_is_a_status_below_500():
    text = (ROOT / "bus" / "PROTOCOL.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| client \|", text, re.MULTILINE)
    codes = {code for names in rows for code in re.findall(r"[A-Z_]+", names)}
    assert {"UNKNOWN_ALERT", "UNKNOWN_TOPIC", "OTHER_VERSION"} <= codes
    assert {code for code in codes if problem_of(BusError(code, "x"), broker_up=True).status >= 500} == set()
