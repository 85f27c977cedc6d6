"""A process ends with its supervisor, also if that one died before the process had come so far as to ask for it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile

import pytest

CHILD = "from bus import daemon; daemon.end_with_supervisor(); print('goes on')"


@pytest.fixture
def address():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path has 107 bytes at most
        yield f"{folder}/supervisor.sock"


def run(address, **more):
    environment = {**os.environ, "SUPERVISOR_ENABLED": "1", "SUPERVISOR_SERVER_URL": f"unix://{address}", **more}
    return subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_whose_supervisor_lives_goes_on(address):
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.bind(address)
        supervisor.listen()
        assert run(address).stdout == "goes on\n"


def test_whose_supervisor_died_during_the_start_ends(address):
    assert run(address).returncode == -signal.SIGTERM  # its socket is gone
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.bind(address)
    assert run(address).returncode == -signal.SIGTERM  # the file is left, nobody listens: it was killed


def test_without_a_supervisor_nobody_is_looked_for(address):
    assert run(address, SUPERVISOR_SERVER_URL="http://127.0.0.1:9").stdout == "goes on\n"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR")}
    done = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "goes on\n"
