"""`NepseClient`: the exchange's data, fetched by the pool of NEPSE workers.

Each method is one action of the service `nepse` (README, "Tasks"). A body id and salts are good only with the access token of
their own session, and each worker has a session of its own, so they come with that token. `clients.nepse_async` has the same
methods to be awaited.
"""

from typing import Any

from clients.nepse_calls import SERVICE
from clients.nepse_market import MarketMethods
from clients.nepse_papers import PaperMethods


class NepseClient(MarketMethods, PaperMethods):
    """Blocking calls to the NEPSE workers; one client per thread, a context manager.

    Every method raises `BusTimeout`, `TaskFailed` or `BusError`, as `BusClient.call` does.

    Args:
        settings: say where the broker is.
        home: its folder.
        timeout_s: for each call, in seconds; a long list takes several calls.
    """

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

    def get_stats(self) -> dict[str, int]:
        """Tell how the pool of workers is doing, as the broker sees it; sends `hulak.stats`.

        Returns:
            `totalWorkers`, of which each is one of `busyWorkers` or one of `idleWorkers` (those that are sent away count for as
            long as they finish their task); `queueLength`, tasks that wait for a worker;
            `pendingTasks`, all that are not over: waiting, waiting for another attempt, or running;
            `totalTasksCompleted` and `totalErrors`, attempts done and failed since the broker's start,
            by workers that have left too.
        """
        stats = self._client.call("hulak.stats", timeout_s=self._timeout_s)
        there = [worker for worker in stats["workers"] if worker["service"] == SERVICE]
        workers = [worker for worker in there if worker["state"] != "retiring" or worker["held"]]
        nothing = {"queued": 0, "waiting": 0, "running": 0}
        tasks = stats["tasks"]["services"].get(SERVICE, nothing)
        attempts = stats["tasks"]["attempts"].get(SERVICE, {"done": 0, "failed": 0})
        busy = sum(worker["state"] == "busy" or worker["held"] > 0 for worker in workers)
        return {
            "totalWorkers": len(workers),
            "busyWorkers": busy,
            "idleWorkers": len(workers) - busy,
            "queueLength": tasks["queued"],
            "pendingTasks": sum(tasks[state] for state in nothing),
            "totalTasksCompleted": attempts["done"],
            "totalErrors": attempts["failed"],
        }

    def shutdown(self) -> None:
        """Close this client, as `close`. The workers are not this client's: they go on (`hulak down` ends them)."""
        self.close()
