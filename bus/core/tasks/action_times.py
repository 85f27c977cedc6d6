"""How long tasks waited and how long their attempts took, by service and action. Pure, and of a bounded size.

This is on the hot path: the tasks of a burst have equal times, and are counted by one call.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from math import ceil, log2
from typing import Any

from hulak.bus.core.tasks.task_queue import CalledTask
from hulak.bus.histogram import PER_DOUBLING, SHIFT, TASK_EXPONENTS, place, totals_of

MOST_ACTIONS = 64  # service and action; the names come from clients, so that further ones are counted together, as `OTHER`
LONGEST_NAME = 100  # characters; an action with a longer name counts as another one too
OTHER = ("other", "other")
NOT_NAMED = "UNKNOWN_ACTION"  # the code of a failure that names no action of the service


class _ActionRow:
    """The tasks of one action."""

    __slots__ = ("failed", "run_s", "runs", "wait_s", "waits")

    def __init__(self) -> None:
        self.waits: defaultdict[int, int] = defaultdict(int)  # by place, `bus.histogram`
        self.runs: defaultdict[int, int] = defaultdict(int)
        self.wait_s, self.run_s = 0.0, 0.0
        self.failed = 0

    def count(self, now: float, task: CalledTask, count: int) -> None:
        """Count attempts that end now, with the times of one of them: the first one of a task has waited too."""
        started = task.started
        seconds = now - started
        self.runs[place(seconds * 1e6)] += count
        self.run_s += seconds * count
        if task.attempt == 1:
            self.wait(started - task.since, count)

    def wait(self, seconds: float, count: int) -> None:
        self.waits[place(seconds * 1e6)] += count
        self.wait_s += seconds * count


class ActionTimes:
    """The times of all tasks since the start of the broker."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], _ActionRow] = {}
        self._other = _ActionRow()

    def done(self, now: float, task: CalledTask) -> None:
        """Record that an attempt was successful; `now` in monotonic seconds."""
        row = self._rows.get((task.service, task.action))
        if row is None:
            row = self._new_row(task)
        # As `row.count` and `place` do, without their calls.
        started = task.started
        seconds = now - started
        doublings = log2(seconds * 1e6) if seconds > 1e-6 else 0.0
        row.runs[ceil(doublings * PER_DOUBLING + SHIFT) + ceil(doublings)] += 1
        row.run_s += seconds
        if task.attempt == 1:
            seconds = started - task.since
            doublings = log2(seconds * 1e6) if seconds > 1e-6 else 0.0
            row.waits[ceil(doublings * PER_DOUBLING + SHIFT) + ceil(doublings)] += 1
            row.wait_s += seconds

    def done_together(self, now: float, tasks: Sequence[CalledTask]) -> None:
        """Record the same of tasks of one service, in the order in which they were given to a worker."""
        action = tasks[0].action
        if [task.action for task in tasks].count(action) == len(tasks):
            _count_burst(self._row(tasks[0]), now, tasks, 0, len(tasks))
            return
        for _, some in groupby(tasks, lambda task: task.action):
            of_one = list(some)
            _count_burst(self._row(of_one[0]), now, of_one, 0, len(of_one))

    def failed(self, now: float, task: CalledTask, code: str) -> None:
        """Record that an attempt failed; `code` is that of its failure."""
        row = self._row(task, named=code != NOT_NAMED)
        row.count(now, task, 1)
        row.failed += 1

    def _row(self, task: CalledTask, *, named: bool = True) -> _ActionRow:
        row = self._rows.get((task.service, task.action))
        return self._new_row(task, named=named) if row is None else row

    def _new_row(self, task: CalledTask, *, named: bool = True) -> _ActionRow:
        longest = max(len(task.service), len(task.action))
        if len(self._rows) >= MOST_ACTIONS or longest > LONGEST_NAME or not named:
            return self._other
        row = self._rows[task.service, task.action] = _ActionRow()
        return row

    def expired(self, task: CalledTask) -> None:
        """Record a task that expired before its first attempt: it waited until then."""
        self._rows.get((task.service, task.action), self._other).wait(task.deadline - task.since, 1)

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures of each action, and of all others together if there are any (PROTOCOL.md section 7.2)."""
        named = [*self._rows.items()]
        if self._other.runs or self._other.waits:
            named.append((OTHER, self._other))
        return [
            {
                "service": service,
                "action": action,
                "failed": row.failed,
                "wait_totals": totals_of(row.waits, row.wait_s * 1e6, TASK_EXPONENTS),
                "run_totals": totals_of(row.runs, row.run_s * 1e6, TASK_EXPONENTS),
            }
            for (service, action), row in named
        ]


def _count_burst(row: _ActionRow, now: float, tasks: Sequence[CalledTask], begin: int, end: int) -> None:
    """Count the tasks from `begin` to `end`: together if the first and the last have the same times, else each half alone.

    Tasks are given in the order of their acceptance, except for few: so those between have the same times too.
    """
    first, last = tasks[begin], tasks[end - 1]
    same = first.since == last.since and first.started == last.started and first.attempt == last.attempt
    if same or end - begin == 1:
        row.count(now, first, end - begin)
        return
    middle = (begin + end) // 2
    _count_burst(row, now, tasks, begin, middle)
    _count_burst(row, now, tasks, middle, end)
