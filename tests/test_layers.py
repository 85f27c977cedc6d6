"""Who may import whom, and how large a file may grow."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bus", "workers", "clients", "sim", "benchmarks")
FORBIDDEN = {
    "bus": {"workers", "clients", "sim", "benchmarks"},
    "workers": {"clients", "sim", "benchmarks"},
    "clients": {"workers", "sim", "benchmarks"},
    "sim": {"workers", "clients", "benchmarks"},
    "benchmarks": {"workers", "sim"},
}
MEASURES = {"benchmarks/displays.py": "workers.display"}  # a computation needs no process to be measured in
STARTS_THINGS = ("clients/cli/", "benchmarks/tasks/apps/")  # the command line, and what workers load, may import what they start
CORE_MAY = ("bus.wire.messages", "bus.errors", "bus.wire.plain_values", "bus.wire.report_values", "bus.wire.codec", "bus.core")
CALM = {"bisect", "collections", "dataclasses", "enum", "functools", "heapq", "itertools", "math", "operator", "typing"}
CALM |= {"array", "decimal", "fractions"}  # numbers
CALM |= {"binascii", "struct", "zlib", "msgspec"}  # bytes to bytes, and values that cost little to make
COMPUTES = tuple(
    f"workers/display/{name}.py"
    for name in (
        "adaptive_scale",
        "adr",
        "basket",
        "config",
        "counted",
        "deflection",
        "direction",
        "extremes",
        "flash",
        "init",
        "levels",
        "price_text",
        "profile",
        "rounding",
        "spread",
        "state",
        "twap",
        "value_area",
        "visual_range",
        "volatility",
    )
)  # pure, as bus/core is
LONGEST = 300

FILES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(name, source=None):
    """Yield the full name of everything a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source if source is not None else (ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            yield from (f"{node.module}.{one.name}" for one in node.names)


def strangers(name, source=None):
    """List what this file imports though its layer may not."""
    found = list(imported(name, source))
    wrong = []
    if not name.startswith(STARTS_THINGS):
        across = [one for one in found if one.split(".")[0] in FORBIDDEN[name.split("/")[0]]]
        wrong += [one for one in across if not (name in MEASURES and f"{one}.".startswith(f"{MEASURES[name]}."))]
    if name.startswith(COMPUTES):
        wrong += [
            one
            for one in found
            if not f"{one}.".startswith(("workers.display.", "bus.errors.", "bus.wire.price_digits."))
            and one.split(".")[0] not in CALM
        ]
    if name.startswith("bus/core/"):
        for one in found:
            ours = any(f"{one}.".startswith(f"{allowed}.") for allowed in CORE_MAY) or one == "bus.wire.messages"
            calm = one.split(".")[0] in CALM
            wrong += [] if ours or calm else [one]
    return wrong


@pytest.mark.parametrize("name", FILES)
def test_a_module_imports_only_what_its_layer_may(name):
    assert strangers(name) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bus/process/sockets.py", "from workers.runtime.session import Session"),
        ("workers/runtime/worker.py", "def later():\n    import sim.fx_market"),
        ("clients/calls/client.py", "import workers"),
        ("sim/venue.py", "from clients import feed"),
        ("benchmarks/tick.py", "import workers.display.state"),
        ("benchmarks/displays.py", "import workers.runtime.worker"),
        ("workers/display/state.py", "import time"),
        ("bus/core/tasks/task_queue.py", "import time"),
        ("bus/core/tasks/task_queue.py", "from bus import sockets"),
        ("bus/core/tasks/task_queue.py", "from bus.process.load_settings import Settings"),
        ("bus/core/tasks/task_queue.py", "import random"),
        ("bus/core/broker_state.py", "import zmq"),
        ("bus/core/broker_state.py", "import os.path"),
    ],
)
def test_an_import_across_the_layers_would_be_seen(name, source):
    assert strangers(name, source) != []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bus/core/tasks/task_queue.py", "from bus import messages"),
        ("bus/core/tasks/task_queue.py", "from collections.abc import Callable"),
        ("clients/cli/up.py", "import sim.venue, workers.runtime.worker"),
        ("workers/runtime/worker.py", "import time, zmq, bus.core.tasks.timers"),
    ],
)
def test_an_import_within_the_layers_is_let_through(name, source):
    assert strangers(name, source) == []


@pytest.mark.parametrize("name", FILES)
def test_a_file_can_be_read_in_one_sitting(name):
    lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{name} has {lines} lines, must be at most {LONGEST}"


@pytest.mark.parametrize("name", [name for name in FILES if (ROOT / name).stat().st_size])
def test_a_module_opens_with_what_it_decides(name):
    assert ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8"))), f"{name} has no docstring"
