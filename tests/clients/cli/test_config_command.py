"""`hulak config` without a broker: its words, its sentences, its help."""

import json

import pytest
from click.testing import CliRunner

from hulak.clients.cli.config import _split, change_text, config, outcome

OUTCOME = {"version": 7, "changed": True, "processes": 6, "applied": 6, "took_ms": 12.3, "late": []}
LATE = {"kind": "display", "name": "two", "pid": 42, "version": 6, "age_s": 4.04}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "version 7: applied by 6 of 6 in 12 ms"),
        ({"changed": False}, "version 7 (nothing changed): applied by 6 of 6 in 12 ms"),
        (
            {"applied": 5, "late": [LATE]},
            "version 7: applied by 5 of 6 in 12 ms; not yet by display two (pid 42, last report 4.0 s ago)",
        ),
    ],
)
def test_the_outcome_is_one_sentence(changes, text):
    assert outcome({**OUTCOME, **changes}) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (None, 1.5, "unset -> 1.5"),
        (True, None, "true -> unset"),
        (False, True, "false -> true"),
        ("all", "none", "all -> none"),
    ],
)
def test_a_change_is_printed_as_it_would_be_typed(before, after, text):
    assert change_text({"scope": "kind:nepse", "key": "k", "before": before, "after": after}) == f"kind:nepse k: {text}"


@pytest.mark.parametrize(
    ("words", "scope", "rest"),
    [
        (("kind:nepse", "a=1"), "kind:nepse", ("a=1",)),
        (("a=1", "b=kind:x"), "global", ("a=1", "b=kind:x")),
        (("global", "a=1"), "global", ("a=1",)),
        (("display:a=1",), "global", ("display:a=1",)),
        (("log_level",), "global", ("log_level",)),
        ((), "global", ()),
    ],
)
def test_the_scope_is_the_first_word_if_it_is_one(words, scope, rest):
    assert _split(words) == (scope, rest)


def run(*words):
    return CliRunner().invoke(config, list(words))


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("set", "kind:nepse", "rate_per_s=0"), 1, "rate_per_s is 0.0 (float), must be a number above 0, at most 100 (1/s)"),
        (("set", "rate_per_s=1"), 1, "key rate_per_s is set in scope global, must be in kind:nepse"),
        (("set", "kind:nepse", "rate=1"), 1, "key 'rate' is unknown; kind:nepse has log_level, rate_per_s, cache_s"),
        (("set", "kind:x", "a=1"), 1, "scope 'kind:x' is unknown"),
        (("get", "nepse"), 1, "scope 'nepse' is unknown; allowed are global, kind:nepse"),
        (("set", "kind:nepse"), 2, "KEY=VALUE is missing"),
        (("set", "kind:nepse", "rate_per_s"), 2, "'rate_per_s' is not KEY=VALUE"),
        (("unset", "kind:nepse"), 2, "KEY is missing"),
        (("set", "kind:nepse", "rate_per_s=1", "--wait", "-1"), 2, "Invalid value"),
        (("revert", "first"), 2, "Invalid value"),
    ],
)
def test_what_is_wrong_is_refused_without_a_broker(words, code, text):
    changes = run(*words)
    assert changes.exit_code == code
    assert text in changes.output


def test_a_refusal_is_json_where_it_is_asked_for():
    changes = run("set", "kind:nepse", "cache_s=-1", "--json")
    assert changes.exit_code == 1
    assert json.loads(changes.output)["error"]["code"] == "BAD_CONFIG"


@pytest.mark.parametrize("command", ["get", "set", "unset", "history", "diff", "revert"])
def test_every_command_has_an_example(command):
    assert f"hulak config {command}" in run(command, "--help").output
