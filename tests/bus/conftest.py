"""Shared by the tests of the journal: its folder, and journals in it that end with the test."""

import contextlib

import pytest
from journal_fixture import JournalFixture


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def offices(folder):
    made = []

    def make(**settings):
        made.append(JournalFixture(folder, **settings))
        return made[-1]

    yield make
    for office in made:
        with contextlib.suppress(OSError):
            office.journal.close()
