"""A client that may be killed at any time: `python -m trial_poster LOG COUNT`, started again until it ends with 0.

Posts COUNT tasks, each with another key, and reads the result of each. LOG gets a JSON line for each post that was accepted
and each result: {"number", "task"} and {"number", "task", "value"}. It remembers nothing: the keys do.
"""

import json
import sys
import time
from pathlib import Path

from hulak.bus.errors import BusTimeout
from hulak.bus.process import load_settings
from hulak.bus.process.home import default_home
from hulak.clients.calls.client import BusClient

LONGEST_S = 400


def retrying(ask):
    """Repeat the request until a reply arrives."""
    deadline = time.monotonic() + LONGEST_S
    while True:
        try:
            return ask()
        except BusTimeout:
            if time.monotonic() > deadline:
                raise


def main():
    """Post, and read results."""
    path, count = Path(sys.argv[1]), int(sys.argv[2])
    home = default_home()
    with BusClient(load_settings.load(home), home) as client, path.open("a", encoding="ascii") as log:
        posted = []

        def note(**line):
            log.write(json.dumps(line) + "\n")
            log.flush()

        for number in range(count):
            key = f"trial-{number}"
            task = retrying(lambda key=key: client.post("nepse", "market-status", key=key, retries=20, timeout_s=3))
            note(number=number, task=task)
            posted.append(task)
        for number, task in enumerate(posted):
            note(number=number, task=task, value=retrying(lambda task=task: client.result(task, timeout_s=3)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
