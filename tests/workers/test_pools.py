"""Which groups of supervisord are pools, and within which bounds."""

import pytest

from hulak.bus.process.settings import ScalingSettings, ServiceScaling, Settings
from hulak.workers.pools import find_pools, slots_of, workers_of
from hulak.workers.scaling import Options

PYTHON = '"/opt/hulak/bin/python" -P -m '


def group(service, autostarts, command=None, name="{service}_{number:02d}"):
    command = command or f"{PYTHON}hulak worker {service} --module shop"
    return [
        {
            "name": name.format(service=service, number=number),
            "group": service,
            "command": command,
            "autostart": autostart,
            "logs": [],
        }
        for number, autostart in enumerate(autostarts)
    ]


def bounds(programs, **settings):
    pools = find_pools(programs, Settings(**settings))
    return {pool.service: (pool.options.min_workers, pool.options.max_workers) for pool in pools}


def test_the_bounds_of_a_pool_are_the_slots_that_start_by_themselves_and_all_slots():
    programs = [*group("sums", [True, True, False]), *group("rare", [False, False]), *group("x.y-z", [True, False])]
    assert bounds(programs) == {"sums": (2, 3), "rare": (0, 2), "x.y-z": (1, 2)}


def test_settings_of_a_service_replace_the_bounds_of_its_slots_and_slots_limit_them():
    programs = group("sums", [True, True, False, False])
    assert bounds(programs, services={"sums": ServiceScaling(min_workers=0, max_workers=3)}) == {"sums": (0, 3)}
    assert bounds(programs, services={"sums": ServiceScaling(min_workers=9, max_workers=9)}) == {"sums": (4, 4)}
    assert bounds(programs, services={"sums": ServiceScaling(max_workers=1)}) == {"sums": (1, 1)}


def test_idle_time_and_threshold_of_the_section_scaling_are_the_defaults():
    own = ServiceScaling(scaling_threshold=0.5)
    settings = Settings(scaling=ScalingSettings(idle_timeout_s=7.0, max_workers=2), services={"sums": own})
    (pool,) = find_pools(group("sums", [True] + [False] * 7), settings)
    assert pool.options == Options(1, 8, 7.0, 0.5)


@pytest.mark.parametrize("autostarts", [[True, False, False, False, False], [False] * 5])
def test_the_bounds_of_nepse_are_those_of_the_section_scaling(autostarts):
    programs = group("nepse", autostarts, f"{PYTHON}hulak.workers nepse")
    assert bounds(programs) == {"nepse": (1, 5)}
    assert bounds(programs, scaling=ScalingSettings(min_workers=2, max_workers=3)) == {"nepse": (2, 3)}


@pytest.mark.parametrize(
    "programs",
    [
        group("sums", [True, True, True]),  # none is spare
        group("sums", [True, False], name="{service}{number}"),
        group("sums", [True, False], f"{PYTHON}hulak worker other --module shop"),
        group("sums", [True, False], f"{PYTHON}hulak worker sums2 --module shop"),
        group("sums", [True, False], "/usr/bin/cat"),
        [*group("sums", [True, False]), {**group("sums", [True])[0], "name": "helper"}],
    ],
)
def test_a_group_with_a_process_that_is_no_spare_slot_of_its_service_is_no_pool(programs):
    assert bounds(programs) == {}


def test_rows_become_slots_and_workers():
    rows = [
        {"name": "nepse_01", "group": "nepse", "state": "running", "pid": 5, "uptime_s": 7},
        {"name": "broker", "group": "broker", "state": "running", "pid": 4, "uptime_s": 7},
        {"name": "nepse_00", "group": "nepse", "state": "stopped", "pid": 0, "uptime_s": 0},
    ]
    assert [(slot.name, slot.state, slot.pid, slot.due) for slot in slots_of("nepse", rows, ["nepse:nepse_01"])] == [
        ("nepse_00", "stopped", 0, False),
        ("nepse_01", "running", 5, True),
    ]
    common = {"service": "nepse", "held": 0, "done": 2, "failed": 1, "age_s": 9.0}
    workers = [
        {**common, "name": "a", "state": "busy", "slot": "nepse_01", "pid": 5},
        {**common, "name": "b", "state": "retiring", "held": 1},
        {**common, "name": "c", "state": "ready", "service": "chess"},
    ]
    first, second = workers_of("nepse", workers)
    assert (first.slot, first.pid, first.busy, first.handled, first.retiring) == ("nepse_01", 5, True, 3, False)
    assert (second.slot, second.pid, second.busy, second.retiring) == ("", 0, True, True)
