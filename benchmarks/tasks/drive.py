"""The client's load: a window of tasks in flight, then one task at a time. Every answer is compared with its task."""

import asyncio
import importlib
import importlib.util
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.tasks import work
from benchmarks.tasks.system import AsyncClient, Client

now_ns: Callable[[], int] = time.monotonic_ns


@dataclass
class AnswerCounts:
    """The counts of submitted tasks and their answers."""

    asked: int = 0  # tasks, numbered from 0
    right: int = 0  # answers with their task's number
    wrong: int = 0  # other answers
    lost: int = 0  # tasks without an answer in time
    trouble: str = ""  # the first exception

    def next(self) -> int:
        """Return the number of a new task."""
        if self.asked == work.MAX_TASKS:
            raise OverflowError(f"more than {work.MAX_TASKS} tasks in one cell")
        self.asked += 1
        return self.asked - 1

    def take(self, number: int, answer: Any) -> None:
        """Count an answer."""
        if isinstance(answer, int) and answer == number:
            self.right += 1
        else:
            self.wrong += 1

    def miss(self, count: int, why: Exception) -> None:
        """Count tasks without an answer."""
        self.lost += count
        self.trouble = self.trouble or f"{type(why).__name__}: {why}"[:300]

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as a dictionary."""
        return {"asked": self.asked, "right": self.right, "wrong": self.wrong, "lost": self.lost, "trouble": self.trouble}


class Driver:
    """Applies load with a blocking client.

    Args:
        client: connected.
        counts: of this client.
        late_s: seconds after which a task counts as lost.
    """

    def __init__(self, client: Client, counts: AnswerCounts, late_s: float) -> None:
        self.client, self.counts, self.late_s = client, counts, late_s

    def window(self, width: int, seconds: float) -> float:
        """Keep `width` tasks in flight for a time, 0 for once, then wait for the last ones; returns tasks per second."""
        if self.client.batches:
            return self._batches(width, seconds)
        submit, take, counts = self.client.submit, self._take, self.counts
        before, began = counts.right, now_ns()
        end, in_flight = began + int(seconds * 1e9), deque[tuple[int, Any]]()
        for _ in range(width):
            number = counts.next()
            in_flight.append((number, submit(number)))
        while now_ns() < end:
            take(*in_flight.popleft())
            number = counts.next()
            in_flight.append((number, submit(number)))
        rate = (counts.right - before) / (now_ns() - began) * 1e9
        for number, handle in in_flight:
            take(number, handle)
        return rate

    def _batches(self, width: int, seconds: float) -> float:
        before, began = self.counts.right, now_ns()
        while True:
            numbers = [self.counts.next() for _ in range(width)]
            try:
                answers = self.client.many(numbers, self.late_s)
            except Exception as error:  # noqa: BLE001 - every library has its own
                self.counts.miss(width, error)
            else:
                for number, answer in zip(numbers, answers, strict=True):
                    self.counts.take(number, answer)
            if now_ns() - began >= seconds * 1e9:
                break
        return (self.counts.right - before) / (now_ns() - began) * 1e9

    def _take(self, number: int, handle: Any) -> None:
        try:
            answer = self.client.result(handle, self.late_s)
        except Exception as error:  # noqa: BLE001 - every library has its own
            self.counts.miss(1, error)
        else:
            self.counts.take(number, answer)

    def single(self, seconds: float) -> list[int]:
        """Run tasks one at a time for a time; returns the duration of each, in ns."""
        end, took = now_ns() + int(seconds * 1e9), []
        while (began := now_ns()) < end:
            number = self.counts.next()
            self._take(number, self.client.submit(number))
            took.append(now_ns() - began)
        return took

    def close(self) -> None:
        """Close the client."""
        self.client.close()


class AsyncDriver:
    """The same for an asyncio client: a window is a number of coroutines, each with one task at a time.

    Args:
        client: not yet connected.
        counts: of this client.
        late_s: seconds after which a task counts as lost.
    """

    def __init__(self, client: AsyncClient, counts: AnswerCounts, late_s: float) -> None:
        self.client, self.counts, self.late_s = client, counts, late_s
        loops = importlib.import_module("uvloop" if importlib.util.find_spec("uvloop") else "asyncio")
        self.loop: Any = loops.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(client.open())

    def window(self, width: int, seconds: float) -> float:
        """As `Driver.window`."""
        rate: float = self.loop.run_until_complete(self._window(width, seconds))
        return rate

    async def _window(self, width: int, seconds: float) -> float:
        before, began = self.counts.right, now_ns()
        end, in_time = began + int(seconds * 1e9), 0

        async def keep_calling() -> None:
            nonlocal in_time
            while True:
                await self._run_task()
                if now_ns() >= end:
                    return
                in_time = self.counts.right - before

        await asyncio.gather(*(keep_calling() for _ in range(width)))
        return in_time / max(seconds, 1e-9)

    async def _run_task(self) -> None:
        number = self.counts.next()
        try:
            answer = await self.client.call(number, self.late_s)
        except Exception as error:  # noqa: BLE001 - every library has its own
            self.counts.miss(1, error)
        else:
            self.counts.take(number, answer)

    def single(self, seconds: float) -> list[int]:
        """As `Driver.single`."""
        took: list[int] = self.loop.run_until_complete(self._single(seconds))
        return took

    async def _single(self, seconds: float) -> list[int]:
        end, took = now_ns() + int(seconds * 1e9), []
        while (began := now_ns()) < end:
            await self._run_task()
            took.append(now_ns() - began)
        return took

    def close(self) -> None:
        """Close the client."""
        self.loop.run_until_complete(self.client.close())


def make(client: Client | AsyncClient, late_s: float) -> Driver | AsyncDriver:
    """Return the driver for a client."""
    return Driver(client, AnswerCounts(), late_s) if isinstance(client, Client) else AsyncDriver(client, AnswerCounts(), late_s)
