"""`hulak up` and `hulak down`: all processes under a real supervisord, and none left afterwards."""

import contextlib
import os
import signal
import subprocess
from collections import Counter

import psutil
import pytest
from local_bus import LocalBus, free_ports
from waiting import eventually

from hulak.clients.history import last_events

STANDS = "1 worker, 28 symbols ticking, 28 displays, first NEPSE task done"
BARE = "1 worker, no symbol ticking"
STANDS_S = 90  # on a busy machine; a few seconds on an idle one
ENDS_S = 60  # likewise; about a second on an idle one
NEPSE = "hulak.workers nepse"
MOST_NEPSE = 5  # scaling.max_workers: on a busy machine tasks wait, and workers are added
ALWAYS = {  # by what they run, without the NEPSE workers
    "supervisor.supervisord": 1,
    "hulak.bus": 1,
    "hulak derive": 1,
    "hulak scaler": 1,
    "hulak gateway": 1,
    "hulak.workers display": 2,
}
QUIET = {"sim.ticks_per_s": 100}  # a third of the default: enough for all symbols to tick, and the load is not judged
pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture
def local_bus():
    venue, nepse = free_ports(2)
    with LocalBus(**{"sim.venue_port": venue, "sim.nepse_port": nepse, "nepse.rate_per_s": 50, **QUIET}) as local_bus:
        yield local_bus


def stood(up, text=STANDS):
    """Wait until it reports that all processes run; return all of its processes, itself excepted."""

    def output():
        log = up.log.read_text()
        assert up.poll() is None or text in log, log
        return text in log

    try:
        eventually(output, within_s=STANDS_S)
    except AssertionError as error:
        raise AssertionError(f"{text!r} not within {STANDS_S} s, but: {up.log.read_text()}") from error
    return psutil.Process(up.pid).children(recursive=True)


def parts(processes):
    """Count the processes by what they run."""
    counts = Counter()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            what = words[words.index("-m") + 1 :][:2] if "-m" in words else words[:1]
            counts[" ".join(word for word in what if not word.startswith("-"))] += 1
    return counts


def stood_with(up, wanted, text, most_nepse):
    """Wait until its processes are these, by what they run; a process that is just starting still looks like its parent."""

    def these():
        counts = parts(processes := stood(up, text))
        nepse = counts.pop(NEPSE, 0)
        return processes if counts == wanted and 1 <= nepse <= most_nepse else None

    try:
        return eventually(these, within_s=STANDS_S)
    except AssertionError as error:
        raise AssertionError(f"wanted {wanted} and up to {most_nepse} {NEPSE}, are {parts(stood(up, text))}") from error


def alive(processes):
    running = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def pool(local_bus):
    return [row for row in local_bus.stats()["workers"] if row["service"] == "nepse"]


def supervisord_of(local_bus):
    return int((local_bus.home / "run" / "supervisord.pid").read_text())


def ended(local_bus, up, started):
    """Make sure that it ends after a signal, and that no process is left."""
    assert up.wait(ENDS_S) == 0
    assert alive(started) == []
    assert "all processes ended" in up.log.read_text()
    assert not (local_bus.home / "run" / "supervisor.sock").exists()


def test_the_demo_runs_and_sigterm_ends_it_with_no_process_left(local_bus):
    up = local_bus.hulak("up", "--demo")
    stood(up)
    eventually(lambda: "demo-nepse runs" in up.log.read_text(), within_s=60)
    started = stood_with(up, {**ALWAYS, "hulak sim": 2, "hulak feed": 2}, STANDS, MOST_NEPSE)
    up.send_signal(signal.SIGTERM)
    ended(local_bus, up, started)
    assert "ticks " not in up.log.read_text(), "without a terminal it prints changes only"


def test_supervisord_killed_leaves_no_children(local_bus):
    up = local_bus.hulak("up", "--demo")
    started = stood(up)
    os.kill(supervisord_of(local_bus), signal.SIGKILL)
    assert up.wait(ENDS_S) == 1
    eventually(lambda: not alive(started), within_s=ENDS_S)  # a process that is just starting ends when Python has started
    assert "supervisord was killed by signal 9" in up.log.read_text()


