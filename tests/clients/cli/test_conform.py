"""`hulak conform`: rules and verdicts as tables and as JSON, and exit codes."""

import json
import sys

import pytest
from click.testing import CliRunner

from hulak.clients.cli.conform import conform


def run(*words):
    return CliRunner().invoke(conform, [str(word) for word in words])


@pytest.mark.parametrize("kind", ["subscriber", "feed", "client", "worker"])
def test_the_list_of_rules_has_their_sections(kind):
    done = run(kind, "--list", "--json")
    rules = json.loads(done.stdout)["rules"]
    assert done.exit_code == 0
    assert len(rules) >= 7
    assert all(rule["section"][0].isdigit() and rule["text"].endswith(".") for rule in rules)


def test_a_verdict_names_rule_section_and_what_was_found():
    done = run("client", "--rule", "reply", "--json", "--", sys.executable, "-c", "print('reply 3')")
    value = json.loads(done.stdout)
    assert (done.exit_code, value["passed"], value["failed"]) == (1, 0, 1)
    (row,) = value["rules"]
    assert (row["rule"], row["section"], row["verdict"]) == ("reply", "4.1", "failed")
    assert row["found"] == "printed were 'reply 3', must be 'reply 2; reply 4; reply 6'"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["client"], 2, "there is no command to judge; give it behind --"),
        (["client", "--rule", "other", "--", "true"], 2, "rule 'other' is unknown, must be one of reply, unique-ids"),
        (["client", "--rule", "reply", "--", "/nowhere/program"], 78, "the program '/nowhere/program' cannot be started"),
    ],
)
def test_a_command_that_cannot_be_judged_is_refused_by_name(words, code, text):
    done = run(*words)
    assert done.exit_code == code
    assert text in done.output
