"""The scaler with a real broker and a real supervisord, which is frozen, restarted and killed.

Traps of supervisor 4.3.0, all found by experiment, and the tests that cover them:

1. It sees an exit up to 1 s late: the broker detects lost workers itself (`tests/system/test_first_light.py`, the task storm).
2. With startsecs=1 a program that ends at once is often reported RUNNING: `startsecs=3` everywhere (see the configuration), and a
   process's failures are forgotten only after a minute of running (`tests/workers/test_revival.py`).
3. FATAL stays: below; it is tried again with growing delays (`tests/workers/test_revival.py`). After startsecs it restarts
   at once and without limit: a worker that finds no broker waits itself
   (`tests/workers/runtime/test_session.py`).
4. Exit 0 before startsecs counts as a failure: no worker younger than 5 s is retired (`tests/workers/test_scaling.py`).
5. startProcess on a STOPPING process says yes and does nothing: below.
6. Its own client keeps connections, has no time limit and is not for threads: `bus.process.supervisor_rpc` is used; below.
7. Its events get lost: none are used, it is asked; the configuration has no eventlistener (below).
8. kill -9 of it leaves children behind: they end with it (below); of two in one slot the older is sent away
   (`tests/bus/core/tasks/test_surplus_workers.py`).
"""

import configparser
import contextlib
import os
import signal
import sys
import time
import xmlrpc.client

import pytest
import structlog
from local_bus import ROOT, LocalBus
from pool_watch import WorkerPool
from waiting import eventually

from hulak.bus.process import lifecycle, load_settings, supervisor_rpc
from hulak.bus.wire.names import SLOTS
from hulak.workers.scaler import GRACE_S, Scaler

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
CONF = """
[unix_http_server]
file={home}/run/supervisor.sock
[supervisord]
logfile={home}/log/supervisord.log
pidfile={home}/run/supervisord.pid
childlogdir={home}/log
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:nepse]
command="{python}" -m hulak.workers nepse
process_name=nepse_%(process_num)02d
numprocs=5
autostart=false
autorestart=unexpected
exitcodes=0
startsecs=3
stopwaitsecs=90
killasgroup=true
[program:broken]
command=/bin/false
autostart=false
startsecs=3
startretries=0
"""


@pytest.fixture
def local_bus(request):
    with WorkerPool(**{"scaling.look_s": 0.25, **getattr(request, "param", {})}) as local_bus:
        local_bus.conf = local_bus.home / "supervisord.conf"
        local_bus.conf.write_text(CONF.format(home=local_bus.home, python=sys.executable))
        local_bus.start_broker()
        (local_bus.home / "log").mkdir(exist_ok=True)
        yield local_bus
        local_bus.show_logs()


def start_supervisord(local_bus):
    process = local_bus.start("-m", "supervisor.supervisord", "-n", "-c", local_bus.conf)
    eventually(lambda: answers(local_bus, process.pid), within_s=60)
    return process


def answers(local_bus, pid):
    try:
        return supervisor_rpc.ask(local_bus.home, "getPID") == pid
    except supervisor_rpc.Unreached:
        return False


def test_a_supervisord_that_is_frozen_restarted_or_killed_costs_no_worker_for_long(local_bus):
    """Traps 6, 8 and 14: no kept connection, a time limit, children that end with it, and the wanted number is kept here."""
    first = start_supervisord(local_bus)
    scaler = local_bus.hulak("scaler", "--json")
    local_bus.scale(3)
    eventually(lambda: local_bus.agrees_on(3), within_s=60)

    first.send_signal(signal.SIGSTOP)
    eventually(lambda: "TimeoutError" in scaler.log.read_text(), within_s=30)
    with pytest.raises(TimeoutError):
        supervisor_rpc.ask(local_bus.home, "getPID")
    first.send_signal(signal.SIGCONT)
    eventually(lambda: "poll succeeded again" in scaler.log.read_text(), within_s=30)
    assert local_bus.agrees_on(3)

    before = local_bus.slots()
    supervisor_rpc.ask(local_bus.home, "restart")
    eventually(lambda: local_bus.agrees_on(3) and not set(local_bus.slots().values()) & set(before.values()), within_s=60)

    before = local_bus.slots()
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: not local_bus.workers(), within_s=30)  # its children ended with it
    start_supervisord(local_bus)
    eventually(lambda: local_bus.agrees_on(3) and not set(local_bus.slots().values()) & set(before.values()), within_s=60)

    assert scaler.poll() is None
    scaler.send_signal(signal.SIGTERM)
    assert scaler.wait(30) == 0


