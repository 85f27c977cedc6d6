"""The benchmark of recoveries counts a display as live when a state of after the kill says so."""

import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from benchmarks import recovery
from benchmarks.__main__ import main
from benchmarks.recovery import DISPLAYS, SCENARIOS, Watch
from benchmarks.system import BenchmarkError


class States:
    """In the place of a subscriber: states that come one after the other."""

    def __init__(self, *bodies):
        self.bodies = list(bodies)

    def poll(self, timeout_s):
        return SimpleNamespace(body=self.bodies.pop(0)) if self.bodies else None


def state(number, *, after_ns, catching_up=False):
    return {"display": f"d{number}", "published_ns": time.time_ns() + after_ns, "catching_up": catching_up}


def test_a_watch_ends_with_the_last_display_that_is_live():
    live = [state(number, after_ns=10**12) for number in range(DISPLAYS)]
    states = States(
        *live[1:], state(0, after_ns=-(10**12)), state(1, after_ns=10**12, catching_up=True), live[0], live[1], live[2]
    )
    watch = Watch(states)
    watch.wait(10)
    assert states.bodies == live[2:3]  # not before number 1 had said again that it is live
    assert 0 < watch.took_s < 10


@pytest.mark.parametrize("late", [{"after_ns": -(10**12)}, {"after_ns": 10**12, "catching_up": True}])
def test_a_watch_whose_displays_are_missing_reports_how_many(late):
    live = [state(number, after_ns=10**12) for number in range(1, DISPLAYS)]
    with pytest.raises(BenchmarkError, match=f"1 of {DISPLAYS} displays are not live within 0.01 s"):
        Watch(States(*live, state(0, **late))).wait(0.01)


def test_the_command_writes_medians_and_their_ratio(monkeypatch, tmp_path):
    seconds = {0: (1.0, 2.0, 9.0), 20 << 20: (3.0, 1.0, 3.0)}

    def measured(size, repeats, folder, record_figure):
        return {"times": {name: list(seconds[size]) for name in SCENARIOS}, "build_s": 12.0, "ticks": size // 140}

    monkeypatch.setattr(recovery, "_measure", measured)
    done = CliRunner().invoke(main, ["recovery", "--mib", "20", "--repeats", "3", "--json", str(tmp_path / "out.json")])
    assert done.exit_code == 0, done.output
    assert "| one worker killed | 2.00 | 3.00 | 1.50 | 3.00 |" in done.output
    assert "Full: 20 MiB, 149,796 ticks, first processed in 12.0 s. Medians of 3." in done.output
    assert (tmp_path / "out.json").stat().st_size > 100
