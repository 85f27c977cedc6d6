"""What all tests have in common: the option for the full size of the trials."""

import functools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "trials"))  # the checker and the stage of the trials


def pytest_addoption(parser):
    """Add --long."""
    parser.addoption("--long", action="store_true", help="the trials in their full size")


@pytest.fixture
def long(request):
    """Tell whether the trials are wanted in their full size."""
    return request.config.getoption("--long")


@functools.cache
def group_of(nodeid):
    """Say what runs in one process, in order, when `make test` has two.

    Those with real processes are two groups, tests/system and the others; of the rest each file is one.
    """
    path = nodeid.partition("::")[0]
    if path.startswith("tests/system/"):
        return "1 system"
    return "2 trials" if "mark.system" in (ROOT / path).read_text(encoding="utf-8") else path


def pytest_collection_modifyitems(config, items):
    """Put the long ones first where two processes share the tests."""
    if hasattr(config, "workerinput"):
        order = {group: place for place, group in enumerate(sorted({group_of(item.nodeid) for item in items}))}
        items.sort(key=lambda item: order[group_of(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Share the tests by `group_of`."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only there with -n

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    config.option.loadscopereorder = False  # the order is ours
    return ByGroup(config, log)


@pytest.fixture
def tell(record_property):
    """Have a trial's figures shown at the end of the run, whatever became of it."""
    return lambda line: record_property("figure", line)


def pytest_terminal_summary(terminalreporter):
    """Show the trials' figures."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, []) if one.when == "call"]
    figures = [value for report in reports for name, value in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures of the trials")
        for line in figures:
            terminalreporter.write_line(line)
