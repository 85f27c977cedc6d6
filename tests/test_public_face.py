"""`import hulak`: the names for users, loaded lazily, from one place."""

import importlib
import subprocess
import sys

import pytest

import hulak
from hulak.bus import errors

LIGHT = "import sys, hulak; print([name for name in ('zmq', 'msgpack', 'click', 'requests') if name in sys.modules])"


@pytest.mark.parametrize("name", hulak.__all__)
def test_everything_on_the_face_is_there_and_is_the_same_as_in_its_module(name):
    module = importlib.import_module(hulak.FACE.get(name, "hulak.bus.errors"))
    assert getattr(hulak, name) is getattr(module, name)
    assert name in dir(hulak)


def test_the_face_imports_nothing_before_it_is_used():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_not_on_the_face_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'hulak' has no attribute 'Nothing'"):
        hulak.Nothing  # noqa: B018


def test_every_error_that_users_may_meet_is_on_the_face():
    inside = {"DatabaseUnreadable", "PartEnded"}  # of the broker alone
    ours = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.HulakError)}
    assert ours - inside == set(hulak.__all__) - set(hulak.FACE)
