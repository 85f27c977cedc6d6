"""Which room may import which, what is pure, and how large a file may grow.

A room is a folder of a package; modules beside the rooms of `bus` are pure and may be imported by all. Each room's `__init__.py`
says what it contains, which rooms may import it and where to start reading; the rules below say the same in code.
"""

import ast
import functools
from collections import defaultdict
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

SHARED = {"errors", "version", "backoff", "histogram"}
MAY = {  # room of `bus` -> what of `bus` it may import, beside itself
    **{module: {"errors"} for module in SHARED},
    "wire": {"errors"},
    "live_config": {"errors", "wire"},
    "core": {*SHARED, "wire", "live_config"},
    "process": {*SHARED, "wire", "live_config"},
    "subscriber": {*SHARED, "wire", "process"},
    "broker": {*SHARED, "wire", "live_config", "core", "process"},
    "__main__": {*SHARED, "process", "broker"},
}
OF_THE_BROKER = ("bus.core.", "bus.broker.")  # and of no other room, except:
MAY_IMPORT_THE_BROKER = {
    "clients/cli/journal.py": ("bus.core.journal.", "bus.broker.storage."),  # reads its files where no broker runs
    "clients/cli/journal_files.py": ("bus.core.journal.", "bus.broker.storage."),  # likewise
    "clients/cli/journal_info.py": ("bus.core.journal.", "bus.broker.storage."),
    "clients/cli/journal_export.py": ("bus.broker.storage.",),  # likewise
    "clients/cli/journal_frames.py": ("bus.core.journal.",),  # likewise
    "clients/cli/task_load.py": ("bus.broker.loop.",),  # starts a separate broker, to measure it
    "clients/gateway/api/": (  # the arguments of the control services, of which it makes its own
        "bus.core.control_arguments.",
        "bus.core.control_requests.",
        "bus.core.schedules.schedule_requests.",
        "bus.core.alerts.alert_requests.",
        "bus.core.layout_requests.",
    ),
    "benchmarks/": OF_THE_BROKER,  # measures it from inside
}

PURE = (
    "bus/wire/",
    "bus/process/pending_requests.py",
    "bus/live_config/",
    "bus/core/",
    "workers/display/quantities/",
    "clients/doctor/checks/",
    "clients/derive/rules/",
    *(
        f"clients/bridge/{module}.py"
        for module in ("spans", "outgoing", "incoming", "held_tasks", "task_messages", "shared_config")
    ),
    *(f"clients/feeds/{module}.py" for module in ("delivery", "unconfirmed")),
    *(f"bus/{module}.py" for module in SHARED),
)
CALM = {"bisect", "collections", "dataclasses", "enum", "functools", "heapq", "itertools", "math", "operator", "typing"}
CALM |= {"array", "decimal", "fractions", "datetime", "difflib", "email", "re", "reprlib"}  # numbers and texts
CALM |= {"binascii", "contextlib", "msgpack", "msgspec", "struct", "zlib"}  # bytes to bytes, and values that cost little to make
CALM |= {"zstandard"}  # likewise
NEEDS = {"bus/version.py": "importlib", "bus/wire/codec.py": "threading"}  # its own metadata; a packer for each thread
NEEDS |= {"clients/bridge/incoming.py": "hashlib"}  # the same instance for a site and an epoch on each machine
NEEDS |= {"clients/doctor/checks/result.py": "clients"}  # the levels of the judge, which is pure too
NEEDS |= {"bus/core/schedules/due_times.py": "cronsim"}  # pure too: a time in, times out

LONGEST = 400

FILES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))
MODULES = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in FILES}


@functools.cache
def tree_facts(name):
    """Return what the rules ask of a file's tree: its imports, its docstring and the names of its classes."""
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    return list(imported(name, tree)), ast.get_docstring(tree) or "", list(class_names(tree))


