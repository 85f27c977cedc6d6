"""Task queues on Redis: Celery, Dramatiq, RQ, arq, taskiq, each with its own worker program and its own client.

Redis stores nothing on disk here, which is the fastest way to run them, and a weaker guarantee than Hulak's posted tasks.
"""

import abc
import asyncio
import importlib
import importlib.util
from typing import Any

from benchmarks import machine
from benchmarks.machine import HOST
from benchmarks.system import Place
from benchmarks.systems.redis import Redis as Server
from benchmarks.tasks import work
from benchmarks.tasks.apps import REDIS
from benchmarks.tasks.system import AsyncClient, Client, TaskSystem
from benchmarks.tasks.systems.clusters import REQUIREMENTS

APPS = "benchmarks.tasks.apps"
POLL_S = 0.002  # between two polls for a result


class OnRedis(TaskSystem):
    """A separate server, and workers."""

    module = ""  # the library's

    def missing(self) -> str | None:
        """Return what is not installed; None if nothing is missing."""
        if why := Server(self.place).missing():
            return why
        return None if importlib.util.find_spec(self.module) else f"{self.module} is not installed ({REQUIREMENTS})"

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"redis://{HOST}:{self.place.ports[0]}/0"

    def variables(self) -> dict[str, str]:
        """Return the variables, with the server's URL."""
        return {**super().variables(), REDIS: self.url}

    def start(self) -> None:
        """Start the server, then the workers."""
        port, folder = str(self.place.ports[0]), self.place.folder
        self.spawn(["redis-server", "--port", port, "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", folder])
        machine.connect_tcp(self.place.ports[0]).close()
        self.start_workers()

    @abc.abstractmethod
    def start_workers(self) -> None:
        """Start the worker processes."""


class TaskClient(Client):
    """A client whose tasks are objects of an app."""

    def __init__(self, app: str) -> None:
        self.task: Any = importlib.import_module(f"{APPS}.{app}").noop


class CeleryClient(TaskClient):
    """`delay` and `get`."""

    def submit(self, number: int) -> Any:
        """Submit a task."""
        return self.task.delay(work.argument(number))

    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for the result of a task."""
        return handle.get(timeout=within_s)


class Celery(OnRedis):
    """Broker and results on Redis, prefork workers."""

    module = "celery"

    def start_workers(self) -> None:
        """Start one program with a process for each worker."""
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "error"]
        words = ["-A", f"{APPS}.celery_app", "worker", "-c", str(self.workers), "-P", "prefork", *quiet]
        self.spawn_python("celery", *words, variables=self.variables())

    def client(self) -> Client:
        """Connect a client."""
        return CeleryClient("celery_app")


class DramatiqClient(TaskClient):
    """`send` and `get_result`."""

    def submit(self, number: int) -> Any:
        """Submit a task."""
        return self.task.send(work.argument(number))

    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for the result of a task."""
        return handle.get_result(block=True, timeout=int(within_s * 1000))


class Dramatiq(OnRedis):
    """Processes with eight threads each, its default."""

    module = "dramatiq"

    def start_workers(self) -> None:
        """Start one program with a process for each worker."""
        words = [f"{APPS}.dramatiq_app", "-p", str(self.workers), "-t", "8"]
        self.spawn_python("dramatiq", *words, variables=self.variables())

    def client(self) -> Client:
        """Connect a client."""
        return DramatiqClient("dramatiq_app")


class RqClient(Client):
    """`enqueue` and `latest_result`."""

    def __init__(self, port: int) -> None:
        connection = importlib.import_module("redis").Redis(HOST, port)
        self.queue: Any = importlib.import_module("rq").Queue(connection=connection)

    def submit(self, number: int) -> Any:
        """Submit a task."""
        return self.queue.enqueue(work.noop, work.argument(number), result_ttl=60)

    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for the result of a task."""
        return handle.latest_result(timeout=int(within_s)).return_value


class Rq(OnRedis):
    """Workers that fork for each task, as shipped; or workers that do not.

    Args:
        place: of the cell.
        workers: processes.
        simple: its SimpleWorker.
    """

    module = "rq"

    def __init__(self, place: Place, workers: int, *, simple: bool = False) -> None:
        super().__init__(place, workers)
        self.simple = simple

    def start_workers(self) -> None:
        """Start one program for each worker."""
        kind = ["-w", "rq.worker.SimpleWorker"] if self.simple else []
        for _ in range(self.workers):
            self.spawn_python("rq.cli", "worker", "-u", self.url, "-q", *kind, variables=self.variables())

    def client(self) -> Client:
        """Connect a client."""
        return RqClient(self.place.ports[0])


class ArqClient(AsyncClient):
    """`enqueue_job`, then polling for the result."""

    async def open(self) -> None:
        """Connect a client."""
        settings = importlib.import_module(f"{APPS}.arq_app").Settings.redis_settings
        self.pool: Any = await importlib.import_module("arq").create_pool(settings)

    async def call(self, number: int, within_s: float) -> Any:
        """Run a task; `Job.result` would miss the result of a fast worker."""
        job = await self.pool.enqueue_job("noop", work.argument(number))
        async with asyncio.timeout(within_s):
            while (info := await job.result_info()) is None:  # noqa: ASYNC110 - results in Redis have no notification
                await asyncio.sleep(POLL_S)
        return info.result


class Arq(OnRedis):
    """Workers with an event loop."""

    module = "arq"

    def start_workers(self) -> None:
        """Start one program for each worker."""
        for _ in range(self.workers):
            self.spawn_python("arq", f"{APPS}.arq_app.Settings", variables=self.variables())

    def client(self) -> AsyncClient:
        """Return the client."""
        return ArqClient()


class TaskiqClient(AsyncClient):
    """`kiq` and `wait_result`."""

    async def open(self) -> None:
        """Connect a client."""
        app: Any = importlib.import_module(f"{APPS}.taskiq_app")
        await app.broker.startup()
        self.broker, self.task = app.broker, app.noop

    async def call(self, number: int, within_s: float) -> Any:
        """Run a task."""
        handle = await self.task.kiq(work.argument(number))
        return (await handle.wait_result(check_interval=POLL_S, timeout=within_s)).return_value

    async def close(self) -> None:
        """Close the connection."""
        await self.broker.shutdown()


class Taskiq(OnRedis):
    """Workers with an event loop."""

    module = "taskiq_redis"

    def start_workers(self) -> None:
        """Start one program with a process for each worker."""
        words = ["worker", f"{APPS}.taskiq_app:broker", "--workers", str(self.workers), "--log-level", "ERROR"]
        self.spawn_python("taskiq", *words, variables=self.variables())

    def client(self) -> AsyncClient:
        """Return the client."""
        return TaskiqClient()
