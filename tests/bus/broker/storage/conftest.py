"""Shared by the tests of the store: stores in a folder that end with the test."""

import pytest
from database_fixture import DatabaseFixture


@pytest.fixture
def open_store(tmp_path):
    made = []

    def make(now=None):
        made.append(DatabaseFixture(tmp_path, now))
        return made[-1]

    yield make
    for fixture in made:
        fixture.database.close()
