"""`hulak bench` and `hulak latency`: counts and statistics, also against a real broker."""

import json
import os
import signal
import subprocess
import sys

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.clients.cli import task_load
from hulak.clients.cli.latency import histogram, quantiles_us
from hulak.clients.cli.tick_load import TickCounter, machine, machine_line

OURS = "bench-1"


def body(number, source=OURS):
    return {"symbol": "BENCH00", "bid": float(number), "ask": 0.0, "timestamp": 1, "source": source}


@pytest.fixture
def slots():
    return [0, 0]


def test_a_subscriber_finds_missing_and_repeated_ticks_and_passes_over_those_of_others(slots):
    counter = TickCounter(OURS, slots, 0, keep=True)
    counter.add("hulak.hello", {"protocol": 1})
    assert slots[0] < 0
    counter.add("ticks", [])
    counter.add("ticks", [body(1), body(9, "binance"), body(2)])
    counter.add("tick.BENCH00", body(5))
    counter.add("tick.BENCH00", body(5))
    counter.publish()
    seen = counter.tally()
    assert (seen.received, seen.lost, seen.twice, slots[0], len(seen.latencies_us)) == (3, 2, 1, 5, 3)


def test_the_first_line_shows_how_idle_the_machine_is():
    assert machine_line({"cores": 2, "idle_pct": 97.4, "steal_pct": 0.0, "load": 0.12}) == (
        "machine: 2 cores, 97 % idle, 0 % stolen by the hypervisor, load 0.12"
    )
    assert 0 <= machine()["idle_pct"] <= 100


def test_quantiles_and_histogram():
    values = sorted(float(value) for value in range(1, 101))
    assert quantiles_us(values) == {"p50": 51.0, "p99": 100.0, "max": 100.0}
    rows = histogram([100.0, 110.0, 400.0])
    assert sum(count for _, count in rows) == 3
    assert (rows[0], rows[-1]) == ((128.0, 2), (512.0, 1))
    assert histogram([]) == []


class BenchClient:
    """Answers tasks by a rule, when they are waited for.

    Args:
        rule: number -> value; may raise.
    """

    def __init__(self, rule):
        self.rule, self.flying, self.most = rule, 0, 0

    def submit(self, number):
        self.flying += 1
        self.most = max(self.most, self.flying)

        def result():
            self.flying -= 1
            return self.rule(number)

        return result


def test_a_window_of_tasks_checks_each_answer():
    def rule(number):
        if number == 5:
            raise BusError("CRASHED", "it crashed")
        return -1 if number == 7 else number

    client, tally, result = BenchClient(rule), task_load.Tally(), []
    assert task_load.window(client, tally, 20, 4, result.append) > 0
    assert (client.most, client.flying, result[-1]) == (4, 0, 20)
    assert (tally.sent, tally.right, tally.wrong, tally.lost, tally.trouble) == (20, 18, 1, 1, "it crashed")
    assert len(task_load.singles(client, tally, 3)) == 3
    assert (tally.sent, tally.right) == (23, 21)


def test_a_window_larger_than_the_tasks_is_no_harm():
    client, tally = BenchClient(lambda number: number), task_load.Tally()
    task_load.window(client, tally, 3, 10, lambda done: None)
    assert (tally.sent, tally.right, client.most) == (3, 3, 3)


def run(local_bus, *words):
    return subprocess.run(
        [sys.executable, "-m", "hulak", *words],
        env=local_bus.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def local_bus():
    with LocalBus() as local_bus:
        local_bus.environment = {**os.environ, **local_bus.variables}
        local_bus.start_broker()
        yield local_bus


@pytest.mark.system
@pytest.mark.parametrize("by", ["ticks", "symbols"])
def test_bench_counts_every_delivery(local_bus, by):
    done = run(local_bus, "bench", "ticks", "--subscribers", "2", "--seconds", "1", "--by", by, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["lost"] == result["twice"] == 0
    assert result["received"] == 2 * result["posted"] > 0
    assert result["deliveries_per_s"] == pytest.approx(2 * result["ticks_per_s"], abs=2)
    assert result["machine"]["cores"] >= 1
    assert last_values(local_bus) == []


def last_values(local_bus):
    with local_bus.client() as client:
        return client.call("hulak.last", args={"topic": "tick."}, timeout_s=10)


@pytest.mark.system
def test_a_bench_that_is_interrupted_removes_its_topics_too(local_bus):
    process = local_bus.hulak("bench", "ticks", "--subscribers", "1", "--seconds", "60")
    eventually(lambda: last_values(local_bus), within_s=30)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    assert last_values(local_bus) == []


@pytest.mark.system
@pytest.mark.parametrize("how", [(), ("--posted", "--own")])
def test_bench_has_tasks_done_and_ends_its_workers(local_bus, how):
    words = ["bench", "tasks", "--tasks", "300", "--window", "20", "--singles", "10", "--workers", "2"]
    done = run(local_bus, *words, *how, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert (result["lost"], result["wrong"], result["twice"]) == (0, 0, 0)
    assert result["tasks_per_s"] > 10
    assert 0 < result["us"]["p50"] <= result["us"]["max"]
    eventually(lambda: local_bus.stats()["workers"] == [], within_s=30)
    if not how:  # the broker of the home did the work: to warm up, with a window, and one at a time
        assert local_bus.stats()["tasks"]["done"] >= 200 + 300 + 10


@pytest.mark.system
def test_latency_has_quantiles_and_a_histogram(local_bus):
    done = run(local_bus, "latency", "--rate", "200", "--seconds", "1", "--subscribers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("machine: ")
    assert "200 ticks at 200/s to 2 subscribers, 0 lost: p50" in lines[1]
    assert lines[2:]
    assert all(line.startswith("below") for line in lines[2:])


def test_without_a_broker_it_reports_that(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "hulak", "bench", "ticks", "--home", str(tmp_path), "--timeout", "0.2", "--json"],
        env={**os.environ, "HULAK_BROKER__FRONTEND": "tcp://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == "NO_BROKER"
