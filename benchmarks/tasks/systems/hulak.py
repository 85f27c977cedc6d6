"""Hulak itself: the real broker process and real workers with a module of tasks, called or posted."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.machine import HOST
from benchmarks.system import SETTLES_S, BenchmarkError, Place
from benchmarks.tasks import work
from benchmarks.tasks.system import AsyncClient, Client, TaskSystem
from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.process import load_settings
from hulak.bus.process.settings import Settings
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.calls.client import BusClient
from hulak.clients.calls.posted_tasks import posted_id, posting, result_args, value_of

NAMES = ("collector", "publisher", "frontend", "backend")
SERVICE, ACTION = "benchmark", "noop"
APP = "benchmarks.tasks.apps.hulak_app"


class Caller(Client):
    """Calls, through the package's own client."""

    def __init__(self, client: BusClient) -> None:
        self.bus = client

    def submit(self, number: int) -> Any:
        """Call the task."""
        return self.bus.submit(SERVICE, ACTION, work.argument(number))

    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for the answer."""
        return handle.result(within_s)

    def close(self) -> None:
        """Close the connection."""
        self.bus.close()


class Poster(Caller):
    """Posts tasks: each is on the broker's disk before it is accepted, and so is its result before it is returned.

    A handle is a list of one future: of the acceptance, then of the result. The results of all accepted tasks
    are requested together.
    """

    def __init__(self, client: BusClient) -> None:
        super().__init__(client)
        self.accepting: deque[list[Any]] = deque()

    def submit(self, number: int) -> list[Any]:
        """Post a task."""
        handle = [self.bus.submit("hulak.post", "", posting(SERVICE, ACTION, work.argument(number)))]
        self.accepting.append(handle)
        return handle

    def result(self, handle: list[Any], within_s: float) -> Any:
        """Wait until the task has ended."""
        while self.accepting and (self.accepting[0][0].done() or handle in self.accepting):
            self._request_result(self.accepting.popleft(), within_s)
        row = handle[0].result(within_s)
        if row["ended_ns"] is None:
            raise BusTimeout(f"a task is {row['state']} after {within_s:g} s")
        return value_of(row)

    def _request_result(self, handle: list[Any], within_s: float) -> None:
        args = result_args(posted_id(handle[0].result(within_s)), within_s)
        handle[0] = self.bus.submit("hulak.result", "", args)


class AsyncCaller(AsyncClient):
    """Calls, through the package's asyncio client."""

    def __init__(self, settings: Settings, home: Path) -> None:
        self.settings, self.home = settings, home

    async def open(self) -> None:
        """Make the client; it connects with its first call."""
        self.bus = AsyncBusClient(self.settings, self.home)

    async def call(self, number: int, within_s: float) -> Any:
        """Call the task."""
        return await self.bus.submit(SERVICE, ACTION, work.argument(number), timeout_s=within_s)

    async def close(self) -> None:
        """Close the connection."""
        self.bus.close()


class MapCaller(Caller):
    """Calls in batches."""

    batches = True

    def many(self, numbers: Sequence[int], within_s: float) -> Sequence[Any]:
        """Run a batch of tasks, all in flight at once."""
        args = (work.argument(number) for number in numbers)
        return list(self.bus.map(SERVICE, ACTION, args, window=len(numbers), timeout_s=within_s))


class Hulak(TaskSystem):
    """The broker with its shipped settings, on free ports, its home in the cell's folder.

    Args:
        place: of the cell.
        workers: of a module of tasks.
        by: the client: `submit`, `map` or `async` for calls, `post` for posted tasks.
        ipc: over files instead of TCP, like local processes.
        credit: tasks that a worker holds at a time; None: adaptive, as shipped.
    """

    def __init__(self, place: Place, workers: int, *, by: str = "submit", ipc: bool = True, credit: int | None = None) -> None:
        super().__init__(place, workers)
        self.by = by
        self.credit = [] if credit is None else ["--credit", str(credit)]
        self.home = Path(place.folder)
        self.seen_from = self.home if ipc else self.home / "elsewhere"  # without socket files there, clients use TCP
        self.addresses = {name: f"tcp://{HOST}:{port}" for name, port in zip(NAMES, place.ports, strict=True)}

    def start(self) -> None:
        """Start broker and workers, and wait until all are connected."""
        lines = [f'{name} = "{address}"' for name, address in self.addresses.items()]
        (self.home / "hulak.toml").write_text("[broker]\n" + "\n".join(lines) + "\n" + machine.OPEN)
        self.spawn(machine.python("hulak.bus"), {"HULAK_HOME": str(self.home)})
        file, home = ["--config", str(self.home / "hulak.toml")], ["--home", str(self.seen_from)]
        with BusClient(self.settings(), self.seen_from) as client:
            self._wait_for_broker(client)
            for at in range(self.workers):
                words = ["worker", SERVICE, "--module", APP, "--name", f"{SERVICE}-{at}", *self.credit]
                self.spawn(machine.python("hulak", *words, *file, *home), self.variables())
            self._wait_for_workers(client)

    def _wait_for_broker(self, client: BusClient) -> None:
        try:
            client.call("hulak.ping", timeout_s=SETTLES_S)
        except BusError as error:
            raise BenchmarkError(f"the broker did not start: {error}") from error

    def _wait_for_workers(self, client: BusClient) -> None:
        machine.wait_for(
            lambda: len(client.call("hulak.stats", timeout_s=SETTLES_S)["workers"]) == self.workers,
            SETTLES_S,
            f"{self.workers} workers of Hulak",
        )

    def parts(self) -> dict[str, list[int]]:
        """Return the broker and the workers."""
        broker, *workers = [process.pid for process in self.processes]
        return {"broker": [broker], "workers": workers}

    def settings(self) -> Settings:
        """Load the settings of the broker."""
        return load_settings.load(self.home, self.home / "hulak.toml")

    def client(self) -> Client | AsyncClient:
        """Connect a client."""
        if self.by == "async":
            return AsyncCaller(self.settings(), self.seen_from)
        kinds = {"submit": Caller, "map": MapCaller, "post": Poster}
        return kinds[self.by](BusClient(self.settings(), self.seen_from))
