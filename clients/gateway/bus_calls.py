"""Calls to the broker for the gateway's clients, in a few threads with a connection each: the event loop never waits."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from hulak.bus.errors import BusError
from hulak.bus.process.settings import Settings
from hulak.clients.calls.client import BusClient

THREADS = 2
MAX_PENDING = 256  # calls that are queued or running
CALL_S = 5.0

Result = TypeVar("Result")


class BusCalls:
    """A pool of connections to the broker's frontend.

    Args:
        settings: have the broker's addresses.
        home: the broker's folder.
        threads: number of threads; further calls are queued.
    """

    def __init__(self, settings: Settings, home: Path, threads: int = THREADS) -> None:
        self._settings = settings
        self._home = home
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="gateway-call")
        self._local = threading.local()
        self._pending = 0

    async def call(self, service: str, args: dict[str, Any]) -> Any:
        """Call a service of the broker. Raises as `BusClient.call`, and `BusError` with `BUSY`."""
        return await self.run(lambda client: client.call(service, "", args, timeout_s=CALL_S))

    async def run(self, work: Callable[[BusClient], Result]) -> Result:
        """Run `work` with a connection in one of the threads.

        Raises:
            BusError: `BUSY`, too many calls are pending; and any error of `work`.
        """
        if self._pending >= MAX_PENDING:
            raise BusError("BUSY", f"{self._pending} requests are pending at the gateway, the maximum; try again later")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._with_client, work)
        finally:
            self._pending -= 1

    def _with_client(self, work: Callable[[BusClient], Result]) -> Result:
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = BusClient(self._settings, self._home)
        try:
            return work(client)
        except BusError:
            raise
        except Exception:  # the connection may be in an undefined state
            client.close()
            self._local.client = None
            raise

    def close(self) -> None:
        """Accept no more calls; running ones end within their time limit, in the background."""
        self._executor.shutdown(wait=False, cancel_futures=True)
