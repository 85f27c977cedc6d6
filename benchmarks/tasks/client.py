"""`python -m benchmarks.tasks.client FD JSON`: the client process.

It receives orders over a pipe and answers each: `{"window": tasks, "seconds": s}`, or `{"seconds": s}` for one task at a time;
None ends it.
"""

import json
import os
import sys
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import machine
from benchmarks.system import Place
from benchmarks.tasks import drive
from benchmarks.tasks.systems import SYSTEMS

STARTS_S = 50.0  # for the first tasks


def main(fd: str, words: str) -> None:
    """Run orders until the last.

    Args:
        fd: of the pipe.
        words: JSON: system, place, workers, late_s, warm_up (tasks).
    """
    machine.end_with_parent()
    machine.fine_timers()
    parameters = json.loads(words)
    orders: Any = Connection(int(fd))
    place = Place(parameters["place"]["folder"], tuple(parameters["place"]["ports"]))
    system = SYSTEMS[parameters["system"]](place, parameters["workers"])
    os.environ.update(system.variables())
    driver = drive.make(system.client(), STARTS_S)
    for _ in range(2):  # the workers import their modules with the first tasks
        driver.window(parameters["warm_up"], 0.0)
    driver.late_s = parameters["late_s"]
    orders.send(driver.counts.as_dict())
    while (order := orders.recv()) is not None:
        if "window" in order:
            answer: dict[str, Any] = {"tasks_s": driver.window(order["window"], order["seconds"])}
        else:
            answer = {"took_ns": driver.single(order["seconds"])}
        orders.send({**answer, **driver.counts.as_dict()})
    driver.close()
    sys.stdout.flush()
    os._exit(0)  # threads and atexit hooks of a peer's library must not delay the cell


if __name__ == "__main__":
    main(*sys.argv[1:])
