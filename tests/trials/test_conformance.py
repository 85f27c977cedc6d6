"""The package's own subscriber, feed, client and worker, and all examples, judged by every rule of `hulak conform`.

Nothing is installed here: a language whose bindings are missing is skipped, with what was missing.
"""

import os
import shutil
import subprocess
import sys

import msgspec
import pytest
from c_program import EXAMPLES
from compiled_examples import COMPILED as NATIVE
from local_bus import ROOT, LocalBus
from virtual_machines import compiled_erlang, compiled_java

from hulak.bus.process import key_files
from hulak.bus.wire.roles import parse_roles
from hulak.clients.cli import key_store
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
    "lua": ("luajit", ["-e", "require 'MessagePack'; require('ffi').load 'libzmq.so.5'"]),
    "m": ("octave-cli", ["-qf", "--eval", "pkg load zeromq"]),
    "R": ("Rscript", ["-e", "library(pbdZMQ)"]),
}
COMPILED = {**NATIVE, "erl": compiled_erlang, "java": compiled_java}
WITH_KEY = [*NATIVE, "mjs", "py"]  # endings of the languages whose programs all take a key
EXAMPLE_FILES = sorted(path.name for path in EXAMPLES.iterdir() if path.stem.lower() in FILES.values())


def failed(kind, command):
    """Return the rules that a program breaks, with what was found."""
    verdicts = [judge(KINDS[kind], rule, command, LIMIT_S) for rule in KINDS[kind].rules]
    return {verdict.rule.name: verdict.findings for verdict in verdicts if not verdict.passed}


def javascript(program, folder, config):
    """Copy the programs beside the packages that tests/system/test_examples.py has installed; return the path of one."""
    cache = getattr(config, "cache", None)  # pytest can be run without one
    modules = next(cache.mkdir("examples").glob("*/node_modules"), None) if cache and shutil.which("node") else None
    if modules is None:
        pytest.skip("the npm packages are not installed: run tests/system/test_examples.py first, with node and npm")
    folder.mkdir()
    (folder / "node_modules").symlink_to(modules)
    for path in EXAMPLES.glob("*.mjs"):
        shutil.copy(path, folder)
    return str(folder / program)


def started(name, folder, config):
    """Return the command that starts an example; skip the test if its language is not installed."""
    stem, _, ending = name.partition(".")
    if ending in COMPILED:
        return COMPILED[ending](stem, folder)
    if ending == "py":
        return [sys.executable, "-sE", str(EXAMPLES / name)]
    if ending == "mjs":
        return [shutil.which("node"), javascript(name, folder / stem, config)]
    interpreter, needs = LANGUAGES[ending]
    path = shutil.which(interpreter)
    if path is None or subprocess.run([path, *needs], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{interpreter} with its bindings of ZeroMQ and msgpack is not installed: see the head of {name}")
    return [path, str(EXAMPLES / name)]


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_program_of_the_package_follows_every_rule(kind, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert failed(kind, [sys.executable, str(OWN), kind]) == {}


@pytest.mark.parametrize("name", EXAMPLE_FILES)
def test_an_example_follows_every_rule(name, tmp_path, request):
    (kind,) = [kind for kind, file in FILES.items() if file == name.partition(".")[0].lower()]
    assert failed(kind, started(name, tmp_path, request.config)) == {}


@pytest.mark.parametrize("ending", WITH_KEY)
def test_an_example_with_a_key_does_calls_and_tasks_of_a_real_broker_also_while_its_key_is_replaced(ending, tmp_path, request):
    worker, call = (started(f"{name}.{ending}", tmp_path, request.config) for name in ("worker", "call"))
    with LocalBus(**{"security.loopback": "owner"}) as local_bus:
        key_store.ensure_broker_key(local_bus.home)
        roles = parse_roles(["submit:sums", "work:sums"])
        _, path = key_store.make(local_bus.home, "alice", roles, "", None, None)
        key = key_files.read_client_key(path)
        changed = msgspec.structs.replace(key, server=key_files.new_pair().public, server_next=key.server)
        rotated = key_files.write_client_key(tmp_path / "rotated.secret", changed)
        local_bus.start_broker()
        variables = {**os.environ, "HULAK_KEY": str(path)}
        local_bus.processes.append(subprocess.Popen([*worker, local_bus.addresses["backend"], "sums"], env=variables))
        variables["HULAK_KEY"] = str(rotated)
        words = [*call, local_bus.addresses["frontend"], "sums", "add", "3"]
        done = subprocess.run(words, env=variables, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["reply 2", "reply 4", "reply 6"], done.stderr


@pytest.mark.parametrize("name", ["Subscriber", "Call", "Worker"])
def test_an_example_in_java_follows_every_rule_with_the_other_binding_too(name, tmp_path):
    (kind,) = [kind for kind, file in FILES.items() if file == name.lower()]
    assert failed(kind, compiled_java(name, tmp_path, "zmq.jar")) == {}
