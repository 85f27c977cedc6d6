"""The package's own subscriber, feed, client and worker, and all examples, judged by every rule of `hulak conform`.

Nothing is installed here: a language whose bindings are missing is skipped, with what was missing.
"""

import shutil
import subprocess
import sys

import pytest
from c_program import EXAMPLES, compiled_c
from local_bus import ROOT

from hulak.clients.conform.kinds import KINDS
from hulak.clients.conform.runner import judge

pytestmark = [pytest.mark.system, pytest.mark.full_size, pytest.mark.timeout(300)]
LIMIT_S = 30.0  # for one run of a program
OWN = ROOT / "tests" / "clients" / "conform" / "own_programs.py"
FILES = {"subscriber": "subscriber", "feed": "feed", "client": "call", "worker": "worker"}
LANGUAGES = {  # ending -> interpreter, and the words that show that its bindings are there
    "pl": ("perl", ["-MZMQ::FFI", "-MData::MessagePack", "-e1"]),
    "rb": ("ruby", ["-rffi-rzmq", "-rmsgpack", "-e1"]),
    "php": ("php", ["-r", "exit(extension_loaded('zmq') && extension_loaded('msgpack') ? 0 : 1);"]),
}
EXAMPLE_FILES = sorted(path.name for path in EXAMPLES.iterdir() if path.stem in FILES.values())


def failed(kind, command):
    """Return the rules that a program breaks, with what was found."""
    verdicts = [judge(KINDS[kind], rule, command, LIMIT_S) for rule in KINDS[kind].rules]
    return {verdict.rule.name: verdict.findings for verdict in verdicts if not verdict.passed}


def javascript(program, folder, config):
    """Copy a program beside the packages that tests/system/test_examples.py has installed; return its path."""
    cache = getattr(config, "cache", None)  # pytest can be run without one
    modules = next(cache.mkdir("examples").glob("*/node_modules"), None) if cache and shutil.which("node") else None
    if modules is None:
        pytest.skip("the npm packages are not installed: run tests/system/test_examples.py first, with node and npm")
    (folder / "node_modules").symlink_to(modules)
    return str(shutil.copy(program, folder))


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_program_of_the_package_follows_every_rule(kind, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert failed(kind, [sys.executable, str(OWN), kind]) == {}


@pytest.mark.parametrize("name", EXAMPLE_FILES)
def test_an_example_follows_every_rule(name, tmp_path, request):
    stem, _, ending = name.partition(".")
    (kind,) = [kind for kind, file in FILES.items() if file == stem]
    if ending == "c":
        command = compiled_c(stem, tmp_path)
    elif ending == "py":
        command = [sys.executable, "-I", str(EXAMPLES / name)]
    elif ending == "mjs":
        command = [shutil.which("node"), javascript(EXAMPLES / name, tmp_path, request.config)]
    else:
        interpreter, needs = LANGUAGES[ending]
        path = shutil.which(interpreter)
        if path is None or subprocess.run([path, *needs], capture_output=True, check=False).returncode != 0:
            pytest.skip(f"{interpreter} with its bindings of ZeroMQ and msgpack is not installed: see the head of {name}")
        command = [path, str(EXAMPLES / name)]
    assert failed(kind, command) == {}
