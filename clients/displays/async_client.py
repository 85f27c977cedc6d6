"""`AsyncDisplayClient`: the methods of `DisplayClient`, for asyncio.

One thread runs them one after the other, so ticks keep their order.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from hulak.bus.process.client_logger import Logger
from hulak.bus.process.load_settings import located
from hulak.bus.process.settings import Settings
from hulak.clients.calls.thread_pool import ThreadPool, awaited
from hulak.clients.displays.client import DisplayClient, State
from hulak.clients.subscriber import Mode, Subscriber


class AsyncDisplayClient(ThreadPool[DisplayClient]):
    """The displays of one broker, for asyncio; an async context manager. Arguments as for `DisplayClient`."""

    def __init__(
        self,
        settings: Settings | None = None,
        home: Path | None = None,
        *,
        timeout_s: float = 10.0,
        key: Path | str | None = None,
        logger: Logger | None = None,
    ) -> None:
        settings, home = self._settings, self._home = located(settings, home, key)
        self._timeout_s = timeout_s
        super().__init__(partial(DisplayClient, settings, home, timeout_s=timeout_s, logger=logger), 1, "display-client")

    async def watch(self, *displays: str, every: bool = False) -> AsyncIterator[State]:
        """Iterate over states as they arrive, as `DisplayClient.watch`."""
        topics = [f"display.{display}" for display in displays] or ["display."]
        mode: Mode = "plain" if every else "latest"
        make = partial(Subscriber, *topics, settings=self._settings, home=self._home, mode=mode, timeout_s=self._timeout_s)
        with await asyncio.to_thread(make) as subscriber:
            async for event in subscriber:
                yield event.body

    create_worker_for_symbol = awaited(DisplayClient.create_worker_for_symbol)
    initialize_worker = awaited(DisplayClient.initialize_worker)
    create_new_symbol = awaited(DisplayClient.create_new_symbol)
    update_existing_symbol = awaited(DisplayClient.update_existing_symbol)
    remove_symbol = awaited(DisplayClient.remove_symbol)
    remove_display = awaited(DisplayClient.remove_display)
    rows = awaited(DisplayClient.rows)
    cleanup = awaited(DisplayClient.cleanup)
    dispatch_tick = awaited(DisplayClient.dispatch_tick)
    dispatch_ticks = awaited(DisplayClient.dispatch_ticks)
    state = awaited(DisplayClient.state)
    wait_until_live = awaited(DisplayClient.wait_until_live)
    update_worker_config = awaited(DisplayClient.update_worker_config)
    broadcast_config_update = awaited(DisplayClient.broadcast_config_update)
    configure_optimizations = awaited(DisplayClient.configure_optimizations)
    get_worker_stats = awaited(DisplayClient.get_worker_stats)
    get_memory_usage = awaited(DisplayClient.get_memory_usage)
