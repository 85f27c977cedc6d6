"""`hulak check`: every failure is an exit code of monitoring plugins."""

import json

import pytest
from click.testing import CliRunner

from hulak.clients.cli import cli, health


@pytest.mark.parametrize(
    ("words", "code", "start"),
    [
        ([], 2, "HULAK CRITICAL - no broker answers at tcp://127.0.0.1:1 "),
        (["--warn", "tics=3"], 3, "HULAK UNKNOWN - "),
        (["--warn", "queue=much"], 3, "HULAK UNKNOWN - "),
        (["--warn", "queue=9", "--critical", "queue=3"], 3, "HULAK UNKNOWN - --warn queue=9 is above"),
        (["--nonsense"], 3, "HULAK UNKNOWN - "),
        (["--config", "/is/not/there"], 3, "HULAK UNKNOWN - settings file /is/not/there not found"),
    ],
)
def test_every_failure_has_an_exit_code_of_monitoring_plugins(tmp_path, words, code, start):
    variables = {"HULAK_HOME": str(tmp_path), "HULAK_BROKER__FRONTEND": "tcp://127.0.0.1:1", "HULAK_SECURITY__LOOPBACK": "open"}
    done = CliRunner().invoke(cli, ["check", "--timeout", "0.1", *words], env=variables)
    assert (done.exit_code, len(done.stdout.splitlines())) == (code, 1)
    assert done.stdout.startswith(start)
    as_json = CliRunner().invoke(cli, ["check", "--timeout", "0.1", "--json", *words], env=variables)
    assert as_json.exit_code == code
    assert json.loads(as_json.stdout)


def test_a_broker_that_is_gone_is_reported_as_soon_as_one_that_is_frozen(tmp_path):
    variables = {"HULAK_HOME": str(tmp_path), "HULAK_BROKER__FRONTEND": "tcp://127.0.0.1:1", "HULAK_SECURITY__LOOPBACK": "open"}
    done = CliRunner().invoke(cli, ["check"], env=variables)
    assert f"no broker answers at tcp://127.0.0.1:1 within {health.REPLY_S:g} s" in done.stdout
