"""A bus whose pool of NEPSE workers is watched: by the broker, by supervisord, and both together."""

import asyncio
import contextlib
import signal
import sys
import threading

from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.bus.process import supervisor_rpc
from hulak.bus.process.supervisor_rpc import list_processes
from hulak.clients.nepse.async_client import AsyncNepseClient

STANDS_S = 90  # on a machine with much else to do; a few seconds on an idle one
FIRST_PROMOTER_ID = 100_000


class WorkerPool(LocalBus):
    """A bus with a pool.

    Args:
        settings: see `LocalBus`.
    """

    def __init__(self, **settings):
        super().__init__(**settings)
        self.up = None

    def __exit__(self, kind, *more):
        if kind is not None:
            self.show_logs()
        if self.up is not None and self.up.poll() is None:
            self.up.send_signal(signal.SIGINT)
            with contextlib.suppress(Exception):
                self.up.wait(30)
        super().__exit__(kind, *more)

    def show_logs(self):
        """Print the ends of the logs, and what `hulak up` said last; shown with a test that failed."""
        logs = [path for path in sorted((self.home / "log").glob("*")) if path.stat().st_size]
        for path in [*logs, *([self.up.log] if self.up is not None else [])]:
            if path.is_file():
                sys.stdout.write(f"--- {path.name}\n{path.read_text()[-2500:]}\n")

    def start_up(self, *, demo=True):
        """Start `hulak up` and wait until it is ready; if it ends instead, fail with its log."""
        self.up = self.hulak("up", *(["--demo"] if demo else []))
        wanted = "first NEPSE task done" if demo else "no symbol ticking"

        def stands():
            text = self.up.log.read_text()
            assert self.up.poll() is None, text
            return wanted in text

        eventually(stands, within_s=STANDS_S)

    def workers(self):
        """List the workers of nepse that serve, retiring ones excepted; empty if the broker does not answer."""
        try:
            rows = [row for row in self.stats()["workers"] if row["service"] == "nepse"]
        except BusError:
            return []
        return [row for row in rows if row["state"] != "retiring"]

    def slots(self):
        """Map slot to pid, of those that supervisord has up; empty if it does not answer."""
        try:
            rows = list_processes(self.home)
        except supervisor_rpc.Unreached:
            return {}
        return {row["name"]: row["pid"] for row in rows if row["group"] == "nepse" and row["state"] in ("running", "starting")}

    def agrees_on(self, count, but_not=()):
        """Return whether broker and supervisord see the same workers, this number of them, and none of these killed pids."""
        slots = self.slots()
        return (
            len(slots) == count
            and not set(slots.values()) & set(but_not)
            and {worker["slot"]: worker["pid"] for worker in self.workers()} == slots
        )

    def slow_calls(self, count):
        """Make calls that cost a request each, and no two the same one."""
        with self.client() as client:
            numbers = client.call("nepse", "symbol-id-map", timeout_s=20)
        symbols = [symbol for symbol, number in numbers.items() if number < FIRST_PROMOTER_ID]  # those have no detail
        return [("security-detail", {"symbol": symbol}) for symbol in symbols[:count]]

    def scale(self, workers):
        """Set the target."""
        with self.client() as client:
            client.call("hulak.scale", args={"service": "nepse", "workers": workers}, timeout_s=5)


class Callers:
    """Calls at the same time, each in a separate thread.

    Args:
        local_bus: where they call.
        calls: an action and its arguments each.
        timeout_s: of each call.
        retries: of each call; None for the broker's setting.
    """

    def __init__(self, local_bus, calls, timeout_s=60, retries=0):
        self.answers, self.failures = [], []
        how = {"timeout_s": timeout_s, "retries": retries}
        self._threads = [threading.Thread(target=self._call, args=(local_bus, *call, how), daemon=True) for call in calls]
        for thread in self._threads:
            thread.start()

    def _call(self, local_bus, action, arguments, how):
        try:
            with local_bus.client() as client:
                self.answers.append(client.call("nepse", action, arguments, **how))
        except BusError as error:
            self.failures.append(error)

    def join(self, within_s):
        """Wait until all have their answers."""
        eventually(lambda: not any(thread.is_alive() for thread in self._threads), within_s=within_s)


class PoolExample:
    """The example of the pool that this one replaces: all its methods, and reads of one company each, asked for at once.

    Args:
        local_bus: where they ask.
        count: calls at the same time.
        timeout_s: of each call.
    """

    METHODS = (
        "get_access_token",
        "get_security_brief",
        "get_market_status",
        "get_post_payload_id",
        "get_post_payload_id_floor_sheet",
        "get_symbol_id_map",
        "get_market_id",
        "get_salts",
    )

    def __init__(self, local_bus, count, timeout_s=60):
        self.local_bus, self.count, self.timeout_s = local_bus, count, timeout_s
        self.answers, self.failures = [], []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask()), daemon=True)
        self._thread.start()

    async def _ask(self):
        local_bus = self.local_bus
        async with AsyncNepseClient(local_bus.settings, local_bus.home, timeout_s=self.timeout_s) as nepse:
            calls = [(name,) for name in self.METHODS] * (self.count * 5 // 8 // len(self.METHODS))
            calls += local_bus.slow_calls(self.count - len(calls))
            asked = [getattr(nepse, call[0])() if len(call) == 1 else nepse.call(call[0], **call[1]) for call in calls]
            assert len(asked) == self.count
            for reply in await asyncio.gather(*asked, return_exceptions=True):
                (self.failures if isinstance(reply, Exception) else self.answers).append(reply)

    @property
    def asking(self):
        """Whether a caller still waits."""
        return self._thread.is_alive()

    def join(self, within_s):
        """Wait until all have their answers."""
        eventually(lambda: not self.asking, within_s=within_s)
