"""supervisord's settings under homes of any name, and a supervisord whose socket was cleared away."""

import contextlib
import os
import stat
import sys

import psutil
import pytest
from supervisor.options import ServerOptions
from waiting import eventually

from hulak.bus.process.load_settings import shipped
from hulak.clients import supervisord
from hulak.clients.supervisord import programs_pattern

EXTRA = "[program:feed-extra]\ncommand=true\nstderr_logfile=%%(ENV_HULAK_HOME)s/log/feed-extra.log\n"
NAMES = ["plain", "my home", "50%off", "100% real", "it's", 'qu"ote', "a;b", "a,b", "[a] *?", "\u0928\u0947", "a\u00a0b", "%(x)s"]


@pytest.mark.parametrize("name", NAMES)
def test_supervisord_reads_its_settings_and_the_operators_programs_whatever_the_home_is_called(name, tmp_path, monkeypatch):
    home = tmp_path / name
    for folder in ("run", "log", "programs"):
        (home / folder).mkdir(parents=True)
    (home / "programs" / "feed-extra.conf").write_text(EXTRA)
    variables = {**supervisord.switches(), **supervisord._places(home)}
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(os, "umask", lambda _: 0)
    options = ServerOptions()
    options.realize(["-n", "-c", str(shipped("supervisord.conf"))])
    programs = {program.name: program for group in options.process_group_configs for program in group.process_configs}
    assert programs["broker"].stderr_logfile == str(home / "log" / "broker.log")
    assert programs["nepse_03"].stdout_logfile == str(home / "log" / "nepse_03.out")
    assert programs["feed-extra"].stderr_logfile == str(home / "log" / "feed-extra.log")
    assert programs["broker"].command == f'"{sys.executable}" -P -m hulak.bus'
    assert options.pidfile == str(home / "run" / "supervisord.pid")


def test_the_programs_of_a_home_with_a_blank_are_those_of_no_other_home(tmp_path):
    for name in ("my home", "my_home", "my\u00e9home"):
        (tmp_path / name / "programs").mkdir(parents=True)
        (tmp_path / name / "programs" / "a.conf").touch()
    pattern = programs_pattern(tmp_path / "my home")
    assert len(pattern.split()) == 1
    assert [path.parent.parent.name for path in tmp_path.parent.glob(os.path.relpath(pattern, tmp_path.parent))] == ["my home"]


@pytest.fixture
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("h")


@pytest.fixture
def start(home, monkeypatch):
    """Start a supervisord of the programs in a text, and wait until it answers."""
    started = []

    def start(programs=""):
        settings = home / "supervisord.conf"
        settings.write_text(
            "[unix_http_server]\nfile=%(ENV_HULAK_HOME)s/run/supervisor.sock\n"
            "[supervisord]\npidfile=%(ENV_HULAK_HOME)s/run/supervisord.pid\nlogfile=%(ENV_HULAK_HOME)s/log/supervisord.log\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            + programs
        )
        monkeypatch.setattr(supervisord, "shipped", lambda _: settings)
        supervisor = supervisord.start(home, {}, detached=False)
        started.append(supervisor)
        eventually(lambda: supervisord.pid_of(home) == supervisor.process.pid, within_s=60)
        return supervisor

    yield start
    for supervisor in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor.process.resume()
        supervisor.stop(3)


@pytest.mark.system
def test_a_supervisord_whose_socket_was_cleared_away_is_found_and_stopped(home, start):
    supervisor = start()
    assert supervisord.unreached(home) == ""
    (home / "run" / "supervisor.sock").unlink()
    assert f"runs as process {supervisor.process.pid} and cannot be reached" in supervisord.unreached(home)
    with pytest.raises(supervisord.HulakError, match=f"as process {supervisor.process.pid}"):
        supervisord.refuse_running(home)
    assert stat.S_IMODE((home / "log" / "supervisord.log").stat().st_mode) == 0o600
    by_pid_file = supervisord.find(home)
    assert by_pid_file.stop(10)
    assert supervisord.find(home) is None


STUBBORN = """[program:stubborn]
command=sh -c "trap '' TERM; touch ready; while true; do sleep 0.1; done"
directory=%(ENV_HULAK_HOME)s
startsecs=0
stopwaitsecs=4
killasgroup=true
"""


def stubborn(home, start):
    supervisor = start(STUBBORN)
    eventually((home / "ready").exists, within_s=60)
    return supervisor


@pytest.mark.system
def test_a_stop_waits_until_supervisord_has_ended_the_last_process(home, start):
    supervisor, waited = stubborn(home, start), []
    assert supervisor.stop(on_wait=lambda waited_s, rest: waited.append((waited_s, len(rest))))
    assert waited[-1][0] > 3.5
    assert supervisor.exit_code() == 0


@pytest.mark.system
def test_a_stop_kills_what_remains_on_request_or_after_the_limit(home, start):
    supervisor = stubborn(home, start)
    assert not supervisor.stop(on_wait=lambda *_: True)
    (home / "ready").unlink()
    again = stubborn(home, start)
    assert not again.stop(0.1)
    assert supervisord.find(home) is None


@pytest.mark.system
def test_a_frozen_supervisord_is_not_waited_for(home, start, monkeypatch):
    monkeypatch.setattr(supervisord, "STUCK_S", 0.1)
    supervisor = start()
    supervisor.process.suspend()
    assert not supervisor.stop()
    assert not supervisor.runs


def test_the_limit_of_a_stop_is_the_time_that_supervisord_has_for_its_groups(home):
    assert supervisord.stop_limit_s(home) == 145.0
    (home / "programs").mkdir()
    (home / "programs" / "a.conf").write_text(
        "[program:a]\ncommand=true\nstopwaitsecs=7 ; short\n[program:b]\ncommand=true\n[program:c]\nstopwaitsecs=%(ENV_C)s\n"
        "[group:both]\nprograms=a, b\n"
    )
    (home / "programs" / "b.conf").write_text("no section")
    (home / "programs" / "c.conf").write_bytes(b"[program:\xff]\n")
    assert supervisord.stop_limit_s(home) == 145.0 + 10.0 + 10.0


def test_a_supervisord_is_marked_as_stopped_by_its_own_pid_only(home):
    (home / "run").mkdir()
    ours, other = (supervisord.Supervisor(psutil.Process(pid), home) for pid in (os.getpid(), os.getppid()))
    assert not ours.is_marked_stopped()
    ours.mark_stopped()
    assert (ours.is_marked_stopped(), other.is_marked_stopped()) == (True, False)


def test_a_pid_file_that_names_another_process_is_nobodys(home):
    (home / "run").mkdir()
    for text in (str(os.getpid()), "nonsense", str(psutil.pids()[-1] + 4_000_000)):
        (home / "run" / "supervisord.pid").write_text(text)
        assert supervisord.pid_of(home) is None
    assert supervisord.unreached(home) == ""
