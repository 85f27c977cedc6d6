"""The operations of `/api/v1`: the one table that routes the requests and makes the OpenAPI document.

An operation with a `service` is that control service of the broker: its arguments, checked by the broker's own types, are the
operation's. The others have a function in `bus_reads.py` or `bus_writes.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any

from hulak.bus.core import control_requests as control
from hulak.bus.core.control_arguments import Arguments
from hulak.bus.core.control_requests import NoArguments
from hulak.bus.core.schedules import schedule_requests as schedules
from hulak.clients.gateway.api import arguments, bus_reads, bus_writes
from hulak.clients.gateway.api.context import Work
from hulak.clients.gateway.tokens import Role

BASE = "/api/v1"
WITH_BODY = ("POST", "PUT", "PATCH")
BY = "by"  # an argument that the gateway sets: the author of a change
TASK_EXAMPLE = "0123456789abcdef0123456789abcdef"
_NAMED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Args:
        name: the OpenAPI document's operationId.
        method: such as GET.
        path: below `BASE`; `{name}` is an argument.
        summary: one line.
        need: the role of the client's token.
        args: the type of the arguments. Arguments outside the path are in the body of a POST, PUT or PATCH, else in the query.
        service: the control service that it calls.
        work: does it, if no single control service does.
        status: of the response.
        example: arguments.
    """

    name: str
    method: str
    path: str
    summary: str
    need: Role
    args: type[Arguments] = NoArguments
    service: str = ""
    work: Work | None = None
    status: HTTPStatus = HTTPStatus.OK
    example: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def in_path(self) -> tuple[str, ...]:
        """Return the arguments of the path."""
        return tuple(_NAMED.findall(self.path))

    @property
    def has_body(self) -> bool:
        """Return whether the other arguments are in the body."""
        return self.method in WITH_BODY


def _get(name: str, path: str, summary: str, args: type[Arguments] = NoArguments, **more: Any) -> Operation:
    return Operation(name, "GET", path, summary, Role.VIEW, args, **more)


def _do(name: str, method: str, path: str, summary: str, args: type[Arguments] = NoArguments, **more: Any) -> Operation:
    return Operation(name, method, path, summary, Role.OPERATE, args, **more)


