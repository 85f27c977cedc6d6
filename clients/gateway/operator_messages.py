"""The commands of operators on `/ws`: tasks, workers, schedules, keys, figures and log. Pure. PROTOCOL.md section 12.2."""

from typing import Annotated, Any, Literal

import msgspec

from hulak.clients.gateway.client_message import Id, Message, Name, Note
from hulak.clients.gateway.tokens import Role

MOST_ROWS = 500  # of one answer
MOST_POINTS = 1000  # of one line of a chart
TaskName = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
Long = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Rows = Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)]
State = Literal["queued", "running", "waiting", "done", "failed", "expired", "cancelled", "unreadable"]
IDS = {"id", "task", "retried_as", "schedule", "last_task"}  # bytes in answers of the broker, which become hexadecimal texts
LISTS = ("calls", "alerts")  # of rows with ids, in an answer
Request = tuple[str, dict[str, Any]]  # the name of a service of the broker, and its arguments
TASK_SERVICES = {
    "task.show": "hulak.task.show",
    "task.cancel": "hulak.cancel",
    "task.retry": "hulak.retry",
    "task.drop": "hulak.drop",
}


class Ask(Message, frozen=True):
    """A command that the broker answers."""

    def request(self, by: str) -> Request:
        """Return the broker's service and its arguments; `by` is the name of the sender."""
        raise NotImplementedError


class TasksList(Ask, frozen=True, tag="tasks.list"):
    """Request posted tasks, the newest first."""

    state: State | None = None
    service: Long | None = None
    before: TaskName | None = None
    limit: Rows = 100
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        before = None if self.before is None else bytes.fromhex(self.before)
        return "hulak.tasks", {**_given({"state": self.state, "service": self.service, "before": before}), "limit": self.limit}


class CallsList(Ask, frozen=True, tag="calls.list"):
    """Request the calls in progress, the oldest first."""

    service: Long | None = None
    limit: Rows = 100
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.calls", {**_given({"service": self.service}), "limit": self.limit}


class TaskShow(Ask, frozen=True, tag="task.show"):
    """Request a posted task with its arguments, attempts and result."""

    task: TaskName
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return TASK_SERVICES[str(self.__struct_config__.tag)], {"task": bytes.fromhex(self.task)}


class TaskCancel(TaskShow, frozen=True, tag="task.cancel"):
    """Cancel a posted task."""


class TaskRetry(TaskShow, frozen=True, tag="task.retry"):
    """Post a dead letter again."""


class TaskDrop(TaskShow, frozen=True, tag="task.drop"):
    """Delete a dead letter."""


class WorkerDrain(Ask, frozen=True, tag="worker.drain"):
    """Let a worker end its tasks and leave."""

    worker: Long
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        return "hulak.retire", {"worker": self.worker, "reason": f"{by} asked for it"[:200]}


class ServiceScale(Ask, frozen=True, tag="service.scale"):
    """Set the number of workers of a service."""

    service: Long
    workers: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | Literal["auto"]
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.scale", {"service": self.service, "workers": self.workers}


class ConfigHistory(Ask, frozen=True, tag="config.history"):
    """Request the newest versions of the live configuration."""

    limit: Rows = 100
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.config.history", {"limit": self.limit}


class ConfigVersion(Ask, frozen=True, tag="config.version"):
    """Request the values of one version of the live configuration."""

    version: Annotated[int, msgspec.Meta(ge=0)]
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.config.get", {"version": self.version}


class ConfigRevert(Ask, frozen=True, tag="config.revert"):
    """Make a new version with the values of a former one."""

    version: Annotated[int, msgspec.Meta(ge=0)]
    note: Note = ""
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        return "hulak.config.revert", {"version": self.version, "by": by, "note": self.note}


class SchedulesList(Ask, frozen=True, tag="schedules.list"):
    """Request the schedules."""

    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return "hulak.schedule.list", {}


class ScheduleChange(Ask, frozen=True, tag="schedule.change"):
    """Pause, resume, remove or run a schedule."""

    name: Name
    to: Literal["pause", "resume", "remove", "run"]
    id: Id = None

    def request(self, by: str) -> Request:
        """See `Ask`."""
        del by
        return f"hulak.schedule.{self.to}", {"name": self.name}


class KeysList(Message, frozen=True, tag="keys.list"):
    """Request the authorised keys: names, roles, notes and expiries."""

    id: Id = None


class KeyRevoke(Message, frozen=True, tag="key.revoke"):
    """Remove an authorised key."""

    name: Name
    id: Id = None


class HistoryRead(Message, frozen=True, tag="history.read"):
    """Request the course of a figure over the last hour or day."""

    figure: Name
    span: Literal["hour", "day"] = "hour"
    points: Annotated[int, msgspec.Meta(ge=10, le=MOST_POINTS)] = 360
    id: Id = None


class LogRead(Message, frozen=True, tag="log.read"):
    """Request the newest lines of the processes' logs."""

    process: Name | None = None
    level: Literal["debug", "info", "warning", "error"] = "debug"
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    limit: Rows = 200
    id: Id = None


Local = KeysList | KeyRevoke | HistoryRead | LogRead  # answered by the gateway itself
OfBroker = (
    TasksList
    | CallsList
    | TaskShow
    | TaskCancel
    | TaskRetry
    | TaskDrop
    | WorkerDrain
    | ServiceScale
    | ConfigHistory
    | ConfigVersion
    | ConfigRevert
    | SchedulesList
    | ScheduleChange
)
NEEDS = {
    "tasks.list": Role.VIEW,
    "calls.list": Role.VIEW,
    "task.show": Role.VIEW,
    "task.cancel": Role.OPERATE,
    "task.retry": Role.OPERATE,
    "task.drop": Role.OPERATE,
    "worker.drain": Role.OPERATE,
    "service.scale": Role.OPERATE,
    "config.history": Role.VIEW,
    "config.version": Role.VIEW,
    "config.revert": Role.OPERATE,
    "schedules.list": Role.VIEW,
    "schedule.change": Role.OPERATE,
    "keys.list": Role.OPERATE,
    "key.revoke": Role.OPERATE,
    "history.read": Role.VIEW,
    "log.read": Role.OPERATE,
}


def _given(args: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in args.items() if value is not None}


def with_texts(value: Any) -> Any:
    """Return an answer of the broker with its ids as texts."""
    if isinstance(value, list):
        return [with_texts(row) for row in value]
    if not isinstance(value, dict):
        return value
    row = {key: item.hex() if key in IDS and isinstance(item, bytes) else item for key, item in value.items()}
    for name in LISTS:
        if isinstance(rows := row.get(name), list):
            row[name] = with_texts(rows)
    return row
