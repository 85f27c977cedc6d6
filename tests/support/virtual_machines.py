"""The examples in Erlang and Java, compiled for a test into its folder; nothing is installed."""

import shutil
from pathlib import Path

import pytest
from c_program import EXAMPLES, attempt

JARS = Path("/usr/share/java")
JNI = "/usr/lib/x86_64-linux-gnu/jni"  # the compiled half of jzmq
MSGPACK = "msgpack-core.jar"


def compiled_erlang(name, folder):
    """Compile an example in Erlang and its helpers; return the command that starts it."""
    compiler, machine = shutil.which("erlc"), shutil.which("erl")
    if compiler is None or machine is None:
        pytest.skip("erlc or erl is not installed: apt-get install erlang-base erlang-crypto")
    sources = [str(EXAMPLES / f"{module}.erl") for module in ("hulak", "msgpack", name)]
    assert attempt(compiler, "-Werror", "-o", str(folder), *sources) == ""
    return [machine, "-noinput", "-pa", str(folder), "-run", name, "main"]


def compiled_java(name, folder, binding="jeromq.jar"):
    """Compile an example in Java and its helpers against `binding`, also `zmq.jar`; return the command that starts it."""
    compiler, machine = shutil.which("javac"), shutil.which("java")
    missing = [jar for jar in (binding, MSGPACK) if not (JARS / jar).exists()]
    if compiler is None or machine is None or missing:
        seen = f"{' and '.join(missing)} missing in {JARS}" if missing else "no javac or no java"
        pytest.skip(f"Java is not complete, {seen}: see the head of {name}.java")
    libraries = f"{JARS / binding}:{JARS / MSGPACK}"
    strict = ("-Xlint:all", "-Werror", "-sourcepath", str(EXAMPLES), "-cp", libraries)
    assert attempt(compiler, *strict, "-d", str(folder), str(EXAMPLES / f"{name}.java")) == ""
    return [machine, f"-Djava.library.path={JNI}", "-cp", f"{folder}:{libraries}", name]
