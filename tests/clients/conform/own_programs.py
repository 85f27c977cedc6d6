"""The package's own subscriber, feed, client and worker as programs that `hulak conform` judges: `own_programs.py KIND ...`."""

import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

from hulak.bus.errors import BusError
from hulak.bus.process import load_settings
from hulak.clients.calls.client import BusClient
from hulak.clients.feed import Feed
from hulak.clients.subscriber import Event, Subscriber
from hulak.workers.services import run_worker
from hulak.workers.tasks import task

UNUSED = {name: f"tcp://127.0.0.1:{port}" for port, name in enumerate(("collector", "publisher", "frontend", "backend"), 9)}


def located(home, **addresses):
    """Return settings with these addresses, of a broker without keys."""
    for name, address in {**UNUSED, **addresses}.items():
        os.environ[f"HULAK_BROKER__{name.upper()}"] = address
    os.environ["HULAK_SECURITY__LOOPBACK"] = "open"
    return load_settings.load(home, None)


def subscribe(home, publisher, frontend, topic, count):
    """Print the ticks of a topic."""
    settings = located(home, publisher=publisher, frontend=frontend)
    with Subscriber(topic, settings=settings, home=home, transport="socket") as subscriber:
        ticks = (event for event in subscriber if isinstance(event, Event))  # and not a Gap
        for event in itertools.islice(ticks, int(count)):
            print(event.stamp.sequence, event.body["bid"], event.body["ask"], flush=True)


def post(home, collector, frontend, symbol, count):
    """Post ticks, and wait until they are safe."""
    settings = located(home, collector=collector, frontend=frontend)
    with Feed("conform", settings=settings, home=home) as feed:
        for number in range(1, int(count) + 1):
            feed.post(symbol, number, number + 0.5)


def call(home, frontend, service, action, count):
    """Call an action `count` times, one after the other."""
    with BusClient(located(home, frontend=frontend), home) as client:
        for number in range(1, int(count) + 1):
            parts = []
            try:
                value = client.call(
                    service, action, {"a": number, "b": number}, timeout_s=20, on_part=parts.append, on_restart=parts.clear
                )
                for part in parts:
                    print("part", part)
                print("reply", value, flush=True)
            except BusError as error:
                print("error", error.code, flush=True)


def work(home, backend, service):
    """Serve `add`."""

    @task(service, "add")
    def add(a, b, ms=0):
        time.sleep(ms / 1000)
        return a + b

    sys.modules["sums_of_the_kit"] = sys.modules[__name__]
    return run_worker(located(home, backend=backend), home, service, module="sums_of_the_kit")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="hulak-") as folder:
        code = {"subscriber": subscribe, "feed": post, "client": call, "worker": work}[sys.argv[1]](Path(folder), *sys.argv[2:])
    sys.exit(code or 0)
