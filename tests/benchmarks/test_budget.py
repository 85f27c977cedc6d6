"""The budget of a tick's time: figures of threads and hops from plain values, and one short run with real processes."""

import json

import pytest
from click.testing import CliRunner

from benchmarks import budget
from benchmarks.__main__ import main
from benchmarks.budget import Spent, hops_us, read_spent, thread_rows

STATUS = "Name:\tZMQbg/IO/0\nThreads:\t3\nvoluntary_ctxt_switches:\t41\nnonvoluntary_ctxt_switches:\t7\n"


def test_a_threads_figures_are_read_from_its_files():
    assert read_spent(STATUS, "5000 300 48\n") == Spent(wakes=41, cpu_ns=5000, queued_ns=300)


def test_figures_are_per_tick_and_only_of_the_run():
    before = {("broker", "main"): Spent(10, 1_000_000, 0), ("broker", "other"): Spent(5, 5, 5)}
    after = {
        ("broker", "main"): Spent(30, 5_000_000, 2_000_000),
        ("broker", "other"): Spent(5, 5, 5),
        ("subscribers", "libzmq"): Spent(40, 0, 0),
    }
    assert thread_rows(before, after, 10) == [
        {"process": "broker", "thread": "main", "wakes": 2.0, "cpu_us": 400.0, "queued_us": 200.0},
        {"process": "subscribers", "thread": "libzmq", "wakes": 4.0, "cpu_us": 0.0, "queued_us": 0.0},
    ]


def test_the_two_hops_of_a_delivery_are_its_whole():
    hops = hops_us([(900_000, 600_000)] * 99 + [(5_000_000, 1_000_000)])
    assert (hops["to_broker_p50"], hops["from_broker_p50"], hops["whole_p50"]) == (300.0, 600.0, 900.0)
    assert (hops["to_broker_p99"], hops["from_broker_p99"], hops["whole_p99"]) == (4000.0, 1000.0, 5000.0)


def test_an_unknown_way_is_refused():
    result = CliRunner().invoke(main, ["budget", "--ways", "ring,pigeon"])
    assert result.exit_code == 2
    assert "pigeon unknown, must be of ring, ring-symbols, socket, socket-symbols" in result.output


@pytest.mark.parametrize("way", ["ring", "socket-symbols"])
def test_every_tick_is_seen_by_every_subscriber_on_both_ways(tmp_path, way):
    out = tmp_path / "budget.json"
    words = ["budget", "--ways", way, "--rate", "200", "--seconds", "0.5", "--subscribers", "3", "--processes", "2"]
    result = CliRunner().invoke(main, [*words, "--json", str(out)])
    assert result.exit_code == 0, result.output
    measured = json.loads(out.read_text())
    (hops,) = measured["hops"]
    assert hops["deliveries"] == 300
    assert 0 < hops["to_broker_p50"] < hops["whole_p50"]
    threads = {(row["process"], row["thread"]) for row in measured["threads"]}
    assert {("broker", "main"), ("broker", "libzmq"), ("subscribers", "main")} <= threads
    assert budget.table(measured).count(f"| {way} |") == 1 + len(measured["threads"])
