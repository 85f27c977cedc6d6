"""A real broker and its neighbours: real processes, on free ports and ipc, in a short temporary folder."""

import contextlib
import functools
import itertools
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hulak.bus.process import load_settings, ring_file
from hulak.clients.calls.client import BusClient
from hulak.clients.subscriber import Subscriber

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S = 60  # on a machine with much else to do; less than a second on an idle one
PORTS, BLOCK = (20_000, 32_000), 200


@functools.cache
def own_ports():
    """Reserve a block of ports for this process; yield them cyclically.

    Below the kernel's range for outgoing connections (32768 on), so that the kernel never takes one. A block belongs to
    this process as long as it lives, by an abstract unix socket with its number: two suites on one machine never choose the
    same port, and one suite reuses a port only after all others.
    """
    for block in random.SystemRandom().sample(range(*PORTS, BLOCK), len(range(*PORTS, BLOCK))):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0hulak-test-ports-{block}")
        except OSError:
            mark.close()
        else:
            return mark, itertools.cycle(range(block, block + BLOCK))
    raise AssertionError("all blocks of ports are taken by other suites")


def free_ports(count):
    """Return ports that are free, and that no other suite chooses."""
    free = []
    _, ports = own_ports()
    for port in itertools.islice(ports, BLOCK):
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            return free
    raise AssertionError(f"of {BLOCK} ports there are not {count} free")


class NeverStops:
    """A `Stop` for the broker, without signals."""

    def __init__(self):
        self.asked = False
        self.reader, self.writer = socket.socketpair()

    def drain(self):
        """Nothing ever comes."""


class LocalBus:
    """One home folder, its settings, and every process started in it; all are ended by their ids.

    Its TCP addresses are open: foreign programs of the tests connect there without keys.

    Args:
        settings: further settings, `{"task.hard_s": 2}`.
    """

    def __init__(self, **settings):
        self.home = Path(tempfile.mkdtemp(prefix="hulak-", dir="/tmp"))  # a socket's path has 107 bytes at most
        *ports, page = free_ports(5)
        self.addresses = {
            name: f"tcp://127.0.0.1:{port}"
            for name, port in zip(("collector", "publisher", "frontend", "backend"), ports, strict=True)
        }
        given = {f"broker.{name}": value for name, value in self.addresses.items()}
        given |= {"gateway.port": page, "security.loopback": "open", **settings}  # many tests connect by TCP without a key
        self.variables = {
            "HULAK_HOME": str(self.home),
            **{f"HULAK_{name.replace('.', '__').upper()}": str(value) for name, value in given.items()},
        }
        sections = {}
        for name, value in given.items():
            section, _, setting = name.partition(".")
            sections.setdefault(section, {})[setting] = value
        self.settings = load_settings.load(self.home, ROOT / "etc" / "hulak.toml", sections)
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(30)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None and not pipe.closed:
                    pipe.close()
        shutil.rmtree(self.home, ignore_errors=True)
        ring_file.remove_leftovers([ring_file.SHARED_MEMORY])  # of the killed broker

    def start(self, *words, out=None, err=None, files=None, **variables):
        """Start `python WORDS`; its standard error goes to a file in the home folder unless `err` says otherwise.

        Args:
            words: of its command line.
            out: its standard output.
            err: its standard error.
            files: that it may have open, at most; as many as we if None.
            variables: of its environment.
        """
        limit = None if files is None else functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, (files, files))
        environment = {**os.environ, **self.variables, **{name: str(value) for name, value in variables.items()}}
        log = self.home / f"{len(self.processes):03d}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *map(str, words)],
                env=environment,
                cwd=ROOT,
                stdout=out or file,
                stderr=err or file,
                preexec_fn=limit,  # noqa: PLW1509 - it makes one system call
            )
        process.log = log
        self.processes.append(process)
        return process

    @contextlib.contextmanager
    def having(self, variables):
        """Set environment variables for processes started within this context."""
        before = self.variables
        self.variables = before | variables
        try:
            yield
        finally:
            self.variables = before

    def hulak(self, *words, **how):
        """Start a command of the command line."""
        return self.start("-m", "hulak", *words, **how)

    def start_broker(self, files=None):
        """Start a broker with this limit of open files, and wait until it replies."""
        broker = self.start("-m", "hulak.bus", files=files)
        deadline = time.monotonic() + STARTS_WITHIN_S
        with self.client() as client:
            while True:
                with contextlib.suppress(load_settings.ConfigError):
                    answer = client.call("hulak.ping", timeout_s=max(0.1, deadline - time.monotonic()))
                    assert answer["pid"] == broker.pid, broker.log.read_text()
                    return broker

    def client(self):
        """Connect a client."""
        return BusClient(self.settings, self.home)

    def subscriber(self, *prefixes, **how):
        """Connect a subscriber and wait until its subscriptions are in place."""
        subscriber = Subscriber(*prefixes, settings=self.settings, home=self.home, timeout_s=STARTS_WITHIN_S, **how)
        assert subscriber.wait_until_subscribed(STARTS_WITHIN_S)
        return subscriber

    def stats(self):
        """Ask the broker for its statistics."""
        with self.client() as client:
            return client.call("hulak.stats", timeout_s=STARTS_WITHIN_S)


def lines_of(process):
    """Read JSON lines from a process's standard output."""
    for line in process.stdout:
        yield json.loads(line)
