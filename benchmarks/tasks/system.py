"""The interface of a task queue under test."""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.system import Place, Started
from benchmarks.tasks import work

TALLY = "tally"  # the file's name in the cell's folder


class Client(abc.ABC):
    """Submits tasks and waits for them. Created and used in the client process."""

    batches = False  # a window is run by `many`

    @abc.abstractmethod
    def submit(self, number: int) -> Any:
        """Submit a task; return the handle for `result`."""

    @abc.abstractmethod
    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for a task's value. Raises any exception if there is none in time."""

    def many(self, numbers: Sequence[int], within_s: float) -> Sequence[Any]:
        """Run several tasks; return their values in the same order."""
        handles = [self.submit(number) for number in numbers]
        return [self.result(handle, within_s) for handle in handles]

    def close(self) -> None:  # noqa: B027 - not all have something to end
        """Close the connection."""


class AsyncClient(abc.ABC):
    """The same for asyncio clients."""

    @abc.abstractmethod
    async def open(self) -> None:
        """Connect a client."""

    @abc.abstractmethod
    async def call(self, number: int, within_s: float) -> Any:
        """Run a task and return its value. Raises any exception if there is none in time."""

    async def close(self) -> None:  # noqa: B027 - not all have something to end
        """Close the connection."""


class TaskSystem(Started, abc.ABC):
    """A task queue with a client and W worker processes.

    Args:
        place: of the cell.
        workers: number of worker processes.
    """

    def __init__(self, place: Place, workers: int) -> None:
        super().__init__(place)
        self.workers = workers

    @abc.abstractmethod
    def client(self) -> Client | AsyncClient:
        """Connect a client, and start the workers if they belong to the client."""

    def parts(self) -> dict[str, list[int]]:
        """Return the processes, by part of the system, whose threads are measured separately; empty: none are."""
        return {}

    def variables(self) -> dict[str, str]:
        """Return the environment variables for client and workers."""
        return {work.PLACE: str(Path(self.place.folder) / TALLY), "PYTHONPATH": str(ROOT)}
