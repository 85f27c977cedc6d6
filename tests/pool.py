"""A post house whose pool of NEPSE workers is watched: by the broker, by supervisord, and both together."""

import contextlib
import signal
import sys
import threading

from posthouse import PostHouse
from waiting import eventually

from bus import supervisor
from bus.errors import BusError
from bus.supervisor import list_processes

STANDS_S = 45
FIRST_PROMOTER_ID = 100_000


class Pool(PostHouse):
    """A post house with a pool.

    Args:
        settings: as of `PostHouse`.
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
                self.up.wait(10)
        super().__exit__(kind, *more)

    def show_logs(self):
        """Print the ends of the logs that matter; shown with a test that failed."""
        for path in sorted((self.home / "log").glob("*.log")):
            if path.name.startswith(("scaler", "broker", "nepse")):
                sys.stdout.write(f"--- {path.name}\n{path.read_text()[-2500:]}\n")

    def start_up(self):
        """Start `hulak up --demo` and wait until it stands."""
        self.up = self.hulak("up", "--demo")
        eventually(lambda: "first NEPSE task done" in self.up.log.read_text(), within_s=STANDS_S)

    def workers(self):
        """List the workers that serve, retiring ones excepted; empty if the broker does not answer."""
        try:
            rows = [one for one in self.stats()["workers"] if one["service"] == "nepse"]
        except BusError:
            return []
        return [one for one in rows if one["state"] != "retiring"]

    def slots(self):
        """Map slot to pid, of those that supervisord has up; empty if it does not answer."""
        try:
            rows = list_processes(self.home)
        except supervisor.Unreached:
            return {}
        return {row["name"]: row["pid"] for row in rows if row["group"] == "nepse" and row["state"] in ("running", "starting")}

    def agrees_on(self, count, but_not=()):
        """Tell whether broker and supervisord both see so many workers, and the same ones, and none of these killed pids."""
        slots = self.slots()
        return (
            len(slots) == count
            and not set(slots.values()) & set(but_not)
            and {one["slot"]: one["pid"] for one in self.workers()} == slots
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
    """Calls at the same time, each in a thread of its own.

    Args:
        house: where they call.
        calls: an action and its arguments each.
        timeout_s: of each call.
        retries: of each call; None for the broker's setting.
    """

    def __init__(self, house, calls, timeout_s=60, retries=0):
        self.answers, self.failures = [], []
        how = {"timeout_s": timeout_s, "retries": retries}
        self._threads = [threading.Thread(target=self._call, args=(house, *call, how), daemon=True) for call in calls]
        for thread in self._threads:
            thread.start()

    def _call(self, house, action, arguments, how):
        try:
            with house.client() as client:
                self.answers.append(client.call("nepse", action, arguments, **how))
        except BusError as error:
            self.failures.append(error)

    def join(self, within_s):
        """Wait until all have their answers."""
        eventually(lambda: not any(thread.is_alive() for thread in self._threads), within_s=within_s)
