"""The operations of `/api/v1`: the one table that routes the requests and makes the OpenAPI document.

An operation with a `service` is that control service of the broker: its arguments, checked by the broker's own types, are the
operation's. The others have a function in `bus_reads.py` or `bus_writes.py`.
"""

from http import HTTPStatus

from hulak.bus.core import control_requests as control
from hulak.bus.core import layout_requests as layouts
from hulak.clients.gateway.api import arguments, bus_reads, bus_writes
from hulak.clients.gateway.api.operation import Operation, change, reading
from hulak.clients.gateway.api.timed_operations import TIMED
from hulak.clients.gateway.tokens import Role

BY = "by"  # an argument that the gateway sets: the author of a change
TASK_EXAMPLE = "0123456789abcdef0123456789abcdef"

OPERATIONS = (
    # Health and figures
    reading("ping", "/ping", "Check that the broker answers", service="hulak.ping"),
    reading("status", "/status", "Health, statistics, and the supervised processes", work=bus_reads.status),
    reading("check", "/check", "The verdict on everything, the one of hulak check", work=bus_reads.check),
    reading("stats", "/stats", "All statistics of the broker", service="hulak.stats"),
    reading("workers.list", "/workers", "The workers", work=bus_reads.workers),
    reading("feeds.list", "/feeds", "The feeds, with their states and symbols", work=bus_reads.feeds),
    change(
        "feeds.add_symbols",
        "POST",
        "/feeds/{feed}/symbols",
        "Add symbols to a running feed; its report has the state of each",
        arguments.SymbolsOfFeed,
        work=bus_writes.add_symbols,
        example={"feed": "kraken", "symbols": ["SOL/USD"]},
    ),
    change(
        "feeds.remove_symbols",
        "DELETE",
        "/feeds/{feed}/symbols",
        "Remove symbols from a running feed",
        arguments.SymbolsOfFeed,
        work=bus_writes.remove_symbols,
        example={"feed": "kraken", "symbols": ["SOL/USD"]},
    ),
    reading("bridges.list", "/bridges", "The bridges to other sites", work=bus_reads.bridges),
    reading("subscribers.list", "/subscribers", "Figures of the broker's subscribers", work=bus_reads.subscribers),
    # Ticks and other topics
    reading(
        "topics.list",
        "/topics",
        "Topics, with their last numbers",
        arguments.TopicsQuery,
        work=bus_reads.topics,
        example={"topic": "tick."},
    ),
    change(
        "topics.remove",
        "DELETE",
        "/topics",
        "Remove topics of feeds, and own topics",
        control.TopicRemoveArguments,
        service="hulak.topic.remove",
        example={"topics": ["tick.TEST1"]},
    ),
    reading("topics.owners", "/topics/owners", "The owners of own topics", service="hulak.topic.owners"),
    change(
        "topics.publish",
        "POST",
        "/topics/{topic}/messages",
        "Publish a message on an own topic",
        arguments.PublishBody,
        work=bus_writes.publish,
        example={"topic": "app.signals.EURUSD", "body": {"side": "buy"}},
    ),
    reading(
        "last",
        "/last/{topic}",
        "The last message of a topic, or of each topic of a prefix such as tick.EUR*",
        arguments.LastQuery,
        work=bus_reads.last,
        example={"topic": "tick.EURUSD"},
    ),
    reading(
        "ticks",
        "/ticks",
        "A page of messages of the journal",
        arguments.TicksQuery,
        work=bus_reads.ticks,
        example={"topic": "tick.EURUSD", "since": "10m", "limit": 100},
    ),
    reading(
        "bars",
        "/bars/{symbol}",
        "Bars of a symbol",
        arguments.BarsQuery,
        work=bus_reads.bars,
        example={"symbol": "EURUSD", "interval": "1m", "last": 60},
    ),
    reading("positions.list", "/positions", "The kept positions of subscribers", service="hulak.position.list"),
    change(
        "positions.remove",
        "DELETE",
        "/positions",
        "Remove kept positions",
        control.PositionRemoveArguments,
        service="hulak.position.remove",
        example={"names": ["recorder"]},
    ),
    # Tasks
    change(
        "calls.make",
        "POST",
        "/calls",
        "Run a task, and wait for its result",
        arguments.CallBody,
        work=bus_writes.call,
        example={"service": "nepse", "action": "market-status", "timeout_ms": 10_000},
    ),
    change(
        "tasks.post",
        "POST",
        "/tasks",
        "Post a task; the same key, or header Idempotency-Key, is the same task",
        control.PostArguments,
        service="hulak.post",
        status=HTTPStatus.ACCEPTED,
        example={"service": "nepse", "action": "security-brief", "key": "brief-today"},
    ),
    reading("tasks.list", "/tasks", "Posted tasks", control.TasksArguments, service="hulak.tasks", example={"state": "waiting"}),
    reading(
        "tasks.show",
        "/tasks/{task}",
        "A posted task and its result",
        arguments.TaskQuery,
        work=bus_reads.task,
        example={"task": TASK_EXAMPLE, "wait_ms": 1000},
    ),
    reading(
        "tasks.inspect",
        "/tasks/{task}/details",
        "A posted task with its arguments, attempts, run times and traceback",
        control.TaskIdArguments,
        service="hulak.task.show",
        example={"task": TASK_EXAMPLE},
    ),
    reading("calls.list", "/calls", "Calls in progress", control.CallsArguments, service="hulak.calls", example={"limit": 20}),
    change(
        "tasks.cancel",
        "POST",
        "/tasks/{task}/cancel",
        "Cancel a posted task",
        control.TaskIdArguments,
        service="hulak.cancel",
        example={"task": TASK_EXAMPLE},
    ),
    reading("dead.list", "/dead-letters", "Failed tasks", arguments.DeadQuery, work=bus_reads.dead_letters),
    change(
        "dead.retry",
        "POST",
        "/dead-letters/{task}/retry",
        "Queue a failed task again",
        control.TaskIdArguments,
        service="hulak.retry",
        example={"task": TASK_EXAMPLE},
    ),
    change(
        "dead.drop",
        "DELETE",
        "/dead-letters/{task}",
        "Delete a failed task",
        control.TaskIdArguments,
        service="hulak.drop",
        work=bus_writes.drop,
        example={"task": TASK_EXAMPLE},
    ),
    *TIMED,
    # Workers and displays
    change(
        "workers.drain",
        "POST",
        "/workers/{worker}/drain",
        "Let a worker end after its task; the scaler starts another one if the service needs it",
        control.RetireArguments,
        service="hulak.retire",
        example={"worker": "nepse-1", "reason": "new version"},
    ),
    change(
        "services.scale",
        "PUT",
        "/services/{service}/workers",
        "Set the number of workers of a service",
        control.ScaleArguments,
        service="hulak.scale",
        example={"service": "nepse", "workers": 2},
    ),
    reading("displays.list", "/displays", "The displays", service="hulak.display.list"),
    change(
        "displays.create",
        "POST",
        "/displays",
        "Create a display",
        control.DisplayCreateArguments,
        service="hulak.display.create",
        status=HTTPStatus.CREATED,
        example={"symbol": "EURUSD", "display": "eurusd-1"},
    ),
    change(
        "displays.update",
        "PATCH",
        "/displays/{display}",
        "Initialise a display again",
        control.DisplayUpdateArguments,
        service="hulak.display.update",
        example={"display": "eurusd-1", "init": {}},
    ),
    change(
        "displays.remove",
        "DELETE",
        "/displays",
        "Remove a display, or all displays of a symbol",
        control.DisplayRemoveArguments,
        service="hulak.display.remove",
        example={"display": "eurusd-1"},
    ),
    # Layouts of the page
    reading(
        "layouts.list",
        "/layouts",
        "Shared layouts of the page, without their documents",
        layouts.LayoutListArguments,
        service="hulak.layout.list",
        example={"view": "table"},
    ),
    reading(
        "layouts.show",
        "/layouts/{name}",
        "A shared layout and its document",
        layouts.LayoutNameArguments,
        service="hulak.layout.show",
        example={"name": "desk"},
    ),
    change(
        "layouts.put",
        "PUT",
        "/layouts/{name}",
        "Add or replace a shared layout",
        layouts.LayoutPutArguments,
        service="hulak.layout.put",
        example={"name": "desk", "document": {"version": 1, "view": "table", "sort": "change"}, "if_version": 0},
    ),
    change(
        "layouts.remove",
        "DELETE",
        "/layouts/{name}",
        "Remove a shared layout",
        layouts.LayoutRemoveArguments,
        service="hulak.layout.remove",
        example={"name": "desk"},
    ),
    # Configuration and keys
    reading(
        "config.get",
        "/config",
        "The live configuration, of one scope or all",
        control.ConfigGetArguments,
        service="hulak.config.get",
        example={"scope": "global"},
    ),
    change(
        "config.set",
        "PATCH",
        "/config",
        "Change the live configuration; with if_version only that version",
        control.ConfigSetArguments,
        service="hulak.config.set",
        example={"scope": "global", "values": {"log_level": "info"}, "note": "less log"},
    ),
    change(
        "config.revert",
        "POST",
        "/config/revert",
        "Make an earlier version the newest",
        control.ConfigRevertArguments,
        service="hulak.config.revert",
        example={"version": 3},
    ),
    reading(
        "config.history",
        "/config/history",
        "Versions of the live configuration",
        control.ConfigHistoryArguments,
        service="hulak.config.history",
    ),
    reading("config.applied", "/config/applied", "Which process has applied which version", service="hulak.config.applied"),
    reading("key", "/key", "The key of the gateway's own connection", service="hulak.key.whoami"),
    change("keys.reload", "POST", "/keys/reload", "Read the broker's files of keys again", service="hulak.key.reload"),
)

EVENTS = Operation(
    "events",
    "GET",
    "/events",
    "Server-sent events of topics",
    Role.VIEW,
    arguments.EventsQuery,
    example={"topics": "tick.EURUSD"},
    detail=(
        "`data` is an object: topic, epoch, sequence, time_ns, and the fields of the message; of an own topic `body`. "
        "`id` is EPOCH/SEQUENCE/TIME_NS; sent as Last-Event-ID it counts instead of since, from and last. Topics of ticks, bars, "
        "alerts, markets and own topics begin in the journal; the event `live` shows where that ends. stats, displays, "
        "display.ID, config and heartbeat have no ids: their newest message comes. The event `problem` ends the stream."
    ),
)

NOT_SERVED = {  # control services without an operation -> why
    "hulak.feed": "for feeds, which number their messages",
    "hulak.replay": "read by ticks, which bounds its pages",
    "hulak.last": "read by last and topics",
    "hulak.position.open": "for subscribers, whose token it is",
    "hulak.position.save": "likewise",
    "hulak.report": "for the processes of the bus, about themselves",
    "hulak.beat": "likewise",
    "hulak.result": "read by tasks.show, which waits in steps",
    "hulak.display.day": "for display workers",
}
