"""What the gateway asks of the broker for its clients, in a few threads with a connection each: its loop never waits."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from bus.errors import BusError
from bus.process.settings import Settings
from clients.calls.client import BusClient

AT_ONCE = 2
MOST_WAITING = 256
CALL_S = 5.0

Answer = TypeVar("Answer")


class BusCalls:
    """A pool of connections to the broker's frontend.

    Args:
        settings: say where the broker is.
        home: its folder.
        at_once: threads; what comes beyond waits its turn.
    """

    def __init__(self, settings: Settings, home: Path, at_once: int = AT_ONCE) -> None:
        self._settings = settings
        self._home = home
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="gateway-call")
        self._own = threading.local()
        self._waiting = 0

    async def call(self, service: str, args: dict[str, Any]) -> Any:
        """Call a service of the broker. Raises as `BusClient.call`, and `BusError` with `BUSY`."""
        return await self.run(lambda client: client.call(service, "", args, timeout_s=CALL_S))

    async def run(self, work: Callable[[BusClient], Answer]) -> Answer:
        """Do something with a connection in one of the threads.

        Raises:
            BusError: `BUSY`, too much waits already; and whatever `work` raises.
        """
        if self._waiting >= MOST_WAITING:
            raise BusError("BUSY", f"{self._waiting} requests wait at the gateway, no more are taken; try again later")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._with_client, work)
        finally:
            self._waiting -= 1

    def _with_client(self, work: Callable[[BusClient], Answer]) -> Answer:
        client = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = BusClient(self._settings, self._home)
        try:
            return work(client)
        except BusError:
            raise
        except Exception:  # whatever it was, the connection may be in the middle of something
            client.close()
            self._own.client = None
            raise

    def close(self) -> None:
        """Take no more; what is under way ends within its time limit, in the background."""
        self._threads.shutdown(wait=False, cancel_futures=True)
