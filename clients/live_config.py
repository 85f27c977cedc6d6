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
    """Reads and changes the live configuration.

    Every method raises BusError: `BAD_CONFIG` for an invalid change (nothing is changed), `STORE_FAILED` if the broker could not
    write it to its disk; and BusTimeout.

    Args:
        client: connected; used in its thread only.
        by: name of the user or program; shown in the history.
        timeout_s: for a reply, in seconds.
    """

    def __init__(self, client: BusClient, *, by: str = "", timeout_s: float = ANSWER_S) -> None:
        self._client = client
        self._by = by
        self._timeout_s = timeout_s

    def _ask(self, name: str, args: Mapping[str, Any]) -> Any:
        return self._client.call(f"hulak.config.{name}", args=args, timeout_s=self._timeout_s)

    def get(self, scope: str | None = None, *, version: int | None = None) -> dict[str, Any]:
        """Return the document and its `rows`; of one scope if given, in an earlier version if given."""
        args: dict[str, Any] = {"scope": scope} | ({} if version is None else {"version": version})
        document: dict[str, Any] = self._ask("get", args)
        return document

    def set(
        self,
        scope: str,
        values: Mapping[str, Any] | None = None,
        *,
        unset: Iterable[str] = (),
        note: str = "",
        if_version: int | None = None,
    ) -> dict[str, Any]:
        """Set and unset keys of a scope, all or none; return `version` and `changed`.

        With `if_version`, only if that is still the newest version; otherwise BusError `OTHER_VERSION`.
        """
        args: dict[str, Any] = {"scope": scope, "values": dict(values or {}), "unset": list(unset), "by": self._by, "note": note}
        if if_version is not None:
            args["if_version"] = if_version
        change: dict[str, Any] = self._ask("set", args)
        return change

    def revert(self, version: int, *, note: str | None = None) -> dict[str, Any]:
        """Make a new version with the values of an earlier one; return the same as `set`."""
        change: dict[str, Any] = self._ask(
            "revert", {"version": version, "by": self._by} | ({} if note is None else {"note": note})
        )
        return change

    def history(self, limit: int = 100) -> list[dict[str, Any]]:
        """List the newest versions, the newest first: version, at_ns, by, note, changes."""
        versions: list[dict[str, Any]] = self._ask("history", {"limit": limit})
        return versions

    def applied(self) -> list[Row]:
        """List every live process and the version that it applies."""
        rows: list[Row] = self._ask("applied", {})
        return rows

    def wait(self, version: int, timeout_s: float = WAIT_S) -> tuple[list[Row], list[Row]]:
        """Wait until every live process applies a version; a single request, to which the broker replies at that time.

        Args:
            version: of the configuration.
            timeout_s: in seconds; at most an hour.
        Returns:
            rows of every live process; rows of the processes that have not applied it within `timeout_s`.
        """
        wait_ms = min(MOST_WAIT_MS, max(0, round(timeout_s * 1000)))
        args = {"version": version, "wait_ms": wait_ms}
        timeout_s = self._timeout_s + wait_ms / 1000
        rows: list[Row] = self._client.call("hulak.config.applied", args=args, timeout_s=timeout_s)
        return rows, [row for row in rows if row["version"] < version]
