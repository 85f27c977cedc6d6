"""The state of `hulak top`: updates of its source in, the data of its screens out. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.errors import ProtocolError
from hulak.bus.subscriber.events import Event
from hulak.clients.cli.table import moment
from hulak.clients.cli.top_source import MessageUpdate, ProblemUpdate, StatsUpdate, TasksUpdate, TaskUpdate, TopicsUpdate, Update
from hulak.clients.cli.top_tabs import TopData
from hulak.clients.cli.top_view import HISTORY
from hulak.clients.cli.topic_board import read_body

MESSAGES = 200  # of a followed topic that are kept


@dataclass(slots=True)
class TopState:
    """The state of the view.

    Args:
        remaining: messages on `stats` after which it ends; None: no limit.
        context: name of the context in use; empty: none.
    """

    remaining: int | None = None
    context: str = ""
    data: TopData = field(default_factory=TopData)
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))  # ticks per second, one per second
    messages: deque[Event] = field(default_factory=lambda: deque(maxlen=MESSAGES))  # of the followed topic, newest first
    paused: bool = False
    _task: TaskUpdate | None = None

    def take(self, update: Update, now: float) -> None:
        """Take an update; while the view is paused it is dropped. `now` in monotonic seconds."""
        if self.paused:
            return
        data = self.data
        match update:
            case StatsUpdate(stats, at):
                data.stats, data.received = stats, at
                self.history.append(stats["ticks"]["per_s"])
                self.remaining = None if self.remaining is None else self.remaining - 1
            case TopicsUpdate(events, at):
                data.topics_came = True
                data.topics.keep_only({event.topic for event in events})
                for event in events:
                    data.topics.add(event.topic, event.stamp.sequence, event.stamp.time_ns, body_of(event), at)
            case TasksUpdate(rows):
                data.tasks = rows
            case TaskUpdate():
                self._task = update
            case MessageUpdate(event):
                self.messages.appendleft(event)
                stamp = event.stamp
                data.topics.add(event.topic, stamp.sequence, stamp.time_ns, body_of(event), now)
            case ProblemUpdate(_, text):
                data.problem = text

    def task_row(self, key: str) -> dict[str, Any] | None:
        """Return the stored values of a task; None before they came."""
        return dict(self._task.row) if self._task is not None and self._task.key == key else None


def message(event: Event) -> Sequence[str]:
    """Return the cells of a message: number, time, text."""
    return (
        f"{event.stamp.sequence:,}",
        moment(event.stamp.time_ns, "milliseconds")[11:23],
        read_body(event.topic, body_of(event))[1],
    )


def body_of(event: Event) -> Any:
    """Return the body of a message, or why it is unreadable."""
    try:
        return event.body
    except (ProtocolError, RecursionError) as error:
        return f"unreadable: {error}"
