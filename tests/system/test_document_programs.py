"""The programs of README and tutorial, run as they are printed, on a real broker with a display worker."""

import contextlib
import io
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak import BusClient, DisplayClient

pytestmark = pytest.mark.system
ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 20
LINES = 3  # of a program that never ends
STAND_IN = """
from hulak import task

@task("nepse", "market-status")
def market_status():
    return {"isOpen": "OPEN"}
"""


class Enough(Exception):
    """A program has printed the lines that were wanted."""


def programs_of(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(program, lines=None):
    """Run a program; returns the lines that it printed.

    Args:
        program: its text.
        lines: end it after this number of printed lines; None: it ends by itself.
    """
    printed = []

    def show(*values):
        line = io.StringIO()
        print(*values, end="", file=line)
        printed.append(line.getvalue())
        if len(printed) == lines:
            raise Enough

    with contextlib.suppress(Enough):
        exec(compile(program, "program", "exec"), {"__name__": "__main__", "print": show})
        assert lines is None, "it ended"
    return printed


@contextlib.contextmanager
def ticking(*symbols):
    """Post ticks of some symbols all the time."""
    ended = threading.Event()

    def post():
        with DisplayClient() as client:
            number = 0
            while not ended.wait(0.02):
                for symbol in symbols:
                    number += 1
                    client.dispatch_tick(symbol, {"bid": 1.08, "ask": 1.0801, "timestamp": 1_795_000_000_000 + number})

    thread = threading.Thread(target=post)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(WITHIN_S)


@pytest.fixture
def bus(monkeypatch):
    """Start a broker and a display worker at the addresses where the programs search for them."""
    with LocalBus() as bus:
        for name, value in bus.variables.items():
            monkeypatch.setenv(name, value)
        bus.start_broker()
        bus.hulak("worker", "display")
        yield bus


def serve(bus, service, name, text):
    """Start a worker of a module with this text, and wait until it is registered."""
    (bus.home / f"{name}.py").write_text(text)
    worker = bus.hulak("worker", service, "--module", name, "--name", name, PYTHONPATH=f"{ROOT}:{bus.home}")
    with BusClient() as client:

        def registered():
            assert worker.poll() is None, worker.log.read_text()
            return any(worker_row["name"] == name for worker_row in client.call("hulak.stats")["workers"])

        eventually(registered, within_s=WITHIN_S)
    return worker


def test_the_programs_of_readme_and_tutorial_print_the_documented_output(bus):
    subscribe, call, module = programs_of("README.md")
    serve(bus, "nepse", "stand_in", STAND_IN)
    first = serve(bus, "sums", "from_readme", module)
    assert run(call) == ["{'isOpen': 'OPEN'}"]
    with BusClient() as client:
        assert client.call("sums", "add", {"a": 1, "b": 2}) == 3
    first.terminate()
    first.wait(WITHIN_S)

    again, module, calls, show = programs_of("docs/tutorial.md")
    assert again == subscribe
    serve(bus, "sums", "mine", module)
    assert run(calls) == ["3", "[0, 2, 4, 6, 8]", "[0.5, 0.25]", "1", "2", "3", "BAD_ARGUMENT b is 0, wanted another number"]
    with ticking("EURUSD", "GBPUSD"):
        numbers = [int(line.split()[0]) for line in run(subscribe, LINES)]
        assert numbers == list(range(numbers[0], numbers[0] + LINES))
        assert [line.split()[0] for line in run(show, LINES)] == ["1.08"] * LINES
        for program in (subscribe, show):
            process = bus.start("-u", "-c", program, out=subprocess.PIPE)
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert (process.wait(WITHIN_S), process.log.read_text()) == (0, "")


def test_the_programs_of_own_topics_publish_and_read(monkeypatch):
    with LocalBus() as bus:
        for name, value in bus.variables.items():
            monkeypatch.setenv(name, value)
        bus.start_broker()
        publish, subscribe = programs_of("docs/howto/own-topics.md")
        assert run(publish) == []
        assert run(subscribe) == ["app.signals.EURUSD 1 {'side': 'buy', 'size': 2}"]
