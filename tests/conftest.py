"""Shared by all tests: the option for the full size of the trials, and the distribution among processes."""

import functools
import gc
import random
import sys
from collections import Counter
from pathlib import Path

import hypothesis
import pytest
import zmq

ROOT = Path(__file__).resolve().parents[1]
LAST_PROCESSES = 0.8  # share of the other files that begin before the last file with real processes
hypothesis.settings.register_profile("busy", deadline=None)  # the machine may be: no test is judged by its pauses
hypothesis.settings.load_profile("busy")
sys.path.insert(0, str(ROOT / "tests" / "trials"))  # the checker and the stage of the trials


def pytest_addoption(parser):
    """Add --long."""
    parser.addoption("--long", action="store_true", help="the trials in their full size")


@pytest.fixture
def long(request):
    """Return whether the trials run in their full size."""
    return request.config.getoption("--long")


@pytest.fixture
def context():
    """Make a ZeroMQ context, whose sockets end with the test."""
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@functools.cache
def has_processes(path):
    """Return whether a file's tests start real processes."""
    return "mark.system" in (ROOT / path).read_text(encoding="utf-8")


def file_of(item):
    """Name the file of a test."""
    return item.nodeid.partition("::")[0]


class Shuffled(pytest.Dir):
    """A folder whose content is collected in an order of this process.

    Pytest rewrites the asserts of a file that it has not seen yet, which takes longer than all else that it does with it, and
    keeps the result on disk. Processes that begin at different files rewrite each file once, and not once each.
    """

    def collect(self):
        """Shuffle what is in the folder."""
        content = list(super().collect())
        random.Random(self.config.workerinput["workerid"]).shuffle(content)
        return content


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path, parent):
    """Collect folders in different orders where several processes share the tests."""
    return Shuffled.from_parent(parent, path=path) if hasattr(parent.config, "workerinput") else None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect no garbage while more than 10,000 tests are made, which are none; the collector never checks them again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def spread(counts):
    """Return the place of each file, from 0 to 1: files with real processes at equal distances, up to `LAST_PROCESSES`.

    Of these, files with many tests come first: the last one to end is a short one.

    Args:
        counts: tests of each file.
    """
    slow = sorted(filter(has_processes, counts), key=lambda path: (-counts[path], path))
    quick = [path for path in sorted(counts) if not has_processes(path)]
    places = {path: LAST_PROCESSES * at / len(slow) for at, path in enumerate(slow)}
    return places | {path: at / len(quick) for at, path in enumerate(quick)}


def pytest_collection_modifyitems(config, items):
    """Leave out trials without a short form, but with --long; spread the files with real processes among the others.

    The order matters where several processes share the tests of `make test`: real processes are mostly waited for, the other
    tests compute meanwhile. The last files are quick ones, so that all processes end at about the same time.
    """
    if not config.getoption("--long"):
        left_out = [item for item in items if item.get_closest_marker("full_size")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    if hasattr(config, "workerinput"):
        places = spread(Counter(map(file_of, items)))
        items.sort(key=lambda item: (places[file_of(item)], file_of(item)))  # the same order in all processes


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Share the tests file by file, in our order: a file's tests, and what they have in common, stay together."""
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - only there with -n

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.fixture
def record_figure(record_property):
    """Print a trial's figures at the end of the run, also if it failed."""
    return lambda line: record_property("figure", line)


def pytest_terminal_summary(terminalreporter):
    """Show the trials' figures."""
    reports = [
        report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, []) if report.when == "call"
    ]
    figures = [value for report in reports for name, value in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures of the trials")
        for line in figures:
            terminalreporter.write_line(line)
