"""The tasks' benchmark: lost, repeated and falsified tasks are found exactly, and the figures are right."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.system import BenchmarkError
from benchmarks.tasks import run, work
from benchmarks.tasks.apps import hulak_app
from benchmarks.tasks.cell import Load, TaskCell
from benchmarks.tasks.drive import AnswerCounts, Driver
from benchmarks.tasks.run import Rounds
from benchmarks.tasks.system import Client
from benchmarks.tasks.systems import CONTROLS, MEASURED, SYSTEMS, clusters, queues

ROOT = Path(__file__).resolve().parents[2]
TINY = Load(window=5, seconds=0.1, single_s=0.05, late_s=5.0)


class Echo(Client):
    """Answers each task by `rule`."""

    def __init__(self, rule, *, batches=False):
        self.rule, self.batches, self.flying, self.most = rule, batches, 0, 0

    def submit(self, number):
        self.flying += 1
        self.most = max(self.most, self.flying)
        return number

    def result(self, handle, within_s):
        self.flying -= 1
        return self.rule(handle)


def right(number):
    return number


def lost_at_seven(number):
    if number == 7:
        raise TimeoutError("no answer")
    return number


@pytest.mark.parametrize("batches", [False, True])
def test_a_window_keeps_so_many_in_flight_and_checks_each_answer(batches):
    client = Echo(right, batches=batches)
    driver = Driver(client, AnswerCounts(), 1.0)
    assert driver.window(10, 0.01) > 0
    counts = driver.counts
    assert (client.most, client.flying) == (10, 0)
    assert (counts.right, counts.wrong, counts.lost) == (counts.asked, 0, 0)


def test_what_is_wrong_or_missing_is_counted_and_the_rest_goes_on():
    driver = Driver(Echo(lost_at_seven), AnswerCounts(), 1.0)
    driver.window(10, 0.0)
    assert (driver.counts.right, driver.counts.lost, driver.counts.trouble) == (9, 1, "TimeoutError: no answer")
    driver = Driver(Echo(lambda number: "3" if number == 3 else number), AnswerCounts(), 1.0)
    took = driver.single(0.2)
    assert driver.counts.asked == len(took) > 3
    assert (driver.counts.right, driver.counts.wrong) == (len(took) - 1, 1)


def test_the_tally_counts_tasks_done_never_once_or_more_often(tmp_path, monkeypatch):
    path = tmp_path / "tally"
    work.make_tally(path)
    monkeypatch.setenv(work.PLACE, str(path))
    monkeypatch.setattr(work, "_tally", None)
    for number in (0, 1, 1, 3, 9):
        assert work.noop(work.argument(number)) == number
    assert work.read_tally(path, 5) == {"never": 2, "twice": 1}
    assert hulak_app.noop(**work.argument(2)) == 2
    assert work.read_tally(path, 5) == {"never": 1, "twice": 1}


def test_without_a_tally_nothing_is_counted(monkeypatch):
    monkeypatch.delenv(work.PLACE, raising=False)
    monkeypatch.setattr(work, "_tally", None)
    assert work.noop(work.argument(5)) == 5


def row(system, tasks_s, p50, **more):
    figures = {"system": system, "tasks_s": tasks_s, "p50": p50, "p99": p50, "cpu_us": 10.0, "lost": 0, "twice": 0, "wrong": 0}
    return {**figures, "foreign": 0.0, "steal_pct": 0.0, **more}


def test_others_are_compared_with_hulak_and_faults_are_summed():
    rows = [row("hulak", 900.0, 20.0), row("hulak", 1100.0, 20.0), row("rq", 10.0, 80.0, lost=1), row("rq", 10.0, 80.0, lost=2)]
    summary = run.summary(rows)
    assert summary["times"]["rq"] == {"tasks_s": 100.0, "p50": 4.0, "p99": 4.0, "cpu_us": 1.0}
    assert (summary["medians"]["rq"]["lost"], summary["medians"]["rq"]["twice"]) == (3, 0)
    assert "| rq | 10.00 | 100 |" in run.markdown({"workers": {"1": summary}})
    assert run.summary(rows[2:])["times"] == {}


def test_the_cost_of_threads_is_a_table_of_the_systems_that_have_it():
    rows = [row("hulak", 900.0, 20.0, **{"part: broker main": cost, "part: client main": 3.0}) for cost in (5.0, 7.0, 6.0)]
    text = run.markdown({"workers": {"1": run.summary([*rows, row("rq", 10.0, 80.0)])}})
    last = text.splitlines()[-3:]
    assert last == ["| CPU us/task | broker main | client main |", "|---|---:|---:|", "| hulak | 6.00 | 3.00 |"]
    assert "broker main" not in run.markdown({"workers": {"1": run.summary([row("rq", 10.0, 80.0)])}})


def test_what_is_not_installed_is_skipped_with_its_reason(monkeypatch):
    monkeypatch.setattr(queues.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(clusters.importlib.util, "find_spec", lambda name: None)
    skipped = dict(run.available(["celery", "nats", "dask", "ipyparallel", "pool", "hulak"]))
    assert all("not installed" in skipped[name] for name in ("celery", "nats", "dask", "ipyparallel"))
    assert skipped["pool"] is skipped["hulak"] is None
    result = run.run(Rounds(repeats=1, log=lambda line: None), ["dask"])
    assert result["skipped"].keys() == {"dask"}
    assert not result["rows"]
    with pytest.raises(BenchmarkError, match="'hulk' is unknown"):
        list(run.available(["hulk"]))
    assert set(MEASURED) | set(CONTROLS) == SYSTEMS.keys()


@pytest.mark.system
def test_faults_are_found_exactly():
    faults = run.selfcheck(Rounds(load=TINY, quiet_within_s=0, log=lambda line: None))
    assert faults.keys() == set(CONTROLS)
    for item in faults.values():
        assert item["found"] == item["committed"] > 0
        assert item["other"] == 0


@pytest.mark.system
def test_a_system_whose_client_dies_fails_and_leaves_nothing():
    cell = TaskCell("pool", 2, TINY)
    with cell:
        family = [pid for pid in cell.processes() if pid != os.getpid()]
        assert len(family) >= 3  # the client and its two workers
        cell.client.kill()
        with pytest.raises(BenchmarkError, match="ended"):
            cell.run()
    assert not cell.home.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in family)


@pytest.mark.system
def test_hulak_called_and_posted_beside_a_pool(tmp_path):
    out, systems = tmp_path / "out.json", "hulak,hulak-async,hulak-posted,pool,executor"
    words = ["tasks", "--systems", systems, "--workers", "2", "--window", "20", "--seconds", "0.3", "--single-seconds", "0.2"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words, "--repeats", "1", "--quiet-within", "0", "--json", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())["workers"]["2"]
    assert list(result["medians"]) == systems.split(",")
    for median in result["medians"].values():
        assert median["lost"] == median["twice"] == median["wrong"] == 0
        assert median["tasks_s"] > 20
        assert 0 < median["p50"] <= median["p99"] <= median["max"]
        assert 0 < median["client_us"] <= median["cpu_us"]
    for name in ("hulak", "hulak-async", "hulak-posted"):
        parts = {part for part, cost in result["medians"][name].items() if part.startswith("part: ") and cost > 0}
        assert {"part: broker main", "part: workers other", "part: client main"} <= parts
    assert result["times"]["hulak"]["tasks_s"] == 1
    assert "| hulak-posted |" in done.stdout
