"""`AsyncNepseClient`: the exchange's data, fetched by the pool of NEPSE workers, for asyncio."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hulak.bus.process.client_logger import Logger
from hulak.bus.process.settings import Settings
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.nepse.directories import DirectoryMethods
from hulak.clients.nepse.downloads import DownloadMethods
from hulak.clients.nepse.market import MarketMethods
from hulak.clients.nepse.securities import SecurityMethods
from hulak.clients.nepse.session import SessionMethods


class AsyncNepseClient(SessionMethods, MarketMethods, SecurityMethods, DirectoryMethods, DownloadMethods):
    """Calls to the NEPSE workers, for asyncio, any number at a time over one connection; an async context manager.

    Every method has the name, arguments, result and errors of `NepseClient`'s.

    Args:
        settings: have the broker's addresses; loaded as by the commands if None.
        home: the broker's folder; the default one if None.
        timeout_s: for each call, in seconds; a long list takes several calls.
        key: the file of this client's key, to connect with it by TCP; that of the settings (`HULAK_KEY`) if None.
        logger: receives the events of the connection; None for no log.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        home: Path | None = None,
        *,
        timeout_s: float = 60.0,
        key: Path | str | None = None,
        logger: Logger | None = None,
    ) -> None:
        self._client = AsyncBusClient(settings, home, key=key, logger=logger)
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def ask(
        self, service: str, action: str, args: dict[str, Any], *, share: bool, on_part: Callable[[Any], None] | None = None
    ) -> Any:
        """Make one call over the connection."""
        return await self._client.call(service, action, args, timeout_s=self._timeout_s, share=share, on_part=on_part)

    async def close(self) -> None:
        """Close the connection; pending calls end with `CLOSED`. May be called more than once."""
        self._client.close()

    async def shutdown(self) -> None:
        """Close the connection, as `close`."""
        await self.close()
