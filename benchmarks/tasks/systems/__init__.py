"""All task queues, by their names on the command line."""

from collections.abc import Callable
from functools import partial

from benchmarks.system import Place
from benchmarks.tasks.faulty import Faulty, Lying, Pretending, Repeating
from benchmarks.tasks.system import TaskSystem
from benchmarks.tasks.systems.clusters import Dask, Ipyparallel
from benchmarks.tasks.systems.hulak import Hulak
from benchmarks.tasks.systems.jetstream import JetStream
from benchmarks.tasks.systems.nats import Nats
from benchmarks.tasks.systems.pools import Executor, Pool
from benchmarks.tasks.systems.queues import Arq, Celery, Dramatiq, Rq, Taskiq

SYSTEMS: dict[str, Callable[[Place, int], TaskSystem]] = {
    "hulak": Hulak,  # called, over ipc files, as local processes do
    "hulak-tcp": partial(Hulak, ipc=False),
    "hulak-async": partial(Hulak, by="async"),
    "hulak-map": partial(Hulak, by="map"),
    "hulak-credit64": partial(Hulak, credit=64),  # not adapted
    "hulak-posted": partial(Hulak, by="post"),  # on disk before it is accepted
    "jetstream": JetStream,  # the same promise as a posted task's
    "jetstream-1s": partial(JetStream, sync="1s"),  # a power failure can cost the last second
    "nats": Nats,
    "pool": Pool,
    "executor": Executor,
    "celery": Celery,
    "dramatiq": Dramatiq,
    "rq": Rq,
    "rq-simple": partial(Rq, simple=True),
    "arq": Arq,
    "taskiq": Taskiq,
    "ipyparallel": Ipyparallel,
    "dask": Dask,
    "dask-map": partial(Dask, batches=True),
    # Negative controls
    "losing": Faulty,
    "repeating": Repeating,
    "lying": Lying,
    "pretending": Pretending,
}
CONTROLS = ("losing", "repeating", "lying", "pretending")
MEASURED = tuple(name for name in SYSTEMS if name not in CONTROLS)
