"""Negative controls: task queues that lose, repeat or falsify each task whose number EVERY divides, in the client itself.

A measurement that does not see exactly these faults is worth nothing.
"""

from typing import Any

from benchmarks.tasks import work
from benchmarks.tasks.system import Client, TaskSystem

EVERY = 100


class FaultyClient(Client):
    """Carries a task out when its result is wanted, mostly.

    Args:
        fault: `loses`, `repeats`, `lies` or `pretends`: answers a task that it did not carry out.
    """

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def submit(self, number: int) -> int:
        """Keep nothing but the number."""
        return number

    def result(self, handle: int, within_s: float) -> Any:
        """Carry the task out, or commit the fault."""
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
        """Make the client, which is all there is."""
        return FaultyClient(self.fault)


class Repeating(Faulty):
    """Carries some out twice."""

    fault = "repeats"


class Lying(Faulty):
    """Gives some a wrong answer."""

    fault = "lies"


class Pretending(Faulty):
    """Answers some without carrying them out."""

    fault = "pretends"
