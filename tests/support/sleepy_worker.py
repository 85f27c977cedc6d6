"""A worker of a service `sleepy`, and a caller of it, each in a separate process.

`python -m sleepy_worker` serves; `python -m sleepy_worker call SECONDS` calls `sleep` and prints the answer. If SLEEPY_LOG names
a file, the worker writes when it begins and ends each task that has a number: one JSON line each, times on the monotonic clock,
which all processes of a machine share.
"""

import json
import os
import sys
import time

from hulak.bus.process import lifecycle, load_settings, log
from hulak.bus.process.home import default_home
from hulak.clients.calls.client import BusClient
from hulak.workers.runtime.worker import Worker
from hulak.workers.services import make_session


def note(what, args):
    """Write a line, in one piece."""
    if "SLEEPY_LOG" in os.environ and "number" in args:
        line = {"what": what, "number": args["number"], "pid": os.getpid(), "at": time.monotonic()}
        with open(os.environ["SLEEPY_LOG"], "a", encoding="ascii") as file:  # noqa: PTH123
            file.write(json.dumps(line) + "\n")


def sleep(args):
    """Sleep as long as asked."""
    note("begin", args)
    time.sleep(args["seconds"])
    note("end", args)
    return f"slept {args['seconds']}"


def main():
    """Serve or call."""
    home = default_home()
    settings = load_settings.load(home)
    if sys.argv[1:2] == ["call"]:
        with BusClient(settings, home) as client:
            answer = client.call("sleepy", "sleep", {"seconds": float(sys.argv[2])}, timeout_s=60)
            sys.stdout.write(f"{answer}\n")
        return 0
    stop = lifecycle.Stop()
    session = make_session(settings, "sleepy", 1, None)
    logger = log.set_up(settings.log, process="worker", worker=session.name)
    return Worker(settings, home, session, lambda: {"sleep": sleep}, stop, logger).run()


if __name__ == "__main__":
    sys.exit(main())
