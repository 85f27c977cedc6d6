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


FIGURES = pytest.StashKey()


@pytest.fixture
def tell(request):
    """Have a trial's figures shown at the end of the run, whatever became of it."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter, config):
    """Show the trials' figures."""
    figures = config.stash.get(FIGURES, [])
    if figures:
        terminalreporter.section("figures of the trials")
        for line in figures:
            terminalreporter.write_line(line)
