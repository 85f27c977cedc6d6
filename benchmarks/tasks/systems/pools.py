"""Python's own pools of processes: the workers are the client's children, and there is no broker."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.tasks import work
from benchmarks.tasks.system import Client, TaskSystem


class PoolClient(Client):
    """`multiprocessing.Pool.apply_async`."""

    def __init__(self, workers: int) -> None:
        self.pool = multiprocessing.Pool(workers)

    def submit(self, number: int) -> Any:
        """Submit a task."""
        return self.pool.apply_async(work.noop, (work.argument(number),))

    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for the result of a task."""
        return handle.get(within_s)

    def close(self) -> None:
        """Stop the workers."""
        self.pool.terminate()
        self.pool.join()


class ExecutorClient(Client):
    """`concurrent.futures.ProcessPoolExecutor.submit`."""

    def __init__(self, workers: int) -> None:
        self.pool = ProcessPoolExecutor(workers)

    def submit(self, number: int) -> Any:
        """Submit a task."""
        return self.pool.submit(work.noop, work.argument(number))

    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for the result of a task."""
        return handle.result(within_s)

    def close(self) -> None:
        """Stop the workers."""
        self.pool.shutdown(cancel_futures=True)


class Pool(TaskSystem):
    """`multiprocessing.Pool`."""

    def client(self) -> Client:
        """Start the workers."""
        return PoolClient(self.workers)


class Executor(TaskSystem):
    """`concurrent.futures.ProcessPoolExecutor`."""

    def client(self) -> Client:
        """Start the workers."""
        return ExecutorClient(self.workers)
