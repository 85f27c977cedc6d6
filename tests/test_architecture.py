"""ARCHITECTURE.md: every file and function that it names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`((?:bus|workers|clients|sim|tests)/[\w/.]*)`", TEXT)))
FUNCTIONS = sorted(set(re.findall(r"`([\w/]+\.py)`\s+\(`(\w+)`\)", TEXT)))


@pytest.mark.parametrize("place", PLACES)
def test_a_file_or_folder_that_is_named_exists(place):
    assert (ROOT / place).exists()


@pytest.mark.parametrize(("file", "name"), FUNCTIONS)
def test_a_function_that_is_named_exists_in_its_file(file, name):
    assert re.search(rf"^ *(?:async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_walks_name_enough_to_be_followed():
    assert len(FUNCTIONS) >= 30


def test_every_room_of_the_bus_is_on_the_map():
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "bus").rglob("__init__.py")} - {"bus"}
    assert rooms <= set(PLACES)
