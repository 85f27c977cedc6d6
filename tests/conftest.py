"""What all tests have in common: the option for the full size of the trials."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "trials"))  # the checker and the stage of the trials


def pytest_addoption(parser):
    """Add --long."""
    parser.addoption("--long", action="store_true", help="the trials in their full size")


@pytest.fixture
def long(request):
    """Tell whether the trials are wanted in their full size."""
    return request.config.getoption("--long")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Group the tests for `make test`, which runs them in two processes: those with real processes never at the same time.

    They are all in one group, whose tests one of the two runs in their order; the other one runs the rest, file by file.
    """
    for item in items:
        group = "system" if item.get_closest_marker("system") else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


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
