"""The methods of both clients about sessions with the exchange, and about the pool of workers.

A body id and salts are valid only with the access token of their own session, and each worker has its own session, so they
come with that token. Every method raises as `NepseMethods.call` does.
"""

from typing import Any

from hulak.clients.nepse.base import SERVICE, NepseMethods


class SessionMethods(NepseMethods):
    """Each except `get_stats` is one action of the service `nepse`, of the same name."""

    async def get_access_token(self) -> dict[str, Any]:
        """Return `{"access_token": str, "age_s": float, "expires_in_s": float}`."""
        return dict(await self.call("access-token"))

    async def get_security_brief(self) -> list[dict[str, Any]]:
        """Return rows of `id`, `symbol`, `securityName`, `name`, `activeStatus`."""
        return list(await self.call("security-brief"))

    async def get_post_payload_id(self) -> dict[str, Any]:
        """Return `payload_id` (int) of index graphs, and its token as `get_access_token` does."""
        return dict(await self.call("post-payload-id"))

    async def get_post_payload_id_floor_sheet(self) -> dict[str, Any]:
        """Return `payload_id` (int) of the floor sheet, and its token as `get_access_token` does."""
        return dict(await self.call("post-payload-id-floor-sheet"))

    async def get_symbol_id_map(self) -> dict[str, int]:
        """Return the id of every symbol, e.g. `{"NABIL": 131, ...}`."""
        return dict(await self.call("symbol-id-map"))

    async def get_market_status(self) -> dict[str, Any]:
        """Return `isOpen` ("OPEN", "CLOSE", ...), `asOf` and `id`, in the exchange's form."""
        return dict(await self.call("market-status"))

    async def get_market_id(self) -> int:
        """Return the market's id, 0 to 99."""
        return int((await self.call("market-id"))["market_id"])

    async def get_salts(self) -> dict[str, Any]:
        """Return `salts` (five ints, salt1 first) and their token as `get_access_token` does."""
        return dict(await self.call("salts"))

    async def get_stats(self) -> dict[str, int]:
        """Return the broker's statistics of the pool of workers; calls `hulak.stats`.

        Returns:
            `totalWorkers`, each of them in `busyWorkers` or `idleWorkers` (retiring workers count for as
            long as they finish their task); `queueLength`, tasks that wait for a worker;
            `pendingTasks`, all unfinished tasks: queued, waiting for another attempt, or running;
            `totalTasksCompleted` and `totalErrors`, attempts done and failed since the broker's start,
            including those of workers that have left. Equal calls at the same time are one task, so that fewer may be
            completed than were called.
        """
        stats = await self.ask("hulak.stats", "", {}, share=False)
        present = [worker for worker in stats["workers"] if worker["service"] == SERVICE]
        workers = [worker for worker in present if worker["state"] != "retiring" or worker["held"]]
        none = {"queued": 0, "waiting": 0, "running": 0}
        tasks = stats["tasks"]["services"].get(SERVICE, none)
        attempts = stats["tasks"]["attempts"].get(SERVICE, {"done": 0, "failed": 0})
        busy = sum(worker["state"] == "busy" or worker["held"] > 0 for worker in workers)
        return {
            "totalWorkers": len(workers),
            "busyWorkers": busy,
            "idleWorkers": len(workers) - busy,
            "queueLength": tasks["queued"],
            "pendingTasks": sum(tasks[state] for state in none),
            "totalTasksCompleted": attempts["done"],
            "totalErrors": attempts["failed"],
        }
