"""Pools of services of one's own and of displays, and processes that supervisord gave up, under a real supervisord."""

import contextlib
import json
import os
import re
import signal
import subprocess
import xmlrpc.client

import pytest
from local_bus import ROOT
from pool_watch import WorkerPool
from waiting import eventually

from hulak.bus.process import supervisor_rpc

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
AGREES_S = 30.0  # on a machine with much else to do
MODULE, LOAD = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "howto" / "workers.md").read_text(), re.DOTALL)
FAILING = """
[program:failing]
command=/bin/sh -c "test -e '%(ENV_HULAK_HOME)s/repaired' && exec sleep 1000"
autostart=false
startsecs=1
startretries=0
autorestart=true
stderr_logfile=%%(ENV_HULAK_HOME)s/log/failing.log
"""


@pytest.fixture(scope="module")
def local_bus():
    settings = {"scaling.look_s": 0.25, "scaling.idle_timeout_s": 2, "supervisor.retry_base_s": 1, "supervisor.retry_cap_s": 2}
    with WorkerPool(**settings) as local_bus:
        (local_bus.home / "programs").mkdir()
        (local_bus.home / "programs" / "failing.conf").write_text(FAILING)
        (local_bus.home / "50% mine").mkdir()
        (local_bus.home / "50% mine" / "mine.py").write_text(MODULE)
        (local_bus.home / "50% mine" / "load.py").write_text(LOAD)
        local_bus.start_up(demo=False)
        yield local_bus


def output(local_bus, *words, code=0):
    command = local_bus.hulak(*words, out=subprocess.PIPE)
    out = command.communicate()[0].decode()
    assert command.returncode == code, out + command.log.read_text()
    return out or command.log.read_text()


def serving(local_bus, service):
    return {row["slot"] for row in local_bus.stats()["workers"] if row["service"] == service and row["state"] != "retiring"}


def states(local_bus):
    return {row["name"]: row["state"] for row in supervisor_rpc.list_processes(local_bus.home)}


def test_a_service_of_ones_own_grows_from_1_to_3_workers_and_back_with_the_load(local_bus):
    """The programs of docs/howto/workers.md, as printed."""
    folder = local_bus.home / "50% mine"
    add = ("workers", "add", "sums", "--module", "mine", "--directory", folder, "--max", "3")
    assert json.loads(output(local_bus, *add, "--json"))["started"]
    assert "already has programs of supervisord" in output(local_bus, *add, code=78)
    eventually(lambda: len(serving(local_bus, "sums")) == 1, within_s=AGREES_S)
    load = local_bus.start(folder / "load.py", out=subprocess.PIPE)
    eventually(lambda: len(serving(local_bus, "sums")) == 3, within_s=AGREES_S)
    assert load.communicate(timeout=60)[0] == b"20 seconds of work\n"
    eventually(lambda: len(serving(local_bus, "sums")) == 1, within_s=AGREES_S)
    assert "number from 1 to 3 ([scaling.sums]" in output(local_bus, "scale", "sums", "4", code=1)
    output(local_bus, "scale", "sums", "2")
    eventually(lambda: len(serving(local_bus, "sums")) == 2, within_s=AGREES_S)
    # The scaler's word of what it wants may come after its workers.
    wanted = "sums: 2 by hand, 2 wanted, 0 tasks wait for a worker"
    eventually(lambda: wanted in output(local_bus, "workers"), within_s=AGREES_S)
    output(local_bus, "workers", "remove", "sums")
    assert serving(local_bus, "sums") == set()
    assert not [name for name in states(local_bus) if name.startswith("sums")]
    assert not (local_bus.home / "programs" / "workers-sums.conf").exists()
    eventually(lambda: "sums" not in local_bus.stats()["scaling"], within_s=30)


def test_the_number_of_display_workers_is_set_by_hand_and_returns_to_two(local_bus):
    eventually(lambda: serving(local_bus, "display") == {"display_00", "display_01"}, within_s=AGREES_S)
    output(local_bus, "scale", "display", "3")
    eventually(lambda: serving(local_bus, "display") == {"display_00", "display_01", "display_02"}, within_s=AGREES_S)
    output(local_bus, "scale", "display", "auto")
    eventually(lambda: len(serving(local_bus, "display")) == 2, within_s=AGREES_S)


def test_a_process_that_supervisord_gave_up_is_reported_and_tried_again_also_by_a_restarted_scaler_until_it_runs(local_bus):
    with contextlib.suppress(xmlrpc.client.Fault):  # it ends before the reply, sometimes
        supervisor_rpc.ask(local_bus.home, "startProcess", "failing", False)

    def tries():
        scaler = next((row for row in local_bus.stats()["processes"] if row["kind"] == "scaler"), {})
        return scaler.get("failed", {}).get("failing:failing", {}).get("tries", 0)

    eventually(lambda: tries() >= 2, within_s=AGREES_S)
    eventually(
        lambda: "process failing is fatal: supervisord gave it up, tried again" in output(local_bus, "check", code=2), within_s=30
    )
    before = tries()
    scaler = next(row for row in supervisor_rpc.list_processes(local_bus.home) if row["name"] == "scaler")["pid"]
    os.kill(scaler, signal.SIGKILL)
    eventually(lambda: tries() > before, within_s=AGREES_S)
    (local_bus.home / "repaired").touch()
    eventually(lambda: states(local_bus)["failing"] == "running", within_s=AGREES_S)
    supervisor_rpc.ask(local_bus.home, "stopProcess", "failing", True)
    eventually(lambda: tries() == 0, within_s=30)
    assert states(local_bus)["failing"] == "stopped", "an operator's stop is respected"
