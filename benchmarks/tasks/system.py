"""What a task queue under test must be able to do."""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.system import Place, Started
from benchmarks.tasks import work

TALLY = "tally"  # the file's name in the cell's folder


class Client(abc.ABC):
    """Hands tasks in and waits for them. Made and used in the client's process."""

    batches = False  # `many` is the way to have a hundred tasks done

    @abc.abstractmethod
    def submit(self, number: int) -> Any:
        """Hand in a task; return what `result` takes."""

    @abc.abstractmethod
    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for a task's value. Raises any exception if there is none in time."""

    def many(self, numbers: Sequence[int], within_s: float) -> Sequence[Any]:
        """Have several tasks done; return their values in the same order."""
        handles = [self.submit(number) for number in numbers]
        return [self.result(handle, within_s) for handle in handles]

    def close(self) -> None:  # noqa: B027 - not all have something to end
        """End."""


class AsyncClient(abc.ABC):
    """The same for clients that live in an event loop."""

    @abc.abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abc.abstractmethod
    async def call(self, number: int, within_s: float) -> Any:
        """Have a task done and return its value. Raises any exception if there is none in time."""

    async def close(self) -> None:  # noqa: B027 - not all have something to end
        """End."""


class TaskSystem(Started, abc.ABC):
    """One way from a client to W worker processes.

    Args:
        place: of the cell.
        workers: processes that carry tasks out.
    """

    def __init__(self, place: Place, workers: int) -> None:
        super().__init__(place)
        self.workers = workers

    @abc.abstractmethod
    def client(self) -> Client | AsyncClient:
        """Connect a client, and start the workers, where they are the client's own."""

    def variables(self) -> dict[str, str]:
        """Return the environment's variables that client and workers have in common."""
        return {work.PLACE: str(Path(self.place.folder) / TALLY), "PYTHONPATH": str(ROOT)}
