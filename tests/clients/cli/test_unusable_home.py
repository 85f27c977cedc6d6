"""A home folder that cannot be used is one sentence and an exit code for every command, never a traceback."""

import json

import pytest
from click.testing import CliRunner

from hulak.clients.cli import cli
from hulak.clients.cli.command import BAD_SETTING, NO_ANSWER

NEED_IT = [
    ["up", "--detach"],
    ["worker", "nepse"],
    ["worker", "display"],
    ["journal", "ls"],
    ["journal", "verify"],
    ["journal", "export"],
]
NEED_A_BROKER = [["status"], ["stats"], ["config", "get"], ["topics", "ls"], ["replay", "ticks"]]  # found by TCP too


@pytest.fixture(params=["a file", "a loop of links", "a name that is too long"])
def home(request, tmp_path):
    if request.param == "a file":
        (tmp_path / "file").write_text("")
        return tmp_path / "file" / "home"
    if request.param == "a loop of links":
        (tmp_path / "loop").symlink_to("loop")
        return tmp_path / "loop" / "home"
    return tmp_path / ("x" * 300)


def run(home, *words):
    names = ("FRONTEND", "PUBLISHER", "BACKEND", "COLLECTOR")
    variables = {f"HULAK_BROKER__{name}": f"tcp://127.0.0.1:{port}" for port, name in enumerate(names, 1)}
    done = CliRunner().invoke(cli, [*words, "--home", str(home)], env=variables)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.mark.parametrize("words", NEED_IT, ids=" ".join)
def test_a_command_that_needs_it_names_it(home, words):
    done = run(home, *words)
    assert (done.exit_code, len(done.stderr.splitlines())) == (BAD_SETTING, 1), done.stderr
    assert done.stderr.startswith("hulak: ")
    assert str(home) in done.stderr
    done = run(home, *words, "--json")
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (BAD_SETTING, "CONFIG")


@pytest.mark.parametrize("words", NEED_A_BROKER, ids=" ".join)
def test_a_command_that_needs_a_broker_searches_for_it(home, words):
    done = run(home, *words, "--timeout", "0.1")
    assert done.exit_code in (NO_ANSWER, BAD_SETTING)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("hulak: ")


def test_the_plugin_for_monitoring_has_its_own_codes(home):
    done = run(home, "check", "--timeout", "0.1")
    assert done.exit_code in (2, 3)
    assert done.stdout.startswith(("HULAK CRITICAL - no broker answers", "HULAK UNKNOWN - "))
    assert len(done.stdout.splitlines()) == 1