OPERATIONS = (
    # Health and figures
    _get("ping", "/ping", "Check that the broker answers", service="hulak.ping"),
    _get("status", "/status", "Health, statistics, and the supervised processes", work=bus_reads.status),
    _get("check", "/check", "The verdict on everything, the one of hulak check", work=bus_reads.check),
    _get("stats", "/stats", "All statistics of the broker", service="hulak.stats"),
    _get("workers.list", "/workers", "The workers", work=bus_reads.workers),
    _get("feeds.list", "/feeds", "The feeds, with their states and symbols", work=bus_reads.feeds),
    _do(
        "feeds.add_symbols",
        "POST",
        "/feeds/{feed}/symbols",
        "Add symbols to a running feed; its report has the state of each",
        arguments.SymbolsOfFeed,
        work=bus_writes.add_symbols,
        example={"feed": "kraken", "symbols": ["SOL/USD"]},
    ),
    _do(
        "feeds.remove_symbols",
        "DELETE",
        "/feeds/{feed}/symbols",
        "Remove symbols from a running feed",
        arguments.SymbolsOfFeed,
        work=bus_writes.remove_symbols,
        example={"feed": "kraken", "symbols": ["SOL/USD"]},
    ),
    _get("bridges.list", "/bridges", "The bridges to other sites", work=bus_reads.bridges),
    _get("subscribers.list", "/subscribers", "Figures of the broker's subscribers", work=bus_reads.subscribers),
    # Ticks and other topics
    _get(
        "topics.list",
        "/topics",
        "Topics, with their last numbers",
        arguments.TopicsQuery,
        work=bus_reads.topics,
        example={"topic": "tick."},
    ),
    _do(
        "topics.remove",
        "DELETE",
        "/topics",
        "Remove topics of feeds, and own topics",
        control.TopicRemoveArguments,
        service="hulak.topic.remove",
        example={"topics": ["tick.TEST1"]},
    ),
    _get("topics.owners", "/topics/owners", "The owners of own topics", service="hulak.topic.owners"),
    _do(
        "topics.publish",
        "POST",
        "/topics/{topic}/messages",
        "Publish a message on an own topic",
        arguments.PublishBody,
        work=bus_writes.publish,
        example={"topic": "app.signals.EURUSD", "body": {"side": "buy"}},
    ),
    _get(
        "last",
        "/last/{topic}",
        "The last message of a topic, or of each topic of a prefix such as tick.EUR*",
        arguments.LastQuery,
        work=bus_reads.last,
        example={"topic": "tick.EURUSD"},
    ),
    _get(
        "ticks",
        "/ticks",
        "A page of messages of the journal",
        arguments.TicksQuery,
        work=bus_reads.ticks,
        example={"topic": "tick.EURUSD", "since": "10m", "limit": 100},
    ),
    _get(
        "bars",
        "/bars/{symbol}",
        "Bars of a symbol",
        arguments.BarsQuery,
        work=bus_reads.bars,
        example={"symbol": "EURUSD", "interval": "1m", "last": 60},
    ),
    _get("positions.list", "/positions", "The kept positions of subscribers", service="hulak.position.list"),
    _do(
        "positions.remove",
        "DELETE",
        "/positions",
        "Remove kept positions",
        control.PositionRemoveArguments,
        service="hulak.position.remove",
        example={"names": ["recorder"]},
    ),
    # Tasks
    _do(
        "calls.make",
        "POST",
        "/calls",
        "Run a task, and wait for its result",
        arguments.CallBody,
        work=bus_writes.call,
        example={"service": "nepse", "action": "market-status", "timeout_ms": 10_000},
    ),
    _do(
        "tasks.post",
        "POST",
        "/tasks",
        "Post a task; the same key, or header Idempotency-Key, is the same task",
        control.PostArguments,
        service="hulak.post",
        status=HTTPStatus.ACCEPTED,
        example={"service": "nepse", "action": "security-brief", "key": "brief-today"},
    ),
    _get("tasks.list", "/tasks", "Posted tasks", control.TasksArguments, service="hulak.tasks", example={"state": "waiting"}),
    _get(
        "tasks.show",
        "/tasks/{task}",
        "A posted task and its result",
        arguments.TaskQuery,
        work=bus_reads.task,
        example={"task": TASK_EXAMPLE, "wait_ms": 1000},
    ),
    _do(
        "tasks.cancel",
        "POST",
        "/tasks/{task}/cancel",
        "Cancel a posted task",
        control.TaskIdArguments,
        service="hulak.cancel",
        example={"task": TASK_EXAMPLE},
    ),
    _get("dead.list", "/dead-letters", "Failed tasks", arguments.DeadQuery, work=bus_reads.dead_letters),
    _do(
        "dead.retry",
        "POST",
        "/dead-letters/{task}/retry",
        "Queue a failed task again",
        control.TaskIdArguments,
        service="hulak.retry",
        example={"task": TASK_EXAMPLE},
    ),
    _do(
        "dead.drop",
        "DELETE",
        "/dead-letters/{task}",
        "Delete a failed task",
        control.TaskIdArguments,
        service="hulak.drop",
        example={"task": TASK_EXAMPLE},
    ),
    # Schedules
    _get("schedules.list", "/schedules", "Schedules", schedules.ScheduleListArguments, service="hulak.schedule.list"),
    _do(
        "schedules.add",
        "POST",
        "/schedules",
        "Post a task by a schedule",
        schedules.ScheduleArguments,
        service="hulak.schedule.add",
        status=HTTPStatus.CREATED,
        example={"service": "nepse", "action": "today-price", "name": "prices", "cron": "5 15 * * 1-5", "zone": "Asia/Kathmandu"},
    ),
    *(
        _do(
            f"schedules.{verb}",
            "POST",
            f"/schedules/{{name}}/{verb}",
            summary,
            schedules.ScheduleNameArguments,
            service=f"hulak.schedule.{verb}",
            example={"name": "prices"},
        )
        for verb, summary in (("pause", "Pause a schedule"), ("resume", "Resume a schedule"), ("run", "Post its task now"))
    ),
    _do(
        "schedules.remove",
        "DELETE",
        "/schedules/{name}",
        "Remove a schedule",
        schedules.ScheduleNameArguments,
        service="hulak.schedule.remove",
        example={"name": "prices"},
    ),
    _get("calendars.list", "/calendars", "Calendars of trading days", service="hulak.calendar.list"),
    _do(
        "calendars.set",
        "PUT",
        "/calendars/{name}",
        "Set a calendar of trading days",
        schedules.CalendarArguments,
        service="hulak.calendar.set",
        example={
            "name": "nepse",
            "zone": "Asia/Kathmandu",
            "weekdays": [1, 2, 3, 4, 7],
            "first": "2026-01-01",
            "last": "2026-12-31",
        },
    ),
    _do(
        "calendars.remove",
        "DELETE",
        "/calendars/{name}",
        "Remove a calendar",
        schedules.CalendarNameArguments,
        service="hulak.calendar.remove",
        example={"name": "nepse"},
    ),
    # Workers and displays
    _do(
        "workers.drain",
        "POST",
        "/workers/{worker}/drain",
        "Let a worker end after its task; the scaler starts another one if the service needs it",
        control.RetireArguments,
        service="hulak.retire",
        example={"worker": "nepse-1", "reason": "new version"},
    ),
    _do(
        "services.scale",
        "PUT",
        "/services/{service}/workers",
        "Set the number of workers of a service",
        control.ScaleArguments,
        service="hulak.scale",
        example={"service": "nepse", "workers": 2},
    ),
    _get("displays.list", "/displays", "The displays", service="hulak.display.list"),
    _do(
        "displays.create",
        "POST",
        "/displays",
        "Create a display",
        control.DisplayCreateArguments,
        service="hulak.display.create",
        status=HTTPStatus.CREATED,
        example={"symbol": "EURUSD", "display": "eurusd-1"},
    ),
    _do(
        "displays.update",
        "PATCH",
        "/displays/{display}",
        "Initialise a display again",
        control.DisplayUpdateArguments,
        service="hulak.display.update",
        example={"display": "eurusd-1", "init": {}},
    ),
    _do(
        "displays.remove",
        "DELETE",
        "/displays",
        "Remove a display, or all displays of a symbol",
        control.DisplayRemoveArguments,
        service="hulak.display.remove",
        example={"display": "eurusd-1"},
    ),
    # Configuration and keys
    _get(
        "config.get",
        "/config",
        "The live configuration, of one scope or all",
        control.ConfigGetArguments,
        service="hulak.config.get",
        example={"scope": "global"},
    ),
    _do(
        "config.set",
        "PATCH",
        "/config",
        "Change the live configuration; with if_version only that version",
        control.ConfigSetArguments,
        service="hulak.config.set",
        example={"scope": "global", "values": {"log_level": "info"}, "note": "less log"},
    ),
    _do(
        "config.revert",
        "POST",
        "/config/revert",
        "Make an earlier version the newest",
        control.ConfigRevertArguments,
        service="hulak.config.revert",
        example={"version": 3},
    ),
    _get(
        "config.history",
        "/config/history",
        "Versions of the live configuration",
        control.ConfigHistoryArguments,
        service="hulak.config.history",
    ),
    _get("config.applied", "/config/applied", "Which process has applied which version", service="hulak.config.applied"),
    _get("key", "/key", "The key of the gateway's own connection", service="hulak.key.whoami"),
    _do("keys.reload", "POST", "/keys/reload", "Read the broker's files of keys again", service="hulak.key.reload"),
)

EVENTS = Operation(
    "events",
    "GET",
    "/events",
    "Server-sent events of topics",
    Role.VIEW,
    arguments.EventsQuery,
    example={"topics": "tick.EURUSD"},
)

NOT_SERVED = {  # control services without an operation -> why
    "hulak.feed": "for feeds, which number their messages",
    "hulak.replay": "read by ticks, which bounds its pages",
    "hulak.last": "read by last and topics",
    "hulak.position.open": "for subscribers, whose token it is",
    "hulak.position.save": "likewise",
    "hulak.report": "for the processes of the bus, about themselves",
    "hulak.result": "read by tasks.show, which waits in steps",
    "hulak.display.day": "for display workers",
}
