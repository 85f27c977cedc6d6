"""`LiveConfig`: the live configuration from Python. PROTOCOL.md section 7.5.

with BusClient(settings, home) as client:
    live = LiveConfig(client)
    version = live.set("kind:nepse", {"rate_per_s": 1.5}, note="politer")["version"]
    rows, late = live.wait(version)
"""

from collections.abc import Iterable, Mapping
from typing import Any

from hulak.clients.calls.client import MOST_WAIT_MS, BusClient

ANSWER_S = 5.0
WAIT_S = 2.0
Row = dict[str, Any]  # kind, name, pid, version, age_s


class LiveConfig:
    """Asks for and changes the live configuration.

    Every method raises BusError: `BAD_CONFIG` for what is not allowed (nothing is changed then), `STORE_FAILED` when the broker's
    disk did not take it; and BusTimeout.

    Args:
        client: connected; used in its thread only.
        by: who changes things; shown in the history.
        timeout_s: for an answer, in seconds.
    """

    def __init__(self, client: BusClient, *, by: str = "", timeout_s: float = ANSWER_S) -> None:
        self._client = client
        self._by = by
        self._timeout_s = timeout_s

    def _ask(self, what: str, args: Mapping[str, Any]) -> Any:
        return self._client.call(f"hulak.config.{what}", args=args, timeout_s=self._timeout_s)

    def get(self, scope: str | None = None, *, version: int | None = None) -> dict[str, Any]:
        """Give the document and its `rows`; of a scope if one is named, as it was in a former version if one is."""
        args: dict[str, Any] = {"scope": scope} | ({} if version is None else {"version": version})
        found: dict[str, Any] = self._ask("get", args)
        return found

    def set(
        self, scope: str, values: Mapping[str, Any] | None = None, *, unset: Iterable[str] = (), note: str = ""
    ) -> dict[str, Any]:
        """Set keys in a scope and take others back, all or none; gives `version` and `changed`."""
        args = {"scope": scope, "values": dict(values or {}), "unset": list(unset), "by": self._by, "note": note}
        made: dict[str, Any] = self._ask("set", args)
        return made

    def revert(self, version: int, *, note: str | None = None) -> dict[str, Any]:
        """Make a new version whose values are those of a former one; gives as `set`."""
        made: dict[str, Any] = self._ask(
            "revert", {"version": version, "by": self._by} | ({} if note is None else {"note": note})
        )
        return made

    def history(self, limit: int = 100) -> list[dict[str, Any]]:
        """List the newest versions, the newest first: version, at_ns, by, note, changes."""
        found: list[dict[str, Any]] = self._ask("history", {"limit": limit})
        return found

    def applied(self) -> list[Row]:
        """List every living process and the version that it applies."""
        found: list[Row] = self._ask("applied", {})
        return found

    def wait(self, version: int, timeout_s: float = WAIT_S) -> tuple[list[Row], list[Row]]:
        """Wait until every living process applies a version: one request, which the broker answers then.

        Args:
            version: of the configuration.
            timeout_s: in seconds; an hour at most.
        Returns:
            every living process; those of them that have not applied it in time.
        """
        wait_ms = min(MOST_WAIT_MS, max(0, round(timeout_s * 1000)))
        args = {"version": version, "wait_ms": wait_ms}
        timeout_s = self._timeout_s + wait_ms / 1000
        rows: list[Row] = self._client.call("hulak.config.applied", args=args, timeout_s=timeout_s)
        return rows, [row for row in rows if row["version"] < version]
