"""A process ends with its supervisor, even if the supervisor died before the process called prctl."""

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hulak.bus.__main__ import main
from hulak.bus.errors import AlreadyRuns, ConfigError, PartEnded
from hulak.bus.process import lifecycle

CHILD = "from hulak.bus.process import lifecycle; lifecycle.end_with_supervisor(); print('goes on')"


@pytest.fixture
def address():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path has 107 bytes at most
        yield f"{folder}/supervisor.sock"


def run(address, code=CHILD, **more):
    environment = {**os.environ, "SUPERVISOR_ENABLED": "1", "SUPERVISOR_SERVER_URL": f"unix://{address}", **more}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_a_process_with_a_living_supervisor_continues(address):
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.bind(address)
        supervisor.listen()
        assert run(address).stdout == "goes on\n"


def test_a_process_whose_supervisor_died_during_its_start_ends(address):
    assert run(address).returncode == -signal.SIGTERM  # its socket is gone
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.bind(address)
    assert run(address).returncode == -signal.SIGTERM  # the file exists without a listener: the supervisor was killed


def test_without_a_supervisor_none_is_searched_for(address):
    assert run(address, SUPERVISOR_SERVER_URL="http://127.0.0.1:9").stdout == "goes on\n"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR")}
    done = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "goes on\n"


RELOADED = """
import os, signal
from hulak.bus.process import lifecycle

lifecycle.end_with_supervisor()
calls = []
lifecycle.on_reload(lambda: calls.append("a"))
end = lifecycle.on_reload(lambda: calls.append("b"))
os.kill(os.getpid(), signal.SIGHUP)
end()
end()
os.kill(os.getpid(), signal.SIGHUP)
print(calls, [number.name for number in lifecycle.stop_signals()], oct(os.umask(0)))
"""


def test_under_a_supervisor_sighup_reloads_and_files_are_closed_to_others(address):
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.bind(address)
        supervisor.listen()
        done = run(address, code=RELOADED)
    assert done.stdout == "['a', 'b', 'a'] ['SIGTERM', 'SIGINT'] 0o77\n", done.stderr


def test_a_home_with_a_link_to_a_folder_that_is_gone_gets_a_folder(tmp_path):
    (tmp_path / "run").symlink_to(tmp_path / "gone")
    lifecycle.make_home(tmp_path)
    assert not (tmp_path / "run").is_symlink()
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


@pytest.fixture
def lock(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "broker.lock"


def test_a_lock_is_held_by_one_process_and_names_it(lock):
    with lifecycle.only_one(lock, "a broker"):
        assert lock.read_text() == str(os.getpid())
        with pytest.raises(AlreadyRuns, match=f"a broker already runs on home {lock.parent.parent}, as process {os.getpid()}"):
            lifecycle.only_one(lock, "a broker").__enter__()
    assert lock.read_text() == ""
    with lifecycle.only_one(lock, "a broker"):
        pass


def test_a_lock_that_cannot_be_made_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ConfigError, match=r"broker\.lock cannot be made: .*Not a directory"):
        lifecycle.only_one(tmp_path / "run" / "broker.lock", "a broker").__enter__()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
def test_an_existing_lock_needs_no_space_and_no_writable_disk(lock, monkeypatch, error):
    lock.write_text("")
    real = Path.open

    def refuse(fd, *args):
        raise OSError(error, os.strerror(error))

    def opened(path, mode="r", **kwargs):
        if error == errno.EROFS and mode != "r":
            refuse(path)
        return real(path, mode, **kwargs)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(os, "pwrite", refuse)
    monkeypatch.setattr(os, "ftruncate", refuse)
    with lifecycle.only_one(lock, "a broker"), pytest.raises(AlreadyRuns, match="as process unknown"):
        lifecycle.only_one(lock, "a broker").__enter__()


@pytest.mark.parametrize(("mode", "after"), [(0o755, 0o700), (0o777, 0o700), (0o700, 0o700), (0o1777, 0o1777)])
def test_an_existing_home_is_closed_to_other_users_unless_it_is_sticky(tmp_path, mode, after):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    lifecycle.make_home(home)
    assert stat.S_IMODE(home.stat().st_mode) == after
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in ("run", "log")} == {0o700}


def test_a_process_with_a_failed_part_exits_with_70_and_the_reason(tmp_path, monkeypatch, capsys):
    def ends(self):
        raise PartEnded("the store's thread ended: TypeError")

    monkeypatch.setattr("hulak.bus.broker.loop.Broker.__init__", lambda self, *_: None)
    monkeypatch.setattr("hulak.bus.broker.loop.Broker.run", ends)
    monkeypatch.setattr("hulak.bus.process.lifecycle.Stop", lambda: None)
    with ThreadPoolExecutor(1) as own:  # a broker changes the scheduling policy of its thread
        assert own.submit(main, tmp_path).result() == 70
    assert "the store's thread ended: TypeError" in capsys.readouterr().err


LEAVES = """
import atexit, time
from concurrent.futures import ThreadPoolExecutor
from hulak.bus.process.lifecycle import exit_within

ThreadPoolExecutor(1).submit(time.sleep, 600)
atexit.register(time.sleep, 600)
exit_within(0.1, 7)
"""


def test_a_process_ends_whatever_others_have_left_running_in_it():
    done = subprocess.run([sys.executable, "-c", LEAVES], timeout=30, check=False)
    assert done.returncode == 7


def test_a_process_is_running_until_it_has_ended_and_no_other_number_is_one():
    with subprocess.Popen(["sleep", "60"]) as process:
        assert lifecycle.is_running(process.pid)
        process.kill()
        process.wait(10)
        assert not lifecycle.is_running(process.pid)
    assert lifecycle.is_running(os.getpid())
    assert lifecycle.is_running(1)  # of root
    assert not any(map(lifecycle.is_running, (0, -1, -os.getpid(), 1 << 31, 1 << 80)))