def test_a_second_one_on_the_same_home_is_refused_and_down_ends_the_first(local_bus):
    up = local_bus.hulak("up")
    started = stood(up, BARE)
    second = local_bus.hulak("up")
    assert second.wait(ENDS_S) == 1
    assert f"already runs on home {local_bus.home}, as process {supervisord_of(local_bus)}" in second.log.read_text()
    down = local_bus.hulak("down")
    assert down.wait(2 * ENDS_S) == 0
    assert alive(started) == []
    assert up.wait(ENDS_S) == 0
    assert "stopped by `hulak down`" in up.log.read_text()


def test_an_up_whose_processes_were_killed_by_down_was_stopped_by_it(local_bus):
    up = local_bus.hulak("up", "--quiet")
    started = stood(up, BARE)
    down = local_bus.hulak("down", "--timeout", "0.01")
    assert down.wait(2 * ENDS_S) == 0
    assert "the last ones were killed" in down.log.read_text()
    assert up.wait(ENDS_S) == 0
    assert alive(started) == []
    assert "stopped by `hulak down`" in up.log.read_text()


def test_down_names_a_broker_that_it_does_not_stop(local_bus):
    broker = local_bus.start_broker()
    own, other = local_bus.hulak("down"), local_bus.hulak("down", "--home", local_bus.home / "other")
    assert (own.wait(STANDS_S), other.wait(STANDS_S)) == (1, 1)
    where = f"process {broker.pid} of this home, started without `hulak up`; stop it with `kill {broker.pid}`"
    assert where in own.log.read_text()
    assert f"a broker answers at {local_bus.addresses['frontend']}: process {broker.pid} of home {local_bus.home}; " in (
        other.log.read_text()
    )
    assert broker.poll() is None


def test_a_process_that_is_killed_is_restarted_and_up_killed_leaves_no_children(local_bus):
    up = local_bus.hulak("up")
    stood(up, BARE)
    (worker,) = pool(local_bus)
    os.kill(worker["pid"], signal.SIGKILL)

    def replaced():
        pids = [row["pid"] for row in pool(local_bus)]
        return len(pids) == 1 and pids != [worker["pid"]]

    eventually(replaced, within_s=60)
    started = stood_with(up, ALWAYS, BARE, most_nepse=1)
    up.kill()
    eventually(lambda: not alive(started), within_s=30)


def test_detached_it_continues_until_down(local_bus):
    up = local_bus.hulak("up", "--demo", "--detach", "--timeout", STANDS_S)
    try:
        assert up.wait(STANDS_S + ENDS_S) == 0, up.log.read_text()
        supervisor = psutil.Process(supervisord_of(local_bus))
        started = [supervisor, *supervisor.children(recursive=True)]
        assert STANDS in up.log.read_text()
        status = local_bus.hulak("status", "--json", out=subprocess.PIPE)
        assert b'"nepse_00"' in status.communicate()[0]
        assert status.returncode == 0
    finally:
        down = local_bus.hulak("down")
        assert down.wait(2 * ENDS_S) == 0
    assert alive(started) == []
    again = local_bus.hulak("down")
    assert again.wait(ENDS_S) == 0
    assert f"nothing runs on home {local_bus.home}" in again.log.read_text()


def test_for_a_time_it_ends_by_itself_and_healthy(local_bus):
    up = local_bus.hulak("up", "--quiet", "--for", "30")
    started = stood(up, BARE)
    assert up.wait(60) == 0, up.log.read_text()
    assert "ticks " not in up.log.read_text()
    assert alive(started) == []


def test_ports_in_use_are_named_before_anything_starts(local_bus):
    local_bus.start_broker()
    elsewhere = local_bus.home / "b"
    up = local_bus.hulak("up", "--demo", "--home", elsewhere)
    assert up.wait(STANDS_S) == 78
    output = up.log.read_text()
    for name, address in local_bus.addresses.items():
        assert f"{address.removeprefix('tcp://')} (broker.{name})" in output
    assert not elsewhere.exists()


