"""The examples in compiled languages, built for a test: into its folder, with what is installed."""

import os
import shutil
from pathlib import Path

import pytest
from c_program import EXAMPLES, attempt, compiled_c

CRATES = Path("/usr/share/cargo/registry")  # Debian's, of librust-*-dev
GOCODE = Path("/usr/share/gocode")  # Debian's, of golang-*-dev


def tool(*names):
    """Return the path of the first of these that is installed."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"{' and '.join(names)} are not installed: see clients/examples/README.md")
    return path


def need(is_there, what):
    """Skip the test unless a package is installed."""
    if not is_there:
        pytest.skip(f"{what} is not installed: see clients/examples/README.md")


def compiled_c_plus_plus(name, folder):
    """Compile an example in C++17."""
    words = (tool("c++", "g++"), "-std=c++17", "-DMSGPACK_NO_BOOST")
    need(not attempt(*words, "-E", "-x", "c++", "-", given="#include <zmq.hpp>\n#include <msgpack.hpp>"), "cppzmq or msgpack-cxx")
    strict = ("-O1", "-Wall", "-Wextra", "-Werror")
    assert attempt(*words, *strict, "-o", str(folder / name), str(EXAMPLES / f"{name}.cpp"), "-lzmq") == ""
    return [str(folder / name)]


def compiled_go(name, folder):
    """Compile an example in Go, with Debian's msgpack; its cache is shared by the tests of a run."""
    go = tool("go")
    need((GOCODE / "src/github.com/vmihailenco/msgpack").exists(), "golang-github-vmihailenco-msgpack.v5-dev")
    cache = os.environ.get("GOCACHE") or folder.parent / "go"
    variables = ("GO111MODULE=off", f"GOPATH={GOCODE}", "GOFLAGS=-buildvcs=false", f"GOCACHE={cache}")
    sources = [EXAMPLES / f"{name}.go", *EXAMPLES.glob("hulak*.go")]
    assert attempt("env", *variables, go, "build", "-o", str(folder / name), *map(str, sources)) == ""
    return [str(folder / name)]


def compiled_haskell(name, folder):
    """Compile an example in Haskell."""
    ghc = tool("ghc")
    need(not attempt(ghc, "-package", "zeromq4-haskell", "-e", "0"), "libghc-zeromq4-haskell-dev")
    words = ("-O1", "-threaded", f"-i{EXAMPLES}", "-outputdir", str(folder / "build" / name), "-o", str(folder / name))
    assert attempt(ghc, *words, str(EXAMPLES / f"{name}.hs")) == ""
    return [str(folder / name)]


def compiled_rust(name, folder):
    """Compile an example in Rust, with Debian's crates; these are compiled once in a run."""
    cargo = tool("cargo")
    need(any(CRATES.glob("zmq-0.9*")) and any(CRATES.glob("rmp-0.8*")), "librust-zmq-dev or librust-rmp-dev")
    for path in (EXAMPLES / "Cargo.toml", *EXAMPLES.glob("*.rs")):  # cargo writes a file beside them
        shutil.copy(path, folder)
    source = ('source.crates-io.replace-with="debian"', f'source.debian.directory="{CRATES}"')
    settings = [word for setting in source for word in ("--config", setting)]
    target = folder.parent / "cargo"
    words = ("build", "--offline", "--quiet", *settings, "--target-dir", str(target), "--bin", name)
    assert attempt(cargo, *words, "--manifest-path", str(folder / "Cargo.toml")) == ""
    return [str(shutil.copy(target / "debug" / name, folder / f"{name}-built"))]


COMPILED = {  # ending -> function of a program's name and the folder for what is built; it returns the command
    "c": compiled_c,
    "cpp": compiled_c_plus_plus,
    "go": compiled_go,
    "hs": compiled_haskell,
    "rs": compiled_rust,
}
