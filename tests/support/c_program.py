"""The examples in C, compiled for a test."""

import os
import shutil
import subprocess

import pytest
from local_bus import ROOT

EXAMPLES = ROOT / "clients" / "examples"
INSTALLS_WITHIN_S = 100


def attempt(*words, cwd=None, given=None):
    """Run a tool; return an empty text if it succeeded, else the reason that it printed."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            words, check=False, cwd=cwd, env=environment, input=given, capture_output=True, text=True, timeout=INSTALLS_WITHIN_S
        )
    except subprocess.TimeoutExpired:
        return f"{words[0]} took longer than {INSTALLS_WITHIN_S} s"
    lines = done.stderr.strip().splitlines() or ["it printed no reason"]
    return "" if done.returncode == 0 else next((line for line in lines if "error" in line.lower()), lines[-1])


def compiled_c(name, folder):
    """Compile an example; return the command that starts it. Install libzmq's headers where they are missing: pyzmq has none."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    if attempt(compiler, "-E", "-", given="#include <zmq.h>"):
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip("there is no zmq.h; install libzmq3-dev")
        install = ("apt-get", "install", "-y", "-qq", "libzmq3-dev")
        why = attempt(*install) and (attempt("apt-get", "update", "-qq") or attempt(*install))
        if why:
            pytest.skip(f"libzmq3-dev could not be installed: {why}")
    program = folder / name
    strict = ("-O2", "-Wall", "-Wextra", "-Werror")
    assert attempt(compiler, *strict, "-o", str(program), str(EXAMPLES / f"{name}.c"), "-lzmq") == ""
    return [str(program)]
