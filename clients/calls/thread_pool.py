"""Blocking clients for asyncio: their methods run in a few threads, each with a separate client.

A connection belongs to one thread. Calls beyond the number of threads wait. A call whose task is cancelled occupies its thread
until its reply arrives; the reply is ignored, and never taken for that of another call.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar


class Closes(Protocol):
    """A blocking client."""

    def close(self) -> None:
        """Close its connection."""


Client = TypeVar("Client", bound=Closes)
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class ThreadPool(Generic[Client]):
    """A pool of clients in threads; an async context manager.

    Args:
        make: makes a client, in the thread that it belongs to.
        at_once: number of threads, and so the maximum of clients.
        name: of the threads.
    """

    def __init__(self, make: Callable[[], Client], at_once: int, name: str) -> None:
        self._make = make
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)
        self._own = threading.local()
        self._clients: list[Client] = []  # appended to by the threads, read after they have ended

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def run(
        self,
        method: Callable[Concatenate[Client, Given], Answer],
        /,
        *args: Given.args,
        **options: Given.kwargs,
    ) -> Answer:
        """Run a method of the blocking client in a thread, e.g. `run(NepseClient.get_market_depth, "NABIL")`.

        Raises:
            RuntimeError: after `close`; otherwise the errors of the method.
        """
        job = partial(self._in_thread, method, args, options)
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)

    def _in_thread(self, method: Callable[..., Answer], args: tuple[Any, ...], options: dict[str, Any]) -> Answer:
        client: Client | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = self._make()
            self._clients.append(client)
        return method(client, *args, **options)

    async def close(self) -> None:
        """Close: waiting calls are cancelled, running ones are awaited."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        while self._clients:
            self._clients.pop().close()


def awaited(
    method: Callable[Concatenate[Client, Given], Answer],
) -> Callable[Concatenate[ThreadPool[Client], Given], Coroutine[Any, Any, Answer]]:
    """Return the method of a `ThreadPool` that runs this method of its client."""

    @wraps(method)
    async def call(self: ThreadPool[Client], /, *args: Given.args, **options: Given.kwargs) -> Answer:
        return await self.run(method, *args, **options)

    return call
