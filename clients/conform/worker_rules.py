"""The rules for workers, as data: actions of the fake broker, and messages that it waits for. Pure."""

from dataclasses import dataclass
from enum import Enum, auto

from hulak.clients.conform.rule import Rule

SERVICE, ACTION = "sums", "add"
LEASE_S = 1.5


@dataclass(frozen=True)
class Give:
    """Tasks are given: `add` of `a` and `b`, which takes `ms` where that is not 0."""

    sums: tuple[tuple[int, int], ...]
    ms: int = 0
    action: str = ACTION


class Do(Enum):
    """An action of the broker, or a message that it waits for."""

    READY = auto()  # waits for the next READY
    RESULTS = auto()  # waits for the results of all tasks
    HELD = auto()  # waits for a HEARTBEAT that names all tasks
    SILENT = auto()  # watches the worker's HEARTBEATs for twice its lease
    FORGET = auto()  # HEARTBEAT with `known` false
    EPOCH = auto()  # HEARTBEAT with another epoch
    RESTART = auto()  # is killed and started again, with another epoch
    RETIRE = auto()  # RETIRE
    GOODBYE = auto()  # waits for GOODBYE


@dataclass(frozen=True)
class WorkerRule(Rule):
    """A rule, and its scenario; at its end an unfinished worker is retired."""

    steps: tuple[Give | Do, ...] = ()


def give(*sums: tuple[int, int], ms: int = 0, action: str = ACTION) -> Give:
    """Return the step that gives these tasks."""
    return Give(sums, ms, action)


LONG_MS = 700
HOLDS = (give((1, 2), ms=LONG_MS), Do.HELD)
WORKER_RULES = (
    WorkerRule("ready", "5.1", "The first message is READY: service, name, credit, held, info."),
    WorkerRule("new-name", "5.1", "A worker has another name after each start.", runs=2),
    WorkerRule("result", "5.1", "A TASK is answered with RESULT.", steps=(give((1, 2)), Do.RESULTS, give((3, 4)), Do.RESULTS)),
    WorkerRule(
        "several-in-a-frame",
        "5.5",
        "With `several` true in `info`, several TASKs in a frame are carried out like single ones.",
        steps=(give((1, 2), (3, 4), (5, 6)), Do.RESULTS),
    ),
    WorkerRule(
        "unknown-action",
        "5.4",
        "An action that fails or is unknown ends with a RESULT that is not done: a map with code and text.",
        steps=(give((1, 2), action="nothing-like-it"), Do.RESULTS, give((1, 2)), Do.RESULTS),
    ),
    WorkerRule("heartbeat", "5.2", "A HEARTBEAT comes before the lease of 1.5 s is over.", steps=(Do.SILENT,)),
    WorkerRule("held", "5.2", "HEARTBEAT names every task that the worker holds.", steps=(*HOLDS, Do.RESULTS)),
    WorkerRule(
        "unknown-again",
        "5.2",
        "After `known` false the worker sends READY with all tasks that it holds, and ends them.",
        steps=(*HOLDS, Do.FORGET, Do.READY, Do.RESULTS),
    ),
    WorkerRule(
        "other-epoch",
        "5.2",
        "After another epoch the worker sends READY with all tasks that it holds, and ends them.",
        steps=(*HOLDS, Do.EPOCH, Do.READY, Do.RESULTS),
    ),
    WorkerRule(
        "restart",
        "5.2",
        "After a restart of the broker the worker sends READY under its name, and its tasks end once.",
        steps=(give((1, 2), ms=3 * LONG_MS), Do.HELD, Do.RESTART, Do.READY, Do.RESULTS, give((3, 4)), Do.RESULTS),
    ),
    WorkerRule(
        "retire",
        "5.3",
        "After RETIRE the worker ends the tasks that it holds, sends GOODBYE and exits with 0.",
        steps=(*HOLDS, Do.RETIRE, Do.RESULTS, Do.GOODBYE),
    ),
)