def imported(name, tree):
    """Yield the name, within `hulak`, of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("hulak.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            yield from (f"{node.module}.{alias.name}".removeprefix("hulak.") for alias in node.names)


def across_packages(name, imports):
    """List what belongs to a package that this file's package may not import."""
    if name.startswith(STARTS_THINGS):
        return []
    wrong = [module for module in imports if module.split(".")[0] in FORBIDDEN[name.split("/")[0]]]
    return [module for module in wrong if not (name in MEASURES and f"{module}.".startswith(f"{MEASURES[name]}."))]


def across_rooms(name, imports):
    """List what belongs to a room of `bus` that this file may not enter."""
    ours = [module for module in imports if module.startswith("bus.")]
    if name.startswith("bus/"):
        room = name.split("/")[1].removesuffix(".py")
        return [module for module in ours if module.split(".")[1] not in {room, *MAY[room]}]
    allowed = next((rooms for place, rooms in MAY_IMPORT_THE_BROKER.items() if name.startswith(place)), ())
    return [
        module for module in ours if f"{module}.".startswith(OF_THE_BROKER) and not f"{module}.".startswith(allowed or ("-",))
    ]


def impure(name, imports):
    """List what is neither pure itself nor calm, if this file must be pure."""
    if not name.startswith(PURE):
        return []
    pure = tuple(place.removesuffix(".py").rstrip("/").replace("/", ".") + "." for place in PURE)
    return [
        module
        for module in imports
        if not f"{module}.".startswith(pure) and module.split(".")[0] not in CALM and module.split(".")[0] != NEEDS.get(name)
    ]


def forbidden_imports(name, source=None):
    """List what this file imports though it may not."""
    names = tree_facts(name)[0] if source is None else list(imported(name, ast.parse(source)))
    return [*across_packages(name, names), *across_rooms(name, names), *impure(name, names)]


def test_each_module_imports_only_what_its_room_may():
    wrong = {name: forbidden_imports(name) for name in FILES}
    assert {name: modules for name, modules in wrong.items() if modules} == {}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bus/process/sockets.py", "from hulak.workers.runtime.session import Session"),
        ("workers/runtime/worker.py", "def later():\n    import hulak.sim.fx_market"),
        ("clients/calls/client.py", "import hulak.workers"),
        ("sim/venue.py", "from hulak.clients.feeds import live"),
        ("benchmarks/tick.py", "import hulak.workers.display.quantities.state"),
        ("benchmarks/displays.py", "import hulak.workers.runtime.worker"),
        ("workers/runtime/worker.py", "from hulak.bus.core.tasks import timers"),
        ("workers/runtime/worker.py", "import hulak.bus.broker.loop"),
        ("clients/history.py", "from hulak.bus.broker.storage import journal"),
        ("clients/cli/journal.py", "from hulak.bus.core.tasks.timers import Timers"),
        ("sim/venue.py", "from hulak.bus.core import effects"),
        ("bus/wire/codec.py", "from hulak.bus.core import effects"),
        ("bus/wire/codec.py", "from hulak.bus.live_config import keys"),
        ("bus/live_config/keys.py", "from hulak.bus.process.settings import Settings"),
        ("bus/core/effects.py", "from hulak.bus.process import sockets"),
        ("bus/process/member.py", "from hulak.bus.core import control"),
        ("bus/subscriber/subscriber.py", "from hulak.bus.broker import loop"),
        ("bus/broker/loop.py", "from hulak.bus.subscriber.subscriber import Subscriber"),
        ("bus/backoff.py", "from hulak.bus.wire import codec"),
        ("workers/display/quantities/twap.py", "import time"),
        ("workers/display/quantities/twap.py", "from hulak.workers.display import worker"),
        ("bus/core/tasks/task_queue.py", "import random"),
        ("bus/core/broker_state.py", "import zmq"),
        ("bus/wire/codec.py", "import os.path"),
    ],
)
def test_an_import_across_the_rooms_would_be_seen(name, source):
    assert forbidden_imports(name, source) != []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bus/core/tasks/task_queue.py", "from hulak.bus.wire import messages"),
        ("bus/core/tasks/task_queue.py", "from collections.abc import Callable"),
        ("clients/cli/up.py", "import hulak.sim.venue, workers.runtime.worker"),
        ("clients/cli/journal.py", "from hulak.bus.core.journal.record_format import scan"),
        ("workers/runtime/worker.py", "import time, zmq, bus.process.sockets"),
    ],
)
def test_an_import_within_the_rooms_is_let_through(name, source):
    assert forbidden_imports(name, source) == []


