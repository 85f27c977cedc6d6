"""`NepseClient`: the exchange's data, fetched by the pool of NEPSE workers.

Each method is one action of the service `nepse` (README, "Tasks"). A body id and salts are good only with the access token of
their own session, and each worker has a session of its own, so they come with that token.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bus.config import Settings
from bus.errors import ConfigError
from clients.client import BusClient
from clients.nepse_actions import ACTIONS

SERVICE = "nepse"


class NepseClient:
    """Blocking calls to the NEPSE workers; one client per thread.

    Every method raises `BusTimeout`, `TaskFailed` or `BusError`, as `BusClient.call` does.

    Args:
        settings: say where the broker is.
        home: its folder.
        timeout_s: for each call, in seconds.
    """

    def __init__(self, settings: Settings, home: Path, *, timeout_s: float = 60.0) -> None:
        self._client = BusClient(settings, home)
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def call(self, action: str) -> Any:
        """Have one of `ACTIONS` done.

        Raises:
            ConfigError: there is no such action.
        """
        if action not in ACTIONS:
            raise ConfigError(f"action {action!r} is unknown, must be one of {', '.join(ACTIONS)}")
        return self._client.call(SERVICE, action, timeout_s=self._timeout_s)

    def get_access_token(self) -> dict[str, Any]:
        """Return `{"access_token": str, "age_s": float, "expires_in_s": float}`."""
        return dict(self.call("access-token"))

    def get_security_brief(self) -> list[dict[str, Any]]:
        """Return rows of `id`, `symbol`, `securityName`, `name`, `activeStatus`."""
        return list(self.call("security-brief"))

    def get_post_payload_id(self) -> dict[str, Any]:
        """Return `payload_id` (int) of index graphs, and its token as `get_access_token` does."""
        return dict(self.call("post-payload-id"))

    def get_post_payload_id_floor_sheet(self) -> dict[str, Any]:
        """Return `payload_id` (int) of the floor sheet, and its token as `get_access_token` does."""
        return dict(self.call("post-payload-id-floor-sheet"))

    def get_symbol_id_map(self) -> dict[str, int]:
        """Return the id of every symbol, e.g. `{"NABIL": 131, ...}`."""
        return dict(self.call("symbol-id-map"))

    def get_market_status(self) -> dict[str, Any]:
        """Return `isOpen` ("OPEN", "CLOSE", ...), `asOf` and `id`, as the exchange gives them."""
        return dict(self.call("market-status"))

    def get_market_id(self) -> int:
        """Return the market's id, 0 to 99."""
        return int(self.call("market-id")["market_id"])

    def get_salts(self) -> dict[str, Any]:
        """Return `salts` (five ints, salt1 first) and their token as `get_access_token` does."""
        return dict(self.call("salts"))