def test_a_home_too_long_for_a_socket_is_refused(local_bus):
    up = local_bus.hulak("up", "--home", local_bus.home / ("long" * 25))
    assert up.wait(STANDS_S) == 78
    assert "choose a shorter one with --home" in up.log.read_text()


def start_with_statistics(local_bus):
    """Start a broker and wait for its first statistics: before them, `hulak sub stats` says that there are none."""
    local_bus.start_broker()
    with local_bus.client() as client:
        eventually(lambda: last_events(client, "stats", ENDS_S), within_s=ENDS_S)


def test_sub_ends_silently_when_its_reader_ends(local_bus):
    start_with_statistics(local_bus)
    sub = local_bus.hulak("sub", "stats", "--json", out=subprocess.PIPE)
    sub.stdout.readline()
    sub.stdout.close()
    assert sub.wait(30) == 0
    assert sub.log.read_bytes() == b""


def test_ctrl_c_ends_sub_with_0(local_bus):
    start_with_statistics(local_bus)
    sub = local_bus.hulak("sub", "stats", "--json", out=subprocess.PIPE)
    assert sub.stdout.readline()
    sub.send_signal(signal.SIGINT)
    assert sub.wait(30) == 0
    assert sub.log.read_bytes() == b""


def test_python_m_workers_refuses_an_unknown_service(local_bus):
    worker = local_bus.start("-m", "hulak.workers", "chess")
    assert worker.wait(30) == 78
    assert "service 'chess' is unknown, must be one of nepse" in worker.log.read_text()


def test_python_m_workers_is_a_worker_and_drain_ends_it(local_bus):
    local_bus.start_broker()
    worker = local_bus.start("-m", "hulak.workers", "nepse", "--name", "first")
    eventually(lambda: [row["name"] for row in local_bus.stats()["workers"]] == ["first"], within_s=60)
    assert local_bus.hulak("workers", "drain", "first").wait(30) == 0
    assert worker.wait(30) == 0
    unknown = local_bus.hulak("workers", "drain", "first", "--json", out=subprocess.PIPE)
    assert b'"UNKNOWN_WORKER"' in unknown.communicate()[0]
    assert unknown.returncode == 1


def test_further_feeds_are_the_operators_programs_one_that_dies_leaves_the_other_alone_and_ctrl_c_ends_all(local_bus):
    programs = local_bus.home / "programs"
    programs.mkdir()
    url = f"ws://127.0.0.1:{local_bus.settings.sim.venue_port}/json"
    (programs / "feed-second.conf").write_text(
        "[program:feed-second]\n"
        f'command="%(ENV_HULAK_PYTHON)s" -P -m hulak feed --name second --venue json --url {url}\n'
        "startsecs=3\nautorestart=true\n"
    )
    up = local_bus.hulak("up", "--demo")
    stood(up)

    def feeds():
        return {row["name"]: row for row in local_bus.stats()["processes"] if row["kind"] == "feed" and row["posted"] > 0}

    eventually(lambda: feeds().keys() >= {"sim-binance", "second"}, within_s=60)
    before = feeds()
    os.kill(before["second"]["pid"], signal.SIGKILL)
    eventually(lambda: feeds().get("second", before["second"])["pid"] != before["second"]["pid"], within_s=60)
    assert feeds()["sim-binance"]["pid"] == before["sim-binance"]["pid"]
    assert feeds()["sim-binance"]["posted"] > before["sim-binance"]["posted"]
    sources = set()
    with local_bus.subscriber("tick.EURUSD") as subscriber:  # the source of the demo is not that of the second feed
        eventually(lambda: sources.add(subscriber.poll(10).body["source"]) or sources == {"sim-binance", "json"}, within_s=60)
    started = psutil.Process(up.pid).children(recursive=True)
    up.send_signal(signal.SIGINT)
    ended(local_bus, up, started)
