"""The duration of tasks: which actions are short enough to run in batches, and the mean, for the broker. Pure."""

from collections.abc import Sequence

from hulak.bus.wire.messages import Task

SHORT_S = 0.0002
MOST_ACTIONS = 1000  # names of actions come from clients


class TaskTimings:
    """The durations of one worker's tasks."""

    def __init__(self) -> None:
        self.short: set[str] = set()  # actions that took less than `SHORT_S` the last time
        self._seconds = 0.0
        self._count = 0  # tasks in these seconds
        self._mean_s = 0.0

    def took(self, seconds: float, tasks: Sequence[Task]) -> None:
        """Record how long tasks took together; they have one action, or several short ones."""
        self._seconds += seconds
        self._count += len(tasks)
        if seconds >= SHORT_S * len(tasks):
            self.short.difference_update([task.action for task in tasks])
        elif tasks[0].action not in self.short:
            if len(self.short) >= MOST_ACTIONS:
                self.short.clear()
            self.short.add(tasks[0].action)

    def mean_s(self) -> float:
        """Return the mean seconds per task since the last call, or the last mean if there was none; 0 before the first task."""
        if self._count:
            self._mean_s = max(1e-6, round(self._seconds / self._count, 6))
            self._seconds, self._count = 0.0, 0
        return self._mean_s
