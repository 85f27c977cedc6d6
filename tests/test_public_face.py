"""`import hulak`: the names for users, loaded lazily, from one place."""

import importlib
import subprocess
import sys

import pytest

import hulak
from hulak.bus import errors

LIGHT = "import sys, hulak; print([name for name in ('zmq', 'msgpack', 'click', 'requests') if name in sys.modules])"

BROKER = """
import sys
import hulak.bus.__main__
from hulak.bus.process import log
from hulak.bus.process.settings import LogSettings

log.set_up(LogSettings(), process="broker")
print([name for name in ("rich", "psutil", "importlib.metadata", "importlib.resources", "click") if name in sys.modules])
"""
GATEWAY = BROKER.replace("hulak.bus.__main__", "hulak.clients.gateway.process").replace(
    '("rich", "psutil", "importlib.metadata", "importlib.resources", "click")', '("rich",)'
)
WORKER = BROKER.replace("hulak.bus.__main__", "hulak.workers.__main__, hulak.workers.display.worker")


@pytest.mark.parametrize("name", hulak.__all__)
def test_everything_on_the_face_is_there_and_is_the_same_as_in_its_module(name):
    module = importlib.import_module(hulak.FACE.get(name, "hulak.bus.errors"))
    assert getattr(hulak, name) is getattr(module, name)
    assert name in dir(hulak)


@pytest.mark.parametrize("program", [LIGHT, BROKER, GATEWAY, WORKER], ids=["face", "broker", "gateway", "worker"])
def test_a_process_imports_nothing_that_it_does_not_use(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_not_on_the_face_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'hulak' has no attribute 'Nothing'"):
        hulak.Nothing  # noqa: B018


def test_every_error_that_users_may_meet_is_on_the_face():
    inside = {"AlreadyRuns", "DatabaseUnreadable", "PartEnded"}  # of the processes alone
    ours = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.HulakError)}
    assert ours - inside == set(hulak.__all__) - set(hulak.FACE)


def test_ctrl_c_during_the_imports_of_a_command_prints_no_traceback():
    program = """
import sys
class Interrupted:
    def find_spec(self, *_):
        raise KeyboardInterrupt
import hulak
sys.meta_path.insert(0, Interrupted())
hulak.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