def test_every_package_of_the_bus_has_an_import_rule_and_the_bus_has_eleven_entries():
    entries = {path.name for path in (ROOT / "bus").iterdir()} - {"__init__.py", "__main__.py", "__pycache__", "py.typed"}
    rooms = {name.removesuffix(".py") for name in entries} - {"PROTOCOL.md"}
    assert rooms == set(MAY) - {"__main__"}
    assert len(entries) <= 11


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("__init__.py") and not name.startswith("benchmarks/")])
def test_a_packages_docstring_lists_its_contents_its_importers_and_where_to_start(name):
    text = tree_facts(name)[1].splitlines()
    assert len(text) == 3
    assert text[1].startswith("Imported by ")
    start = text[2].removeprefix("Start with ").partition("`")[2].partition("`")[0]
    assert (ROOT / name).with_name(start).exists(), f"{name} says: start with {start!r}"


def test_no_file_of_the_bus_has_the_name_of_another():
    places = defaultdict(list)
    for name in FILES:
        if name.startswith("bus/") and not name.endswith("__init__.py"):
            places[name.rpartition("/")[2]].append(name)
    assert [paths for paths in places.values() if len(paths) > 1] == []


def class_names(tree):
    """Yield the names of a module's classes, and of its type aliases and type variables, which begin like those of classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None), getattr(node, "name", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        yield from (name for name in names if name[0].isupper() and not name.isupper())


def named_twice(names):
    """Map each name that classes of several files have to these files; `names` maps files to the names of their classes."""
    places = defaultdict(set)
    for name, classes in names.items():
        for class_name in classes:
            places[class_name].add(name)
    return {class_name: paths for class_name, paths in places.items() if len(paths) > 1}


def test_no_class_of_the_bus_has_the_name_of_another():
    assert named_twice({name: tree_facts(name)[2] for name in FILES if name.startswith("bus/")}) == {}


def classes_of(sources):
    return {name: list(class_names(ast.parse(source))) for name, source in sources.items()}


@pytest.mark.parametrize(
    "source",
    ["class Tick:\n    pass", "Tick = tuple[float, float]", "Tick: TypeAlias = int", 'Tick = TypeVar("Tick")'],
)
def test_a_class_of_the_same_name_would_be_seen(source):
    sources = {"bus/wire/messages.py": "class Tick: ...", "bus/core/ticks/intake.py": source}
    assert named_twice(classes_of(sources)) == {"Tick": set(sources)}


def test_constants_and_what_is_imported_may_have_the_same_name():
    sources = {"bus/a.py": "MOST = 1\nclass Tick: ...", "bus/b.py": "MOST = 2\nfrom hulak.bus.a import Tick"}
    assert named_twice(classes_of(sources)) == {}


def test_the_values_of_the_bus_cost_little_to_define():
    """At each start of each process a frozen dataclass takes a millisecond, and a `msgspec.Struct` a small part of it."""
    of_the_bus = [name for name in FILES if name.startswith("bus/")]
    slow = [name for name in of_the_bus if "@dataclass(frozen" in (ROOT / name).read_text(encoding="utf-8")]
    assert slow == [], "must be msgspec.Struct, frozen=True"


def test_each_file_can_be_read_in_one_sitting():
    lines = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in [*FILES, *TESTS]}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}, f"must have at most {LONGEST} lines"


def test_each_module_opens_with_what_it_decides():
    written = [name for name in FILES if (ROOT / name).stat().st_size]
    assert [name for name in written if not tree_facts(name)[1]] == [], "must have a docstring"
