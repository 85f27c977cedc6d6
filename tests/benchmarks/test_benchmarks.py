"""The benchmarks measure what they say: losses are found exactly, figures are right, what is missing is skipped."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks import figures, installed, reports, tick, workloads
from benchmarks.board import KEEP, LOST, PROGRESS, Board
from benchmarks.cell import available
from benchmarks.recorder import MISSING, Recorder
from benchmarks.system import BenchmarkError
from benchmarks.systems import SYSTEMS
from benchmarks.workloads import Shape
from hulak.bus.wire.codec import unpack

ROOT = Path(__file__).resolve().parents[2]
SMALL = Shape(2, 2, quiet_within_s=0)
WHOLE, TWO_LOST = [*range(100, 110)], [*range(100, 104), *range(106, 110)]


class Record:
    def __init__(self, result):
        self.bid, self.timestamp = result["bid"], result["timestamp"]


def take_one_by_one(recorder, bodies):
    for body in bodies:
        recorder.record(unpack(body))


def take_many(recorder, bodies):
    recorder.record_all([unpack(body) for body in bodies])


def take_records(recorder, bodies):
    recorder.record_objects([Record(unpack(body)) for body in bodies])


def take_packed(recorder, bodies):
    recorder.record_packed(b"".join(bodies), 0, len(bodies), tick.SIZE)


def take_packed_in_two(recorder, bodies):
    recorder.record_packed(b"".join(bodies), 0, 4, tick.SIZE)
    recorder.record_packed(b"head" + b"".join(bodies[4:]), 4, len(bodies) - 4, tick.SIZE)


WAYS = [take_one_by_one, take_many, take_records, take_packed, take_packed_in_two]


@pytest.fixture
def recorder(tmp_path):
    return Recorder(0, Board(tmp_path / "board", create=True))


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("take", WAYS)
def test_every_way_of_recording_finds_each_missing_tick(recorder, take, keep):
    recorder.slots[KEEP] = keep
    take(recorder, [tick.encode(number) for number in WHOLE])
    assert (recorder.lost, recorder.first, recorder.expected) == (0, 100, 110)
    take(recorder, [tick.encode(number + 10) for number in TWO_LOST])
    recorder.progress()
    assert (recorder.lost, recorder.slots[LOST], recorder.slots[PROGRESS]) == (2, 2, 119)


@pytest.mark.parametrize("take", WAYS[:3])
def test_a_tick_that_comes_twice_is_counted_and_passed_over(recorder, take):
    take(recorder, [tick.encode(number) for number in [1, 2, 2, 3]])
    assert (recorder.twice, recorder.lost, recorder.expected) == (1, 0, 4)


@pytest.mark.parametrize("take", WAYS[:3])
def test_a_tick_from_before_the_first_one_is_neither_lost_nor_repeated(recorder, take):
    take(recorder, [tick.encode(number) for number in [5, 3, 6, 4, 7]])
    assert (recorder.twice, recorder.lost, recorder.first, recorder.expected) == (0, 0, 5, 8)


def test_latencies_keep_their_place_when_a_tick_is_missing(recorder, tmp_path):
    recorder.slots[KEEP] = 1
    take_many(recorder, [tick.encode(number) for number in TWO_LOST])
    assert [value == MISSING for value in recorder.latencies] == [False] * 4 + [True] * 2 + [False] * 4
    assert recorder.save(tmp_path / "latencies")["kept_from"] == 100
    assert (tmp_path / "latencies").stat().st_size == 80


def test_every_tick_has_one_length_and_its_number_at_one_place():
    bodies = [tick.encode(number) for number in (1, 28, 1 << 40)]
    assert {len(body) for body in bodies} == {tick.SIZE}
    assert [tick.number_at(body, tick.NUMBER_AT)[0] for body in bodies] == [1, 28, 1 << 40]
    message = unpack(bodies[1])
    assert (message["symbol"], tick.time_at(bodies[1], tick.TIME_AT)[0]) == (tick.SYMBOLS[0], message["timestamp"])
    assert len(set(tick.SYMBOLS)) == 28


def test_medians_leave_noisy_repeats_out_unless_all_are():
    rows = [
        {"ticks_s": rate, "foreign": foreign, "steal_pct": 0.0, "lost": 1} for rate, foreign in ((10, 0.5), (30, 0.0), (40, 0.1))
    ]
    assert figures.medians(rows) == {"ticks_s": 35, "foreign": 0.05, "steal_pct": 0.0, "lost": 3, "repeats": 3, "quiet": 2}
    assert figures.medians(rows[:1])["ticks_s"] == 10


def test_latencies_are_summed_up_over_all_and_over_windows():
    series = [[*range(1000, 101_000, 1000), *([MISSING] * 100)]] * 2
    result = figures.latency_us(series, rate=1000)
    assert (result["p50"], result["p99"], result["max"], result["missing"]) == (51, 100, 100, 200)
    assert result["window_p99"] == 100


def test_ratios_and_tables_and_slopes():
    assert figures.ratios({"a": 10.0, "raw": 4.0}, ["raw", "nats"]) == {"a": {"raw": 2.5}, "raw": {"raw": 1.0}}
    assert figures.markdown([{"system": "a", "x": 1234.5}], {"system": "s", "x": "n", "y": "y"}).endswith("| a | 1,234 | - |")
    assert figures.slope([(0, 1.0), (1, 3.0), (2, 5.0)]) == pytest.approx(2.0)
    assert figures.slope([(1, 1.0)]) == 0


def test_systems_are_compared_with_hulak_and_latencies_with_raw():
    medians = {"hulak-ticks": {"ticks_s": 900.0, "cpu_us": 2.0}, "jetstream": {"ticks_s": 100.0, "cpu_us": 20.0}}
    table = reports.ticks({"medians": medians, "ratios": defaultdict(dict)})
    assert "| system | ticks/s, no loss | Hulak's are x | CPU us/delivery | is x Hulak's |" in table
    assert "| jetstream | 100 | 9.00 | 20.00 | 10.00 |" in table
    alone = {"jetstream": medians["jetstream"]}
    assert "Hulak's are x" not in reports.ticks({"medians": alone, "ratios": defaultdict(dict)})
    medians = {"raw": {"p50": 400.0}, "jetstream": {"p50": 1000.0}}
    assert "| jetstream | 1,000 | 2.50 |" in reports.latency({"medians": medians, "ratios": defaultdict(dict)})


def test_what_is_not_installed_is_skipped_with_its_reason(monkeypatch):
    monkeypatch.setattr(installed, "program", lambda name: None)
    skipped = dict(available(["redis", "redis-thin", "hulak-ticks"]))
    assert "redis-server is not installed" in skipped["redis"] == skipped["redis-thin"]
    assert skipped["hulak-ticks"] is None
    lines = []
    result = workloads.ticks(Shape(1, 1, log=lines.append), ["redis"], 1, 0.2)
    assert result["skipped"].keys() == {"redis"}
    assert not result["rows"]
    assert "skipped" in lines[0]


def test_an_unknown_system_is_refused_by_name():
    with pytest.raises(BenchmarkError, match="'hulk' is unknown"):
        list(available(["hulk"]))
    assert {"hulak-ticks", "raw", "redis-thin", "nats", "zproxy-1f-thin"} <= SYSTEMS.keys()


@pytest.mark.system
def test_a_broker_that_drops_ticks_is_caught_exactly():
    result = workloads.selfcheck(SMALL, 0.5)
    assert result["lost"] == result["dropped"] > 0


@pytest.mark.system
def test_hulak_and_raw_side_by_side(tmp_path):
    out = tmp_path / "out.json"
    systems = "hulak-ticks,hulak-ticks-shared,hulak-symbols,hulak-thin,raw"
    words = [
        "ticks",
        "--systems",
        systems,
        "--subscribers",
        "2",
        "--processes",
        "1",
        "--seconds",
        "0.5",
        "--repeats",
        "1",
        "--quiet-within",
        "0",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words, "--json", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert list(result["medians"]) == systems.split(",")
    for row in result["medians"].values():
        assert row["lost"] == 0
        assert row["ticks_s"] > 0  # how many is judged by the benchmark
    assert result["ratios"]["hulak-ticks"].keys() == {"raw"}
    assert "| hulak-ticks |" in done.stdout


@pytest.mark.system
def test_latency_and_memory_of_hulak():
    result = workloads.latency(SMALL, ["hulak-symbols", "raw"], 1, 1.0, 500)
    for row in result["medians"].values():
        assert 0 < row["p50"] <= row["p99"] <= row["max"]
        assert row["missing"] == row["lost"] == 0
    grown = workloads.memory(SMALL, "hulak-ticks", 0.03, 500, 0.0)
    assert {process["role"] for process in grown["processes"]} == {"broker", "publisher", "consumers"}
    assert all(process["start_mb"] > 5 for process in grown["processes"])
