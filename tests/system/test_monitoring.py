"""`hulak stats`, `hulak top` and `hulak check` against a real broker and a real worker."""

import json
import os
import signal
import subprocess
import sys

import pytest
from local_bus import LocalBus
from waiting import eventually

pytestmark = pytest.mark.system
NO_FEED = ("--feeds", "0", "--workers", "0")


@pytest.fixture(scope="module")
def local_bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        yield local_bus


def run(local_bus, *words):
    return subprocess.run(
        [sys.executable, "-m", "hulak", *words],
        env={**os.environ, **local_bus.variables, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def worker_of(local_bus):
    return next((row for row in local_bus.stats()["processes"] if row["name"].startswith("slot/")), None)


def start_worker(local_bus):
    return local_bus.hulak("worker", "bench", "--module", "hulak.workers.noop", "--name", f"slot/{len(local_bus.processes)}")


def test_a_killed_worker_is_late_then_a_restart_and_all_is_well_again(local_bus):
    first = start_worker(local_bus)
    eventually(lambda: worker_of(local_bus), within_s=60)
    done = run(local_bus, "check", *NO_FEED)
    assert (done.returncode, done.stdout[:10]) == (0, "HULAK OK -"), done.stdout
    done = run(local_bus, "check", "--feeds", "1")
    assert "0 of 1 feeds report" in done.stdout
    assert done.returncode in (1, 2), done.stdout  # a WARNING while the broker starts
    first.send_signal(signal.SIGKILL)
    first.wait(30)
    eventually(lambda: (worker := worker_of(local_bus)) is None or worker["age_s"] > 1.3, within_s=30)
    second = start_worker(local_bus)
    restarted = eventually(
        lambda: next((row for row in local_bus.stats()["processes"] if row["pid"] == second.pid), None), within_s=60
    )
    assert restarted["restarts"] == 1
    eventually(lambda: "cores" in (worker_of(local_bus) or {}), within_s=30)
    as_json = json.loads(run(local_bus, "check", *NO_FEED, "--critical", "silence=0", "--warn", "silence=0", "--json").stdout)
    assert as_json["level"] == "CRITICAL"
    assert "is silent" in str(as_json["findings"])


def test_stats_and_top_show_the_same_processes(local_bus):
    shown, everything = run(local_bus, "stats"), run(local_bus, "stats", "--all")
    assert shown.returncode == everything.returncode == 0, shown.stderr
    assert "broker\tbroker\t" in shown.stdout
    assert "journal.lost\tticks published and not journalled\t0" in shown.stdout
    assert "tasks.queued\t0" in everything.stdout
    screen = run(local_bus, "top", "--count", "2", "--sort", "memory")
    assert screen.returncode == 0, screen.stderr
    assert screen.stdout.count("Hulak top") == 2
    assert "memory▼" in screen.stdout
    frames = [json.loads(line) for line in run(local_bus, "top", "--json").stdout.splitlines()]
    assert frames[0]["broker"]["pid"] > 0
