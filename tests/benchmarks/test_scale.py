"""The benchmark of growth fits what was planted, names what is worse than linear, and measures a real broker."""

import json
import os

import psutil
import pytest
from click.testing import CliRunner
from waiting import eventually

from benchmarks import machine
from benchmarks.__main__ import main
from benchmarks.scale import ring_readers
from benchmarks.scale.growth import Figure, Table, exponent, exponents, markdown_of, worse

SIZES = (100, 1000, 10_000)


def table(cost, **how):
    figure = Figure("cost", "CPU s", **how)
    return Table("Things", "things", [figure], [{"size": size, "cost": cost(size)} for size in SIZES])


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_exponent_that_was_planted_is_found(power):
    assert exponent([(size, 3 * size**power) for size in SIZES]) == pytest.approx(power)


def test_one_size_has_no_exponent():
    assert exponent([(100, 1.0)]) is None
    assert exponent([(100, 1.0), (100, 2.0)]) is None


def test_what_is_linear_is_not_named_and_what_is_worse_is():
    assert worse(table(lambda n: 0.01 * n)) == []
    assert worse(table(lambda n: 1e-6 * n**2)) == ["Things: CPU s grows with exponent 2.00, linear is 1"]
    assert worse(table(lambda n: 5.0, allowed=0)) == []
    assert worse(table(float, allowed=0)) == ["Things: CPU s grows with exponent 1.00, linear is 0"]
    assert worse(table(float, allowed=None)) == [], "rates are not judged"
    assert worse(table(lambda n: 1e-6 * n**2, peer=True)) == [], "nor are other systems"
    assert exponents(table(lambda n: 1e-6 * n**2, peer=True)) == {"cost": pytest.approx(2)}


def test_very_short_times_are_noise():
    assert exponents(table(lambda n: 1e-12 * n**2)) == {"cost": pytest.approx(0)}
    assert exponents(table(lambda n: 1e-9 * n**2, in_s=1e-3)) == {"cost": pytest.approx(0)}
    assert exponents(table(lambda n: 1e-4 * n**2, in_s=1e-3))["cost"] > 1


def test_what_was_given_up_is_named_and_left_out_of_the_fit():
    result = table(lambda n: 0.01 * n if n < 10_000 else None)
    assert exponents(result) == {"cost": pytest.approx(1)}
    assert worse(result) == ["Things: CPU s took longer than the limit at things 10,000"]
    assert "| 10,000 | - |" in markdown_of(result)


def test_the_last_row_has_the_exponent_and_the_linear_one():
    assert markdown_of(table(lambda n: 0.01 * n)).splitlines()[-1] == "| exponent (linear) | +1.00 (1) |"


def test_readers_of_the_ring_are_compared_within_each_round():
    rounds = [[{"size": 20, "tick_us": cost}, {"size": 200, "tick_us": cost * ratio}] for cost, ratio in ((1, 2), (8, 3), (9, 1))]
    assert ring_readers.medians(rounds) == [
        {"size": 20, "tick_us": 8, "beside": 1},
        {"size": 200, "tick_us": 9, "beside": 2},
    ]


def test_cores_are_kept_busy_by_work_that_gives_way():
    def idle() -> set[int]:
        children = [child.pid for child in psutil.Process().children()]
        return {child for child in children if os.sched_getscheduler(child) == os.SCHED_IDLE}

    before = idle()
    with machine.warm_cores():
        eventually(lambda: len(idle() - before) == len(os.sched_getaffinity(0)), within_s=20)
    assert idle() == before


QUICK = {
    "broker_process.IDLE_S": 0.1,
    "subscribers.PROBES": 10,
    "ring_readers.PROBES": 50,
    "ring_readers.ROUNDS": 2,
    "displays.PROBES": 48,
    "displays.CALM_S": 0.1,
}


@pytest.mark.system
@pytest.mark.parametrize(
    ("parts", "sizes"),
    [
        (["--subscriptions", "20,40", "--rows", "20000", "--journal", "1", "--limit", "1"], [[20, 40], [20_000], [1]]),
        (["--symbols", "30", "--subscribers", "3", "--queued", "100"], [[30], [3], [100]]),
        (["--ring-readers", "2,5", "--displays", "24"], [[2, 5], [24]]),
    ],
)
def test_the_command_measures_each_part_of_a_real_broker(tmp_path, monkeypatch, parts, sizes):
    for name, small in QUICK.items():
        monkeypatch.setattr(f"benchmarks.scale.{name}", small)
    out = tmp_path / "out.json"
    names = {"--subscriptions": "subscribing", "--queued": "queue"}
    wanted = ",".join(names.get(word, word[2:]) for word in parts[::2] if word != "--limit")
    words = ["scale", "--parts", wanted, *parts, "--folder", str(tmp_path), "--json", str(out)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    document = json.loads(out.read_text())
    assert [[row["size"] for row in table["rows"]] for table in document["tables"]] == sizes
    for table in document["tables"]:
        assert all(value is not None and value >= 0 for row in table["rows"] for value in row.values()), table


def test_sizes_and_parts_that_are_none_are_refused():
    assert CliRunner().invoke(main, ["scale", "--parts", "nothing"]).exit_code == 2
    assert "e.g. 100,1000" in CliRunner().invoke(main, ["scale", "--rows", "many"]).output
