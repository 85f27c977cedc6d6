"""The client's load: so many tasks in flight for a while, then one at a time. Every answer is compared with its task."""

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
class Ledger:
    """What was handed in and what came back."""

    asked: int = 0  # tasks, numbered from 0
    right: int = 0  # answers with their task's number
    wrong: int = 0  # other answers
    lost: int = 0  # tasks without an answer in time
    trouble: str = ""  # the first exception

    def next(self) -> int:
        """Return the number of a new task."""
        if self.asked == work.MOST:
            raise OverflowError(f"more than {work.MOST} tasks in one cell")
        self.asked += 1
        return self.asked - 1

    def take(self, number: int, answer: Any) -> None:
        """Take one answer."""
        if isinstance(answer, int) and answer == number:
            self.right += 1
        else:
            self.wrong += 1

    def miss(self, count: int, why: Exception) -> None:
        """Take note of tasks that have no answer."""
        self.lost += count
        self.trouble = self.trouble or f"{type(why).__name__}: {why}"[:300]

    def told(self) -> dict[str, Any]:
        """Sum up."""
        return {"asked": self.asked, "right": self.right, "wrong": self.wrong, "lost": self.lost, "trouble": self.trouble}


class Driver:
    """Puts load on a client that blocks.

    Args:
        client: connected.
        ledger: of this client.
        late_s: seconds after which a task counts as lost.
    """

    def __init__(self, client: Client, ledger: Ledger, late_s: float) -> None:
        self.client, self.ledger, self.late_s = client, ledger, late_s

    def window(self, width: int, seconds: float) -> float:
        """Keep `width` tasks in flight for so long, 0 for once, then wait for the last ones; return tasks per second."""
        if self.client.batches:
            return self._batches(width, seconds)
        submit, take, ledger = self.client.submit, self._take, self.ledger
        before, began = ledger.right, now_ns()
        end, flying = began + int(seconds * 1e9), deque[tuple[int, Any]]()
        for _ in range(width):
            number = ledger.next()
            flying.append((number, submit(number)))
        while now_ns() < end:
            take(*flying.popleft())
            number = ledger.next()
            flying.append((number, submit(number)))
        rate = (ledger.right - before) / (now_ns() - began) * 1e9
        for number, handle in flying:
            take(number, handle)
        return rate

    def _batches(self, width: int, seconds: float) -> float:
        before, began = self.ledger.right, now_ns()
        while True:
            numbers = [self.ledger.next() for _ in range(width)]
            try:
                answers = self.client.many(numbers, self.late_s)
            except Exception as error:  # noqa: BLE001 - every library has its own
                self.ledger.miss(width, error)
            else:
                for number, answer in zip(numbers, answers, strict=True):
                    self.ledger.take(number, answer)
            if now_ns() - began >= seconds * 1e9:
                break
        return (self.ledger.right - before) / (now_ns() - began) * 1e9

    def _take(self, number: int, handle: Any) -> None:
        try:
            answer = self.client.result(handle, self.late_s)
        except Exception as error:  # noqa: BLE001 - every library has its own
            self.ledger.miss(1, error)
        else:
            self.ledger.take(number, answer)

    def single(self, seconds: float) -> list[int]:
        """Have one task done after the other for so long; return how long each took, in ns."""
        end, took = now_ns() + int(seconds * 1e9), []
        while (began := now_ns()) < end:
            number = self.ledger.next()
            self._take(number, self.client.submit(number))
            took.append(now_ns() - began)
        return took

    def close(self) -> None:
        """End the client."""
        self.client.close()


class AsyncDriver:
    """The same for a client that lives in an event loop: a window is so many coroutines, each with one task at a time.

    Args:
        client: not yet connected.
        ledger: of this client.
        late_s: seconds after which a task counts as lost.
    """

    def __init__(self, client: AsyncClient, ledger: Ledger, late_s: float) -> None:
        self.client, self.ledger, self.late_s = client, ledger, late_s
        loops = importlib.import_module("uvloop" if importlib.util.find_spec("uvloop") else "asyncio")
        self.loop: Any = loops.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(client.open())

    def window(self, width: int, seconds: float) -> float:
        """As `Driver.window`."""
        rate: float = self.loop.run_until_complete(self._window(width, seconds))
        return rate

    async def _window(self, width: int, seconds: float) -> float:
        before, began = self.ledger.right, now_ns()
        end, in_time = began + int(seconds * 1e9), 0

        async def keep_asking() -> None:
            nonlocal in_time
            while True:
                await self._one()
                if now_ns() >= end:
                    return
                in_time = self.ledger.right - before

        await asyncio.gather(*(keep_asking() for _ in range(width)))
        return in_time / max(seconds, 1e-9)

    async def _one(self) -> None:
        number = self.ledger.next()
        try:
            answer = await self.client.call(number, self.late_s)
        except Exception as error:  # noqa: BLE001 - every library has its own
            self.ledger.miss(1, error)
        else:
            self.ledger.take(number, answer)

    def single(self, seconds: float) -> list[int]:
        """As `Driver.single`."""
        took: list[int] = self.loop.run_until_complete(self._single(seconds))
        return took

    async def _single(self, seconds: float) -> list[int]:
        end, took = now_ns() + int(seconds * 1e9), []
        while (began := now_ns()) < end:
            await self._one()
            took.append(now_ns() - began)
        return took

    def close(self) -> None:
        """End the client."""
        self.loop.run_until_complete(self.client.close())


def make(client: Client | AsyncClient, late_s: float) -> Driver | AsyncDriver:
    """Make the driver that fits a client."""
    return Driver(client, Ledger(), late_s) if isinstance(client, Client) else AsyncDriver(client, Ledger(), late_s)
