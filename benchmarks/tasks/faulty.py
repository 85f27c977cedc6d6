"""Negative controls: task queues that lose, repeat or falsify each task whose number is divisible by EVERY, in the client itself.

A measurement must detect exactly these faults.
"""

from typing import Any

from benchmarks.tasks import work
from benchmarks.tasks.system import Client, TaskSystem

EVERY = 100


class FaultyClient(Client):
    """Runs a task when its result is requested, with faults.

    Args:
        fault: `loses`, `repeats`, `lies` or `pretends`: answers a task without running it.
    """

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def submit(self, number: int) -> int:
        """Return the number as the handle."""
        return number

    def result(self, handle: int, within_s: float) -> Any:
        """Run the task, or commit the fault."""
        del within_s
        if handle % EVERY:
            return work.noop(work.argument(handle))
        match self.fault:
            case "loses":
                raise TimeoutError("no answer")
            case "repeats":
                work.noop(work.argument(handle))
            case "lies":
                return work.noop(work.argument(handle)) + 1
            case "pretends":
                return handle
        return work.noop(work.argument(handle))


class Faulty(TaskSystem):
    """See `FaultyClient`."""

    fault = "loses"

    def client(self) -> FaultyClient:
        """Return the client; there is no server."""
        return FaultyClient(self.fault)


class Repeating(Faulty):
    """Runs some tasks twice."""

    fault = "repeats"


class Lying(Faulty):
    """Answers some tasks wrongly."""

    fault = "lies"


class Pretending(Faulty):
    """Answers some tasks without running them."""

    fault = "pretends"
