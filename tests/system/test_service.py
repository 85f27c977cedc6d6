"""`hulak up` as a service: notifications, reload, a start that takes long; and Hulak under a supervisord of the machine."""

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import threading

import psutil
import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.bus.process import supervisor_rpc

STANDS_S = 90  # on a busy machine; a few seconds on an idle one
ENDS_S = 60
WITHOUT_TERMINAL = "import os, sys; os.setsid(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
HOST = """[unix_http_server]
file={folder}/host.sock
[supervisord]
logfile={folder}/host.log
pidfile={folder}/host.pid
childlogdir={folder}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:other]
command=sleep 1000
[include]
files=hulak.conf
"""
pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture
def local_bus():
    with LocalBus() as local_bus:
        yield local_bus


@pytest.fixture
def systemd(local_bus):
    """A socket as that of systemd; `notified()` returns all that has come."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(local_bus.home / "notify"))
        seen = []

        def read():  # all the time, as systemd does: the queue of such a socket has ten places, and others are dropped
            while text := receiver.recv(4096).decode():
                seen.append(text)

        reader = threading.Thread(target=read)
        reader.start()
        yield {"NOTIFY_SOCKET": str(local_bus.home / "notify"), "WATCHDOG_USEC": "8000000"}, lambda: list(seen)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(local_bus.home / "notify"))
        reader.join(ENDS_S)


def pool(local_bus):
    """List the NEPSE workers; empty if no broker answers."""
    with contextlib.suppress(BusError):
        return [row for row in local_bus.stats()["workers"] if row["service"] == "nepse"]
    return []


def modes(home):
    """Map each file and folder of Hulak in a home to its mode, without those of the test."""
    ours = [home / name for name in ("journal", "log", "run", "displays", "tasks.db", "tasks.db-wal", "tasks.db-shm")]
    paths = [path for top in ours if top.exists() for path in (top, *(top.rglob("*") if top.is_dir() else ()))]
    return {str(path.relative_to(home)): stat.S_IMODE(path.lstat().st_mode) for path in paths}


def test_a_service_notifies_systemd_reloads_and_closes_its_files_to_others(local_bus, systemd):
    variables, notified = systemd
    before = os.umask(0)
    try:
        up = local_bus.start("-c", WITHOUT_TERMINAL, "-m", "hulak", "up", **variables)
    finally:
        os.umask(before)

    def logged(text):
        eventually(lambda: text in up.log.read_text() or up.poll() is not None, within_s=STANDS_S)
        assert text in up.log.read_text()

    eventually(lambda: any(text.startswith("READY=1") for text in notified()), within_s=STANDS_S)
    eventually(lambda: notified().count("WATCHDOG=1") >= 2, within_s=30)
    assert {name: oct(mode) for name, mode in modes(local_bus.home).items() if mode & 0o077} == {}

    (worker,) = pool(local_bus)
    os.kill(worker["pid"], signal.SIGKILL)
    logged("nepse_00 runs as process ")
    eventually(lambda: [row["pid"] for row in pool(local_bus)] not in ([], [worker["pid"]]), within_s=STANDS_S)
    (local_bus.home / "hulak.toml").write_text("[nepse]\ncache_s = 9.0\n[journal]\nmax_hours = 5.0\n")
    up.send_signal(signal.SIGHUP)
    logged("nepse.cache_s 2.0 -> 9.0 applies now")
    logged("journal.max_hours 36.0 -> 5.0 needs a restart")
    eventually(lambda: '"cache_s": 9.0' in (local_bus.home / "log" / "nepse_00.log").read_text(), within_s=60)
    with local_bus.client() as client:
        rows = client.call("hulak.config.get", args={"scope": "kind:nepse"}, timeout_s=10)["rows"]
    assert [row["value"] for row in rows if row["key"] == "cache_s"] == [9.0]

    (local_bus.home / "hulak.toml").write_text("[nepse]\ncache_s = -1\n")
    refused = local_bus.hulak("reload")
    assert refused.wait(30) == 78
    up.send_signal(signal.SIGHUP)
    logged("settings not reloaded: setting nepse.cache_s = -1")

    up.send_signal(signal.SIGTERM)
    assert up.wait(ENDS_S) == 0, up.log.read_text()
    eventually(lambda: any("STOPPING=1" in text for text in notified()), within_s=30)
    assert not re.search(r"^\d+ s: ", up.log.read_text(), re.MULTILINE), "no line per second"


def test_what_starts_too_slowly_to_wait_for_runs_on_in_the_background(local_bus):
    up = local_bus.hulak("up", "--detach", "--timeout", "0.01")
    assert up.wait(STANDS_S) == 3, up.log.read_text()
    assert "start incomplete after 0.01 s" in up.log.read_text()
    assert f"the processes run on until `hulak down --home {local_bus.home}`" in up.log.read_text()
    supervisor = psutil.Process(int(eventually_text(local_bus.home / "run" / "supervisord.pid")))
    try:
        eventually(lambda: pool(local_bus), within_s=STANDS_S)
    finally:
        assert local_bus.hulak("down").wait(ENDS_S) == 0
    assert not supervisor.is_running() or supervisor.status() == psutil.STATUS_ZOMBIE


def eventually_text(path):
    eventually(lambda: path.exists() and path.read_text().strip(), within_s=STANDS_S)
    return path.read_text()


def test_a_supervisord_of_the_machine_runs_the_programs_and_keeps_what_is_its_own(local_bus, tmp_path_factory):
    folder, home = tmp_path_factory.mktemp("s"), local_bus.home
    (folder / "host.conf").write_text(HOST.format(folder=folder))
    printed = local_bus.hulak("service", "programs", "--socket", folder / "host.sock", out=subprocess.PIPE)
    (folder / "hulak.conf").write_bytes(printed.communicate(timeout=30)[0])
    for name in ("run", "log"):
        (home / name).mkdir(mode=0o700)
    host = local_bus.start("-m", "supervisor.supervisord", "-n", "-c", folder / "host.conf")
    eventually(lambda: supervisor_rpc.foreign_socket(home) == folder / "host.sock", within_s=STANDS_S)  # the scaler links it
    eventually(lambda: pool(local_bus), within_s=STANDS_S)
    assert int((folder / "host.pid").read_text()) == host.pid
    assert "spawned: 'broker'" in (folder / "host.log").read_text()

    def states():
        return {row["name"]: row["state"] for row in supervisor_rpc.list_processes(home)}

    eventually(lambda: states()["broker"] == "running", within_s=STANDS_S)
    assert not {"other", "sim-venue"} & set(states())  # the machine's own programs are not Hulak's
    assert supervisor_rpc.ask(home, "getProcessInfo", "other")["statename"] == "RUNNING"
    scaled = local_bus.hulak("scale", "nepse", "2")
    assert scaled.wait(30) == 0
    eventually(lambda: len(pool(local_bus)) == 2, within_s=STANDS_S)
    assert {name: oct(mode) for name, mode in modes(home).items() if mode & 0o077 and not name.startswith("log/")} == {
        "run/supervisor.sock": "0o777"  # the link; the socket is the machine's
    }
    for command in ("up", "down"):
        refused = local_bus.hulak(command)
        assert refused.wait(30) == 1
        assert f"belong to the supervisord of the machine, process {host.pid}" in refused.log.read_text()
    assert host.poll() is None
    host.send_signal(signal.SIGTERM)
    host.wait(ENDS_S)
