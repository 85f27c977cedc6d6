"""`python -m benchmarks.tasks.client FD JSON`: the client's process.

It takes orders over a pipe and answers each: `{"window": tasks, "seconds": s}`, or `{"seconds": s}` for one task at a time;
None is the last one.
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
    """Serve orders until the last.

    Args:
        fd: of the pipe.
        words: JSON: system, place, workers, late_s, warm_up (tasks).
    """
    machine.end_with_parent()
    machine.fine_timers()
    told = json.loads(words)
    orders: Any = Connection(int(fd))
    place = Place(told["place"]["folder"], tuple(told["place"]["ports"]))
    system = SYSTEMS[told["system"]](place, told["workers"])
    os.environ.update(system.variables())
    driver = drive.make(system.client(), STARTS_S)
    for _ in range(2):  # the first tasks meet workers that have not yet imported anything
        driver.window(told["warm_up"], 0.0)
    driver.late_s = told["late_s"]
    orders.send(driver.ledger.told())
    while (order := orders.recv()) is not None:
        if "window" in order:
            answer: dict[str, Any] = {"tasks_s": driver.window(order["window"], order["seconds"])}
        else:
            answer = {"took_ns": driver.single(order["seconds"])}
        orders.send({**answer, **driver.ledger.told()})
    driver.close()
    sys.stdout.flush()
    os._exit(0)  # threads and atexit hooks of a peer's library must not keep the cell


if __name__ == "__main__":
    main(*sys.argv[1:])
