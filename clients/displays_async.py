"""`AsyncDisplayClient`: the methods of `DisplayClient`, to be awaited.

One thread carries them out, one after the other: a connection belongs to a thread, and ticks keep their order.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from bus.settings import Settings
from clients.displays import DisplayClient, State
from clients.subscriber import Mode, Subscriber

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _awaited(
    method: Callable[Concatenate[DisplayClient, Given], Answer],
) -> Callable[Concatenate["AsyncDisplayClient", Given], Coroutine[Any, Any, Answer]]:
    @wraps(method)
    async def call(self: "AsyncDisplayClient", /, *args: Given.args, **options: Given.kwargs) -> Answer:
        return await self.run(method, *args, **options)

    return call


class AsyncDisplayClient:
    """The displays of one broker, for asyncio; an async context manager. Arguments as of `DisplayClient`."""

    def __init__(self, settings: Settings, home: Path, *, timeout_s: float = 10.0) -> None:
        self._settings = settings
        self._home = home
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="display-client")
        self._client: DisplayClient | None = None  # of that thread

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def run(
        self,
        method: Callable[Concatenate[DisplayClient, Given], Answer],
        /,
        *args: Given.args,
        **options: Given.kwargs,
    ) -> Answer:
        """Carry out a method of `DisplayClient` in the client's thread."""
        job = partial(self._in_thread, method, args, options)
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def _in_thread(self, method: Callable[..., Answer], args: tuple[Any, ...], options: dict[str, Any]) -> Answer:
        if self._client is None:
            self._client = DisplayClient(self._settings, self._home, timeout_s=self._timeout_s)
        return method(self._client, *args, **options)

    async def close(self) -> None:
        """Close: what waits for its turn is cancelled, what is under way is awaited; the displays go on."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
        if self._client is not None:
            self._client.close()
            self._client = None

    async def watch(self, *displays: str, every: bool = False) -> AsyncIterator[State]:
        """Give states as they come, as `DisplayClient.watch`."""
        topics = [f"display.{display}" for display in displays] or ["display."]
        mode: Mode = "plain" if every else "latest"
        make = partial(Subscriber, *topics, settings=self._settings, home=self._home, mode=mode, timeout_s=self._timeout_s)
        with await asyncio.to_thread(make) as subscriber:
            async for event in subscriber:
                yield event.body

    create_worker_for_symbol = _awaited(DisplayClient.create_worker_for_symbol)
    initialize_worker = _awaited(DisplayClient.initialize_worker)
    create_new_symbol = _awaited(DisplayClient.create_new_symbol)
    update_existing_symbol = _awaited(DisplayClient.update_existing_symbol)
    remove_symbol = _awaited(DisplayClient.remove_symbol)
    remove_display = _awaited(DisplayClient.remove_display)
    rows = _awaited(DisplayClient.rows)
    cleanup = _awaited(DisplayClient.cleanup)
    dispatch_tick = _awaited(DisplayClient.dispatch_tick)
    dispatch_ticks = _awaited(DisplayClient.dispatch_ticks)
    state = _awaited(DisplayClient.state)
    wait_until_live = _awaited(DisplayClient.wait_until_live)
    update_worker_config = _awaited(DisplayClient.update_worker_config)
    broadcast_config_update = _awaited(DisplayClient.broadcast_config_update)
    configure_optimizations = _awaited(DisplayClient.configure_optimizations)
    get_worker_stats = _awaited(DisplayClient.get_worker_stats)
    get_memory_usage = _awaited(DisplayClient.get_memory_usage)
