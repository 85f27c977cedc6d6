"""The programs for a supervisord of the machine, read by supervisord's own reader."""

import os
import sys

import pytest
from click.testing import CliRunner
from supervisor.options import ServerOptions

from hulak.bus.process import supervisor_rpc
from hulak.clients import supervisord
from hulak.clients.cli import cli

NAMES = ["plain", "my home", "50%off", "it's", "a;b", "a,b", "[a] *?", "नेपाल", "%(x)s"]
HOST = "[supervisord]\n[include]\nfiles=hulak.conf\n"


def read(folder, home, *words):
    """Write the programs of a home, and read them as a supervisord does that includes them."""
    result = CliRunner().invoke(cli, ["service", "programs", "--home", str(home), *words], prog_name="hulak")
    assert result.exit_code == 0, result.output
    (folder / "host.conf").write_text(HOST)
    (folder / "hulak.conf").write_text(result.stdout)
    options = ServerOptions()
    options.realize(["-n", "-c", str(folder / "host.conf")])
    return options, {program.name: program for group in options.process_group_configs for program in group.process_configs}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("HULAK_HOME", "HULAK_PYTHON", "HULAK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "umask", lambda _: 0)


@pytest.mark.parametrize("name", NAMES)
def test_supervisord_reads_the_programs_of_a_home_of_any_name(name, tmp_path):
    home = tmp_path / name
    for folder in ("run", "log"):
        (home / folder).mkdir(parents=True)
    options, programs = read(tmp_path, home, "--socket", "/run/host.sock")
    assert programs["broker"].command == f'"{sys.executable}" -P -m hulak.bus'
    assert programs["broker"].stderr_logfile == str(home / "log" / "broker.log")
    assert programs["nepse_03"].stdout_logfile == str(home / "log" / "nepse_03.out")
    assert programs["scaler"].environment["HULAK_HOME"] == str(home)
    assert programs["scaler"].environment["HULAK_SCALING__SUPERVISOR_SOCKET"] == "/run/host.sock"
    assert {program.umask for program in programs.values()} == {0o077}
    assert programs["broker"].directory == str(home)
    assert options.configroot.supervisord.server_configs == []
    assert "sim-venue" not in programs


def test_a_demo_has_the_simulators_and_the_user_is_that_of_the_option(tmp_path):
    (tmp_path / "log").mkdir()
    _, programs = read(tmp_path, tmp_path, "--demo", "--run-as", "nobody")
    assert programs["sim-venue"].autostart
    assert programs["feed"].autostart
    assert programs["broker"].uid == 65534
    assert programs["feed"].environment["HULAK_FEED__SOURCE"] == supervisord.SIMULATED


def test_what_supervisord_cannot_read_is_refused(tmp_path):
    for words in (("--home", f'{tmp_path}/a"b'), ("--socket", "relative.sock")):
        result = CliRunner().invoke(cli, ["service", "programs", *words], prog_name="hulak")
        assert result.exit_code == 78
        assert "supervisord cannot read" in result.stderr or "must be an absolute path" in result.stderr


def test_a_home_has_a_link_to_the_socket_of_the_machine_s_supervisord_and_loses_it_again(tmp_path):
    (tmp_path / "run").mkdir()
    assert supervisor_rpc.foreign_socket(tmp_path) is None
    for target in ("/run/a.sock", "/run/b.sock", "/run/b.sock"):
        supervisor_rpc.link_socket(tmp_path, tmp_path / target)
        assert supervisor_rpc.foreign_socket(tmp_path) == tmp_path / target
    supervisord.refuse_foreign(tmp_path)  # nothing runs there
    supervisor_rpc.link_socket(tmp_path, None)
    assert supervisor_rpc.foreign_socket(tmp_path) is None
