"""`hulak gateway token`: tokens are made, listed and revoked in the home of the gateway."""

import json
import stat
import time

import pytest
from click.testing import CliRunner

from hulak.clients.cli import cli
from hulak.clients.gateway.tokens import Role, file_of, load


def run(home, *words, code=0):
    """Run a command; returns its standard output and standard error."""
    done = CliRunner().invoke(cli, ["gateway", "token", *words, "--home", str(home)])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def test_a_token_is_printed_once_listed_without_its_text_and_revoked(tmp_path):
    text, note = run(tmp_path, "new", "desk-1", "--role", "view")
    assert "every client of the page and its WebSockets needs a token" in note
    assert load(tmp_path).find(text.strip(), time.time()).role is Role.VIEW
    assert stat.S_IMODE(file_of(tmp_path).stat().st_mode) == 0o600
    made = json.loads(run(tmp_path, "new", "ops", "--role", "operate", "--expires", "2", "--json")[0])
    assert (made["name"], made["role"], made["state"]) == ("ops", "operate", "valid")
    listed, _ = run(tmp_path, "list")
    assert [line.split("\t")[:3] for line in listed.splitlines()[1:]] == [
        ["desk-1", "view", "valid"],
        ["ops", "operate", "valid"],
    ]
    assert text.strip() not in listed
    rows = json.loads(run(tmp_path, "list", "--json")[0])
    assert (rows["required"], [row["name"] for row in rows["tokens"]]) == (True, ["desk-1", "ops"])
    out, _ = run(tmp_path, "revoke", "desk-1")
    assert out == "revoked: desk-1\n"
    _, note = run(tmp_path, "revoke", "ops")
    assert "there is none with the role view or operate; required = false in" in note
    assert (load(tmp_path).by_name, load(tmp_path).required) == ({}, True)


def test_a_token_for_monitoring_requires_no_others(tmp_path):
    _, note = run(tmp_path, "new", "prometheus", "--role", "metrics")
    assert "needs a token" not in note
    assert "Tokens are not required" in run(tmp_path, "list")[1]


def test_without_a_file_the_list_is_empty_and_nothing_is_written(tmp_path):
    out, note = run(tmp_path, "list")
    assert out.splitlines() == ["name\trole\tstate\tcreated\texpires"]
    assert "Tokens are not required" in note
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["new", "desk"], 1, "there is a token desk already; revoke it first, or choose another name"),
        (["new", "../desk"], 2, "NAME is '../desk', must be a text like"),
        (["new", "x", "--role", "admin"], 2, "'admin' is not one of 'metrics', 'view', 'operate'"),
        (["new", "x", "--expires", "0"], 2, "0 is not in the range 1<=x<=36500"),
        (["revoke", "dsk"], 1, "there is no token 'dsk'; did you mean 'desk'?"),
        (["revoke", "desk", "lost"], 1, "there is no token 'lost'"),
    ],
)
def test_a_refused_command_changes_nothing(tmp_path, words, code, error):
    run(tmp_path, "new", "desk")
    before = file_of(tmp_path).read_bytes()
    _, shown = run(tmp_path, *words, code=code)
    assert error in shown
    assert file_of(tmp_path).read_bytes() == before


def test_a_malformed_file_is_an_invalid_setting(tmp_path):
    run(tmp_path, "new", "desk")
    file_of(tmp_path).write_text("required = 5")
    assert "cannot be read: Expected `bool`, got `int`" in run(tmp_path, "new", "x", code=78)[1]
