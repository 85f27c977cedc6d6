"""How long tasks take: which are so short that several are done in one go, and the mean, for the broker. Pure."""

from collections.abc import Sequence

from hulak.bus.wire.messages import Task

SHORT_S = 0.0002
MOST_ACTIONS = 1000  # names of actions come from clients


class TaskTimings:
    """What one worker's tasks took."""

    def __init__(self) -> None:
        self.short: set[str] = set()  # actions that took less than `SHORT_S` the last time
        self._seconds = 0.0
        self._count = 0  # of tasks, in these seconds
        self._mean_s = 0.0

    def took(self, seconds: float, tasks: Sequence[Task]) -> None:
        """Take note of how long tasks took together; they are of one action, or of several that were short."""
        self._seconds += seconds
        self._count += len(tasks)
        if seconds >= SHORT_S * len(tasks):
            self.short.difference_update([task.action for task in tasks])
        elif tasks[0].action not in self.short:
            if len(self.short) >= MOST_ACTIONS:
                self.short.clear()
            self.short.add(tasks[0].action)

    def mean_s(self) -> float:
        """How long a task took since this was asked last, or before, if there was none; 0 before the first."""
        if self._count:
            self._mean_s = max(1e-6, round(self._seconds / self._count, 6))
            self._seconds, self._count = 0.0, 0
        return self._mean_s
