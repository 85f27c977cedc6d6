"""ipyparallel and dask.distributed: clusters that their client starts."""

import importlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import HOST
from benchmarks.system import Place
from benchmarks.tasks import work
from benchmarks.tasks.system import Client, TaskSystem

REQUIREMENTS = "pip install -r benchmarks/requirements-tasks.txt"


class IpyparallelClient(Client):
    """A load-balanced view."""

    def __init__(self, workers: int, folder: str) -> None:
        parallel: Any = importlib.import_module("ipyparallel")
        place = str(Path(folder) / "ipython")
        os.environ["IPYTHONDIR"] = place
        self.cluster = parallel.Cluster(n=workers, log_level=40, ipython_dir=place, controller_ip=HOST, engine_timeout=60)
        self.client = self.cluster.start_and_connect_sync(activate=False)
        self.view = self.client.load_balanced_view()

    def submit(self, number: int) -> Any:
        """Submit a task."""
        return self.view.apply_async(work.noop, work.argument(number))

    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for the result of a task."""
        return handle.get(within_s)

    def close(self) -> None:
        """Stop the cluster."""
        self.client.close()
        self.cluster.stop_cluster_sync()


class Ipyparallel(TaskSystem):
    """A cluster of engines with its controller."""

    def missing(self) -> str | None:
        """Return what is not installed; None if nothing is missing."""
        return None if importlib.util.find_spec("ipyparallel") else f"ipyparallel is not installed ({REQUIREMENTS})"

    def client(self) -> Client:
        """Start the cluster."""
        return IpyparallelClient(self.workers, self.place.folder)


class DaskClient(Client):
    """A local cluster; task by task, or in batches with `map` and `gather`."""

    def __init__(self, workers: int, folder: str, *, batches: bool) -> None:
        dask: Any = importlib.import_module("distributed")
        self.batches = batches
        options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None, "host": HOST}
        self.cluster = dask.LocalCluster(n_workers=workers, local_directory=folder, memory_limit="2GiB", **options)
        self.client = dask.Client(self.cluster)

    def submit(self, number: int) -> Any:
        """Submit a task."""
        return self.client.submit(work.noop, work.argument(number), pure=False)

    def result(self, handle: Any, within_s: float) -> Any:
        """Wait for the result of a task."""
        return handle.result(within_s)

    def many(self, numbers: Sequence[int], within_s: float) -> Sequence[Any]:
        """Run a batch of tasks."""
        del within_s
        answers: list[Any] = self.client.gather(
            self.client.map(work.noop, [work.argument(number) for number in numbers], pure=False)
        )
        return answers

    def close(self) -> None:
        """Stop the cluster."""
        self.client.close()
        self.cluster.close()


class Dask(TaskSystem):
    """A scheduler and workers.

    Args:
        place: of the cell.
        workers: processes with one thread each.
        batches: see `DaskClient`.
    """

    def __init__(self, place: Place, workers: int, *, batches: bool = False) -> None:
        super().__init__(place, workers)
        self.batches = batches

    def missing(self) -> str | None:
        """Return what is not installed; None if nothing is missing."""
        return None if importlib.util.find_spec("distributed") else f"dask.distributed is not installed ({REQUIREMENTS})"

    def client(self) -> Client:
        """Start the cluster."""
        return DaskClient(self.workers, self.place.folder, batches=self.batches)
