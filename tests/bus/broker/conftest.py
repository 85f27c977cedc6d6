"""Shared by the tests of posted tasks: services in a folder that end with the test."""

import pytest
from posted_task_fixture import PostedTaskFixture


@pytest.fixture
def start(tmp_path):
    made = []

    def make(**bounds):
        made.append(PostedTaskFixture(tmp_path, **bounds))
        return made[-1]

    yield make
    for fixture in made:
        fixture.database.close()