@pytest.mark.parametrize("local_bus", [{"scaling.max_workers": 2}], indirect=True)
def test_the_broker_may_be_killed_and_pool_and_target_stay_and_no_worker_beyond_the_maximum_is_accepted(local_bus):
    start_supervisord(local_bus)
    scaler = local_bus.hulak("scaler")
    local_bus.scale(2)
    eventually(lambda: local_bus.agrees_on(2), within_s=60)
    slots = local_bus.slots()
    broker = next(process for process in local_bus.processes if process.args[1:] == ["-m", "hulak.bus"])
    broker.kill()
    eventually(lambda: "poll failed" in scaler.log.read_text(), within_s=30)
    local_bus.start_broker()
    eventually(lambda: local_bus.agrees_on(2), within_s=30)
    assert local_bus.slots() == slots
    assert local_bus.stats()["scaling"]["nepse"]["workers"] == 2
    third = local_bus.start("-m", "hulak.workers", "nepse", "--name", "third")
    assert third.wait(20) == 0
    assert "2 workers serve nepse already" in third.log.read_text()
    assert (local_bus.agrees_on(2), local_bus.slots()) == (True, slots)
    assert local_bus.stats()["tasks"]["lost_workers"] == 0
    second = local_bus.hulak("scaler")
    assert second.wait(30) == 1
    assert "a scaler already runs" in second.log.read_text()


def test_a_broker_that_is_still_starting_is_no_warning_and_one_that_never_comes_is():
    logged = []
    log = structlog.wrap_logger(None, processors=[lambda _, level, event: logged.append((level, event["event"])) or drop()])
    with LocalBus() as local_bus:  # and no broker
        scaler = Scaler(local_bus.settings, local_bus.home, lifecycle.Stop(), log)
        now = time.monotonic()
        scaler.poll(now)
        assert logged == []
        scaler.poll(now + GRACE_S)
        scaler.poll(now + GRACE_S + 1)
        assert logged == [("warning", "poll failed")]
        scaler.control.close()


def drop():
    raise structlog.DropEvent


def test_what_supervisord_refuses_is_an_error_with_its_number(local_bus):
    """Faults of its interface, and trap 3: a program that ends at once is FATAL and stays so until it is started."""
    with pytest.raises(OSError):  # noqa: PT011 - none runs: refused or no such file
        supervisor_rpc.ask(local_bus.home, "getPID")
    start_supervisord(local_bus)
    for method, name, number in (
        ("startProcess", "nepse:chess", supervisor_rpc.BAD_NAME),
        ("stopProcess", "nepse:nepse_00", supervisor_rpc.NOT_RUNNING),
    ):
        with pytest.raises(xmlrpc.client.Fault) as caught:
            supervisor_rpc.ask(local_bus.home, method, name, False)
        assert caught.value.faultCode == number
    supervisor_rpc.ask(local_bus.home, "startProcess", "nepse:nepse_00", False)
    with pytest.raises(xmlrpc.client.Fault) as caught:
        supervisor_rpc.ask(local_bus.home, "startProcess", "nepse:nepse_00", False)
    assert caught.value.faultCode == supervisor_rpc.ALREADY_STARTED
    with contextlib.suppress(xmlrpc.client.Fault):  # it may end before supervisord has answered
        supervisor_rpc.ask(local_bus.home, "startProcess", "broken", False)

    def state(name):
        return {row["name"]: row["state"] for row in supervisor_rpc.list_processes(local_bus.home)}[name]

    eventually(lambda: state("broken") == "fatal", within_s=30)


def test_in_a_supervisord_of_the_machine_programs_of_others_are_not_seen(local_bus):
    """Those of Hulak log into the home; the socket in the home is a link."""
    other = "[program:other]\ncommand=/bin/false\nautostart=false\nstdout_logfile=NONE\nstderr_logfile=NONE\n"
    local_bus.conf.write_text(CONF.format(home=local_bus.home, python=sys.executable) + other)
    start_supervisord(local_bus)

    def names():
        return {row["name"] for row in supervisor_rpc.list_processes(local_bus.home)}

    own = {"broken", *(f"nepse_{number:02d}" for number in range(SLOTS))}
    assert names() == own | {"other"}
    path = supervisor_rpc.socket_path(local_bus.home)
    path.rename(path.with_name("machine.sock"))
    path.symlink_to("machine.sock")
    assert names() == own


def test_a_slot_that_is_stopping_is_not_started_by_a_request(local_bus):
    """Trap 5: supervisord says yes, and does nothing; the next poll starts it."""
    start_supervisord(local_bus)
    scaler = local_bus.hulak("scaler")
    eventually(lambda: local_bus.agrees_on(1), within_s=60)
    supervisor_rpc.ask(local_bus.home, "stopProcess", "nepse:nepse_00", False)
    eventually(lambda: local_bus.agrees_on(1), within_s=60)
    assert scaler.poll() is None


def test_the_configuration_avoids_the_known_traps():
    config = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    config.read(ROOT / "etc" / "supervisord.conf")
    programs = {name: config[name] for name in config.sections() if name.startswith("program:")}
    assert len(programs) >= 7
    for program in programs.values():
        assert (program["startsecs"], program["stopasgroup"], program["killasgroup"]) == ("3", "false", "true")
    for name in ("program:nepse_00", "program:nepse_spare", "program:display_first", "program:display_spare"):
        assert (programs[name]["autorestart"], programs[name]["exitcodes"]) == ("unexpected", "0")
    for name in ("program:nepse_00", "program:nepse_spare"):
        assert programs[name].getint("stopwaitsecs") >= load_settings.load(ROOT).task.hard_s + 10
    assert not any("eventlistener" in name for name in config.sections())
    assert 1 + programs["program:nepse_spare"].getint("numprocs") == SLOTS
